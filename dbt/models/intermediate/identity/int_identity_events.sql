-- What became of members, night by night. Grain: event.
{{ config(materialized="table") }}

with events as (
    select * from {{ ref("int_identity_resolution") }} where what = 'event'
),

nodes as (
    select * from {{ ref("int_identity_nodes") }}
),

edges as (
    select * from {{ ref("int_identity_edges") }}
)

select
    events.night as occurred_on,
    events.kind,
    nodes.minted_id as member_id,
    others.minted_id as other_member_id,
    case
        when edges.link_no is not null then edges.evidence
        else about.namespace || ' ' || about.identifier
    end as evidence
from events
inner join nodes on events.member_no = nodes.node_no
inner join nodes as about on events.node_no = about.node_no
left join nodes as others on events.other_no = others.node_no
left join edges on events.link_no = edges.link_no
