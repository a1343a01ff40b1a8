-- Links that no rule of their own refuses, and that two stronger ones say cannot be. Grain: link.
{{ config(materialized="table") }}

with refusals as (
    select link_no, kind, node_no, other_no
    from {{ ref("int_identity_resolution") }}
    where what = 'refusal'
),

edges as (
    select * from {{ ref("int_identity_edges") }}
),

nodes as (
    select node_no, identifier from {{ ref("int_identity_nodes") }}
),

final as (
    select
        refusals.link_no,
        edges.namespace_a,
        edges.identifier_a,
        edges.segment_a,
        edges.namespace_b,
        edges.identifier_b,
        edges.segment_b,
        case
            when refusals.kind = 'decision' then 'decided_different'
            when refusals.kind = 'two_places' then 'two_places_at_once'
            when refusals.kind = 'phone' then 'too_many_phones'
            when refusals.kind like 'pos_member %' then 'too_many_cards'
            else 'two_wechat_accounts'
        end as reason,
        refusals.kind || ': ' || nodes_a.identifier || ' <> ' || nodes_b.identifier as cause,
        edges.evidence
    from refusals
    inner join edges on refusals.link_no = edges.link_no
    inner join nodes as nodes_a on refusals.node_no = nodes_a.node_no
    inner join nodes as nodes_b on refusals.other_no = nodes_b.node_no
)

select * from final
