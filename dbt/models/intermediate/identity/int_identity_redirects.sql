-- Where a member id that was once published and is not any more leads today. Grain: retired member id.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key="retired_member_id",
    meta={"affected": "int_identity_affected_ids", "affected_columns": ["member_id"]},
) }}

-- depends_on: {{ ref("int_identity_affected_ids") }}

with nodes as (
    select * from {{ ref("int_identity_nodes") }}
),

members as (
    select * from {{ ref("int_identity_members") }}
),

events as (
    select * from {{ ref("int_identity_resolution") }} where what = 'event'
),

lived as (
    select distinct case when kind = 'split' then other_no else member_no end as node_no
    from events
    where kind in ('created', 'split', 'reassigned')
),

-- what took something from it, the last first; of one night, what has the earliest member
left_on as (
    select
        events.other_no as node_no,
        events.night,
        coalesce(moved.member_id, heirs.member_id) as member_id,
        row_number() over (
            partition by events.other_no
            order by
                case when coalesce(moved.member_id, heirs.member_id) is null then 2 else 1 end,
                events.night desc,
                case events.kind when 'reassigned' then 1 else 2 end,
                events.member_no,
                events.node_no
        ) as place,
        max(events.night) over (partition by events.other_no) as last_on
    from events
    left join members as moved on events.node_no = moved.node_no
    left join members as heirs on events.member_no = heirs.node_no
    where events.kind in ('merged', 'reassigned')
)

select
    nodes.minted_id as retired_member_id,
    -- where the identifier is that the id was made from; when nobody names it any more, where its last companion is
    coalesce(members.member_id, left_on.member_id) as member_id,
    left_on.last_on as merged_on
from nodes
inner join lived on nodes.node_no = lived.node_no
inner join left_on on nodes.node_no = left_on.node_no and left_on.place = 1
left join members on nodes.node_no = members.node_no
where
    coalesce(members.member_id, left_on.member_id) is not null
    and nodes.minted_id != coalesce(members.member_id, left_on.member_id)
