-- Followed links between numbered nodes, in order of arrival: the input of the components kernel. Grain: link.
{{ config(materialized="table") }}

select
    row_number() over (
        order by links.first_seen_on, nodes_a.node_no, nodes_b.node_no
    ) - 1 as link_no,
    nodes_a.node_no as node_a,
    nodes_b.node_no as node_b,
    dense_rank() over (order by links.first_seen_on) as night,
    links.first_seen_on,
    links.evidence
from {{ ref("int_identity_links") }} as links
inner join {{ ref("int_identity_nodes") }} as nodes_a
    on links.namespace_a = nodes_a.namespace and links.identifier_a = nodes_a.identifier
inner join {{ ref("int_identity_nodes") }} as nodes_b
    on links.namespace_b = nodes_b.namespace and links.identifier_b = nodes_b.identifier
where links.refusal is null
