{{ config(materialized="table") }}

with members as (
    select * from {{ ref("int_identity_members") }} where own_member_id is not null
),

events as (
    select
        first_seen_on as occurred_on,
        'created' as kind,
        own_member_id as member_id,
        cast(null as varchar) as other_member_id,
        namespace || ' ' || identifier as evidence
    from members
    union all
    select
        merged_on,
        'merged',
        merged_into_member_id,
        own_member_id,
        merge_evidence
    from members
    where merged_on is not null
)

select
    {{ identity_id("e", "kind || '|' || occurred_on || '|' || member_id || '|' || coalesce(other_member_id, '')") }}
        as event_id,
    occurred_on,
    kind,
    member_id,
    other_member_id,
    evidence
from events
order by occurred_on, kind, member_id, other_member_id
