-- Which member every identifier belongs to, and what became of the members that were merged. Grain: identifier.
{{ config(materialized="table") }}

with nodes as (
    select
        *,
        {{ identity_id("m", "namespace || ':' || identifier") }} as minted_id
    from {{ ref("int_identity_nodes") }}
)

select
    nodes.node_no,
    nodes.namespace,
    nodes.identifier,
    nodes.first_seen_on,
    roots.minted_id as member_id,
    roots.first_seen_on as member_since,
    -- an identifier was a member of its own until the night it was merged; one that was merged on the night it
    -- arrived never was
    case
        when components.merged_by_link_no is null and components.root_no != nodes.node_no then null
        when edges.first_seen_on = nodes.first_seen_on then null
        else nodes.minted_id
    end as own_member_id,
    edges.first_seen_on as merged_on,
    edges.evidence as merge_evidence,
    survivors.minted_id as merged_into_member_id
from nodes
inner join {{ ref("int_identity_components") }} as components using (node_no)
inner join nodes as roots on components.root_no = roots.node_no
left join {{ ref("int_identity_edges") }} as edges on components.merged_by_link_no = edges.link_no
left join nodes as survivors on components.merged_into_no = survivors.node_no
