{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key="member_id",
    on_schema_change="fail",
    meta={"affected": "int_identity_affected_ids"},
) }}

-- depends_on: {{ ref("int_identity_affected_ids") }}

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
