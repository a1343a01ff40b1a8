-- Nodes that somebody decided are different people. Grain: pair.
{{ config(materialized="table") }}

select distinct
    nodes_a.node_no as node_a,
    nodes_b.node_no as node_b
from {{ ref("int_identity_decisions") }} as decisions
inner join {{ ref("int_identity_nodes") }} as nodes_a
    on decisions.namespace_a = nodes_a.namespace and decisions.identifier_a = nodes_a.identifier
inner join {{ ref("int_identity_nodes") }} as nodes_b
    on decisions.namespace_b = nodes_b.namespace and decisions.identifier_b = nodes_b.identifier
where decisions.decision = 'different'
