-- Grain: one row per member who can be reached in the group-buy world; the day that began.

with

joins as (

    select connection, 'group_members' as feed, record_id, join_time as joined_at, first_arrived_on
    from {{ ref('int_wecom_group_members_current') }}

    union all

    select connection, 'contacts', record_id, createtime, first_arrived_on
    from {{ ref('int_wecom_contacts_current') }}

    union all

    select connection, 'users', record_id, registered_at, first_arrived_on
    from {{ ref('stg_groupbuy__users') }}

),

record_members as (

    select * from {{ ref('record_members') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

)

select
    record_members.member_id,
    -- a source that does not say when: the night we first saw it
    min(coalesce(
        {{ business_date('joins.joined_at', 'run_context.cutover_minutes') }},
        joins.first_arrived_on
    )) as joined_group_on
from joins
cross join run_context
inner join record_members
    on {{ same_record('joins', 'record_members') }}
where record_members.member_id is not null
group by record_members.member_id
