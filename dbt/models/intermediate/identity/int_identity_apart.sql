-- Nodes that are known to be different people: somebody decided so, or they were in two places at once.
-- Grain: pair × reason.
{{ config(materialized="table") }}

with decisions as (
    select * from {{ ref("int_identity_decisions") }} where decision = 'different'
),

nodes as (
    select * from {{ ref("int_identity_nodes") }}
),

decided as (
    select
        nodes_a.node_no as node_a,
        nodes_b.node_no as node_b,
        -- always, when one of several says so
        case when count(decisions.since) = count(*) then min(decisions.since) end as since,
        'decision' as reason
    from decisions
    inner join nodes as nodes_a
        on
            decisions.namespace_a = nodes_a.namespace
            and decisions.identifier_a = nodes_a.identifier
            and decisions.segment_a = nodes_a.segment
    inner join nodes as nodes_b
        on
            decisions.namespace_b = nodes_b.namespace
            and decisions.identifier_b = nodes_b.identifier
            and decisions.segment_b = nodes_b.segment
    group by 1, 2
),

final as (
    select * from decided
    union all
    select node_a, node_b, since, 'two_places' as reason
    from {{ ref("int_identity_two_places") }}
)

select * from final
