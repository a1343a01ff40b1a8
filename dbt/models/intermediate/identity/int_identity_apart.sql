-- Nodes that somebody decided are different people. Grain: pair.
{{ config(materialized="table") }}

select
    nodes_a.node_no as node_a,
    nodes_b.node_no as node_b,
    -- always, when one of several says so
    case when count(decisions.since) = count(*) then min(decisions.since) end as since
from {{ ref("int_identity_decisions") }} as decisions
inner join {{ ref("int_identity_nodes") }} as nodes_a
    on
        decisions.namespace_a = nodes_a.namespace
        and decisions.identifier_a = nodes_a.identifier
        and decisions.segment_a = nodes_a.segment
inner join {{ ref("int_identity_nodes") }} as nodes_b
    on
        decisions.namespace_b = nodes_b.namespace
        and decisions.identifier_b = nodes_b.identifier
        and decisions.segment_b = nodes_b.segment
where decisions.decision = 'different'
group by 1, 2
