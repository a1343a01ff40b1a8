-- Whose each record is that names people, but for sales, which know it themselves. A row is made again when the record
-- is new or belongs to somebody else; until that is published, was_member_id keeps what readers last saw.
-- Grain: record.
{{ config(materialized="incremental", incremental_strategy="delete+insert", unique_key="record_no") }}

with

owners as (

    select
        connection,
        feed,
        record_id,
        record_key as record_no,
        member_id
    from {{ ref('int_record_recognitions') }}
    where feed not in ('tickets', 'orders')

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

)

{% if is_incremental() %}
select
    coalesce(owners.connection, known.connection) as connection,
    coalesce(owners.feed, known.feed) as feed,
    coalesce(owners.record_id, known.record_id) as record_id,
    coalesce(owners.record_no, known.record_no) as record_no,
    owners.member_id,
    {{ key_hash('owners.member_id') }} as member_no,
    case when known.touched_run = run_context.run_seq then known.was_member_id else known.member_id end as was_member_id,
    run_context.run_seq as touched_run
from owners
full outer join {{ this }} as known
    on owners.record_no = known.record_no
cross join run_context
where
    known.record_no is null
    or owners.member_id is distinct from known.member_id
{% else %}
select
    owners.connection,
    owners.feed,
    owners.record_id,
    owners.record_no,
    owners.member_id,
    {{ key_hash('owners.member_id') }} as member_no,
    cast(null as varchar) as was_member_id,
    run_context.run_seq as touched_run
from owners
cross join run_context
{% endif %}
