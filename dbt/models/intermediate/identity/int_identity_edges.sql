-- Links between numbered nodes that no rule of their own refuses, the strongest first. Grain: link.
{{ config(materialized="table") }}

select
    row_number() over (
        order by links.strength, links.support desc, links.starts_at, nodes_a.node_no, nodes_b.node_no
    ) - 1 as link_no,
    nodes_a.node_no as node_a,
    nodes_b.node_no as node_b,
    links.first_seen_on,
    links.evidence,
    links.namespace_a,
    links.identifier_a,
    links.namespace_b,
    links.identifier_b,
    links.segment_b
from {{ ref("int_identity_links") }} as links
inner join {{ ref("int_identity_nodes") }} as nodes_a
    on links.namespace_a = nodes_a.namespace and links.identifier_a = nodes_a.identifier and nodes_a.segment = ''
inner join {{ ref("int_identity_nodes") }} as nodes_b
    on
        links.namespace_b = nodes_b.namespace
        and links.identifier_b = nodes_b.identifier
        and links.segment_b = nodes_b.segment
where links.refusal is null
