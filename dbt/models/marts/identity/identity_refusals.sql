{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key=["namespace_a", "identifier_a"],
    on_schema_change="fail",
    meta={"affected": "int_identity_affected_identifiers", "affected_columns": ["namespace", "identifier"]},
) }}

-- depends_on: {{ ref("int_identity_affected_identifiers") }}

with links as (
    select * from {{ ref("int_identity_links") }}
),

overruled as (
    select * from {{ ref("int_identity_overruled") }}
),

-- refused by a rule of their own, whatever else is known
by_rule as (
    select
        namespace_a,
        identifier_a,
        namespace_b,
        identifier_b,
        refusal as reason,
        evidence
    from links
    where refusal is not null
),

refused as (
    select * from by_rule
    union all
    select namespace_a, identifier_a, namespace_b, identifier_b, reason, cause || '; ' || evidence
    from overruled
),

-- a phone may be refused in one owner's time and followed in another's; the contract wants a pair once
ranked as (
    select
        *,
        row_number() over (
            partition by namespace_a, identifier_a, namespace_b, identifier_b
            order by reason, evidence
        ) as place
    from refused
),

final as (
    select namespace_a, identifier_a, namespace_b, identifier_b, reason, evidence
    from ranked
    where place = 1
)

select * from final
order by namespace_a, identifier_a, namespace_b, identifier_b
