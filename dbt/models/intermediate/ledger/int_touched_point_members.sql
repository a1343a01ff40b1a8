-- Members of whose points anything may be otherwise than in the last publication: whose a touched entry is, and whose it
-- was. Grain: member id.
{{ config(materialized='view') }}

with

touched as (

    select
        member_id,
        was_member_id
    from {{ ref('int_point_entries') }}
    where touched_run = (select run_seq from {{ source('ops', 'run_context') }})

),

members as (

    select member_id from touched

    union

    select was_member_id from touched

)

select
    member_id,
    {{ key_hash('member_id') }} as member_no
from members
where member_id is not null
