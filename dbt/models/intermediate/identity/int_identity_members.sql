-- Which member every identifier belongs to, and when. Grain: node (identifier, a phone once for every owner it had).
{{ config(materialized="table") }}

with nodes as (
    select * from {{ ref("int_identity_nodes") }}
),

resolved as (
    select * from {{ ref("int_identity_resolution") }} where what = 'node'
),

published as (
    select * from {{ ref("int_identity_published") }}
),

-- a member keeps the id that readers know her by; of several, and of none, the one of the earliest identifier
named as (
    select
        resolved.node_no,
        resolved.member_no,
        first_value(nodes.minted_id) over (
            partition by resolved.member_no
            order by
                case when published.state = 'own' then 1 when published.owned_on is not null then 2 else 3 end,
                nodes.node_no
        ) as member_id
    from resolved
    -- a node that no record names any more has no member
    inner join nodes on resolved.node_no = nodes.node_no
    left join published on nodes.minted_id = published.member_id
    where resolved.member_no is not null
)

select
    nodes.node_no,
    nodes.namespace,
    nodes.identifier,
    nodes.segment,
    nodes.first_seen_on,
    nodes.minted_id,
    named.member_id,
    named.member_no,
    roots.first_seen_on as member_since,
    coalesce(tenures.valid_from, turns.valid_from) as valid_from,
    coalesce(tenures.valid_to, turns.valid_to) as valid_to
from nodes
inner join named on nodes.node_no = named.node_no
inner join nodes as roots on named.member_no = roots.node_no
left join {{ ref("int_identity_phone_tenures") }} as tenures
    on nodes.namespace = 'phone' and nodes.identifier = tenures.phone and nodes.segment = tenures.segment
left join {{ ref("int_identity_till_turns") }} as turns
    on nodes.namespace = 'pos_member' and nodes.identifier = turns.identifier and nodes.segment = turns.segment
        and turns.namespace = 'pos_member' and (turns.segment != '' or turns.valid_from is null)
