-- Members of whom anything may be otherwise than when the last publication was made: owners of what was touched, now and
-- then, and all members of the islands that One ID looked at, also those that are no more. Grain: member id.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

with

orders as (

    select * from {{ ref('int_touched_orders') }}

),

recognitions as (

    select * from {{ ref('int_record_recognitions') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

touched as (

    select member_id from orders

    union

    select was_member_id from orders

    union

    select member_id from {{ ref('int_identity_affected_ids') }}

    union

    -- records of every feed that names people
    select member_id
    from recognitions
    where record_key in (select record_key from {{ ref('int_identity_affected_records') }})
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
