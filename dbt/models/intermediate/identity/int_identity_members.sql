-- Which member every identifier belongs to, and when. Grain: node (identifier, a phone once for every owner it had).
{{ config(materialized="table") }}

with nodes as (
    select * from {{ ref("int_identity_nodes") }}
),

resolved as (
    select * from {{ ref("int_identity_resolution") }} where what = 'node'
)

select
    nodes.node_no,
    nodes.namespace,
    nodes.identifier,
    nodes.segment,
    nodes.first_seen_on,
    nodes.minted_id,
    roots.minted_id as member_id,
    roots.first_seen_on as member_since,
    coalesce(tenures.valid_from, turns.valid_from) as valid_from,
    coalesce(tenures.valid_to, turns.valid_to) as valid_to
from nodes
-- a node that no record names any more has no member
inner join resolved on nodes.node_no = resolved.node_no
inner join nodes as roots on resolved.member_no = roots.node_no
left join {{ ref("int_identity_phone_tenures") }} as tenures
    on nodes.namespace = 'phone' and nodes.identifier = tenures.phone and nodes.segment = tenures.segment
left join {{ ref("int_identity_till_turns") }} as turns
    on nodes.namespace = 'pos_member' and nodes.identifier = turns.identifier and nodes.segment = turns.segment
        and turns.namespace = 'pos_member' and not turns.is_shared
