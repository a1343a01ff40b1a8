-- Members of whom anything may be otherwise than when the last publication was made: owners, now and then, of sales that
-- were touched, of records that are new or changed hands, and of what happened otherwise than was known. Grain: member
-- id, also of members that are no more. What merely states something (a card, an account, a contact) and was only told
-- again touches nobody.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

with

orders as {{ read_in_place() }} (

    select * from {{ ref('int_touched_orders') }}

),

records as {{ read_in_place() }} (

    select * from {{ ref('int_record_owners') }}

),

arrivals as (

    select *
    from {{ ref('stg_identity__arrivals') }}
    where {{ identity_is_event('feed') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

touched as (

    select member_id from orders

    union

    select was_member_id from orders

    union

    select records.member_id
    from records
    inner join run_context
        on records.touched_run = run_context.run_seq

    union

    select records.was_member_id
    from records
    inner join run_context
        on records.touched_run = run_context.run_seq

    union

    select member_id
    from records
    where record_no in (select record_key from arrivals)
    {%- if is_incremental() %}

    union

    -- whom an earlier build touched and nobody published
    select before.member_id
    from {{ this }} as before
    inner join run_context
        on before.run_seq = run_context.run_seq
    {%- else %}

    union

    select member_id from {{ ref('members') }}
    {%- endif %}

)

select
    touched.member_id,
    {{ key_hash('touched.member_id') }} as member_no,
    run_context.run_seq
from touched
cross join run_context
where touched.member_id is not null
