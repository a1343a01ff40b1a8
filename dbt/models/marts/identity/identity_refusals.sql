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

resolution as (
    select * from {{ ref("int_identity_resolution") }} where what = 'refusal'
),

edges as (
    select * from {{ ref("int_identity_edges") }}
),

nodes as (
    select * from {{ ref("int_identity_nodes") }}
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

-- refused because two stronger links say otherwise
by_others as (
    select
        edges.namespace_a,
        edges.identifier_a,
        edges.namespace_b,
        edges.identifier_b,
        {{ identity_overruled("resolution.kind") }} as reason,
        resolution.kind || ': ' || nodes_a.identifier || ' <> ' || nodes_b.identifier || '; '
        || edges.evidence as evidence
    from resolution
    inner join edges on resolution.link_no = edges.link_no
    inner join nodes as nodes_a on resolution.node_no = nodes_a.node_no
    inner join nodes as nodes_b on resolution.other_no = nodes_b.node_no
),

refused as (
    select * from by_rule
    union all
    select * from by_others
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
