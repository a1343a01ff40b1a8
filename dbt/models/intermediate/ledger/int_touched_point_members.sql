-- Members of whose points anything may be otherwise than in the last publication: whose a touched entry is, and whose it
-- was. Grain: member id. Empty in a build of everything.
{{ config(materialized='incremental', incremental_strategy='replaced') }}

with

touched as (

    select
        member_id,
        was_member_id
    from {{ ref('int_point_entries') }}
    where touched_run = (select run_seq from {{ source('ops', 'run_context') }})

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

members as (

    select member_id from touched

    union

    select was_member_id from touched
    {%- if is_incremental() %}

    union

    -- whom an earlier build touched and nobody published
    select before.member_id
    from {{ this }} as before
    inner join run_context
        on before.run_seq = run_context.run_seq
    {%- endif %}

)

select
    members.member_id,
    {{ key_hash('members.member_id') }} as member_no,
    run_context.run_seq
from members
cross join run_context
where members.member_id is not null
{%- if not is_incremental() %} and false{% endif %}
