-- Where a member id that was once published and is not any more leads today. Grain: retired member id.
{{ config(materialized="table") }}

with members as (
    select * from {{ ref("int_identity_members") }}
),

lived as (
    select
        case when kind in ('created') then member_id else other_member_id end as member_id,
        max(occurred_on) as occurred_on
    from {{ ref("int_identity_events") }}
    where kind in ('created', 'split')
    group by 1
),

left_on as (
    select
        other_member_id as member_id,
        max(occurred_on) as merged_on
    from {{ ref("int_identity_events") }}
    where kind in ('merged', 'reassigned')
    group by 1
)

select
    members.minted_id as retired_member_id,
    members.member_id,
    left_on.merged_on
from members
inner join lived on members.minted_id = lived.member_id
inner join left_on on members.minted_id = left_on.member_id
where members.minted_id != members.member_id
