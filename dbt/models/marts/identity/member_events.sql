{{ config(materialized="table") }}

with events as (
    select * from {{ ref("int_identity_events") }}
)

select
    {{ identity_id("e", "kind || '|' || occurred_on || '|' || member_id || '|' || coalesce(other_member_id, '') || '|' || evidence") }}
        as event_id,
    occurred_on,
    kind,
    member_id,
    other_member_id,
    evidence
from events
order by occurred_on, kind, member_id, other_member_id, evidence
