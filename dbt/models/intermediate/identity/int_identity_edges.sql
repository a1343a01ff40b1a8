-- Links between numbered nodes that no rule of their own refuses, the strongest first, and those (until_on) that were
-- followed once. Grain: link.
{{ config(materialized="table") }}

with links as (
    select
        namespace_a, identifier_a, segment_a, namespace_b, identifier_b, segment_b, strength, support, starts_at,
        first_seen_on,
        cast(null as date) as until_on,
        evidence
    from {{ ref("int_identity_links") }}
    where refusal is null
    union all
    select
        namespace_a, identifier_a, segment_a, namespace_b, identifier_b, segment_b, strength, 1, starts_at, first_seen_on,
        until_on,
        evidence
    from {{ ref("int_identity_former_links") }}
    union all
    -- what somebody decided of two records that are known by phones only
    select
        namespace_a, identifier_a, segment_a, namespace_b, identifier_b, segment_b,
        {{ identity_strength("'phone'", "'decision'", "null") }},
        1, first_at, first_seen_on,
        cast(null as date),
        'identity_decisions.same ' || split_part(record, '|', 1) || '|decisions|line ' || line
    from {{ ref("int_identity_decisions") }}
    where decision = 'same' and namespace_a = 'phone'
)

select
    row_number() over (
        order by links.strength, links.support desc, links.starts_at, nodes_a.node_no, nodes_b.node_no,
            links.first_seen_on, links.until_on, links.evidence
    ) - 1 as link_no,
    nodes_a.node_no as node_a,
    nodes_b.node_no as node_b,
    links.first_seen_on,
    links.until_on,
    links.evidence,
    links.namespace_a,
    links.identifier_a,
    links.segment_a,
    links.namespace_b,
    links.identifier_b,
    links.segment_b
from links
inner join {{ ref("int_identity_nodes") }} as nodes_a
    on
        links.namespace_a = nodes_a.namespace
        and links.identifier_a = nodes_a.identifier
        and links.segment_a = nodes_a.segment
inner join {{ ref("int_identity_nodes") }} as nodes_b
    on
        links.namespace_b = nodes_b.namespace
        and links.identifier_b = nodes_b.identifier
        and links.segment_b = nodes_b.segment
