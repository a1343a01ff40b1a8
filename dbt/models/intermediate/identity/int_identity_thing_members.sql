-- Which member a WeChat account or a card belongs to. Grain: account or card.
{{ config(materialized="table") }}

select
    nodes.thing,
    min(members.member_id) as member_id
from {{ ref("int_identity_nodes") }} as nodes
inner join {{ ref("int_identity_members") }} as members on nodes.node_no = members.node_no
where nodes.namespace != 'phone'
group by 1
