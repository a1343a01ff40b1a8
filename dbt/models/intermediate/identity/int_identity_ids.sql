-- Every member id that readers have seen or will see tonight, and whether it is a member's own. Grain: member id.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key="member_id",
    meta={"affected": "int_identity_affected_ids"},
) }}

-- depends_on: {{ ref("int_identity_affected_ids") }}

select
    member_id,
    namespace,
    identifier,
    segment,
    generation,
    state
from {{ ref("int_identity_standings") }}
