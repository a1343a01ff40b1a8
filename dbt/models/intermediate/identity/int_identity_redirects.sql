-- Where a member id that was once published and is not any more leads today. Grain: retired member id.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key="retired_member_id",
    meta={"affected": "int_identity_affected_ids", "affected_columns": ["member_id"]},
) }}

-- depends_on: {{ ref("int_identity_affected_ids") }}

with members as (
    select * from {{ ref("int_identity_members") }}
),

standings as (
    select *
    from {{ ref("int_identity_standings") }}
    where state != 'own' and (begun_on is not null or owned_on is not null)
),

events as (
    select * from {{ ref("int_identity_resolution") }} where what = 'event'
),

-- where the companions went of an identifier that is gone, the last first; of one night, to what has the earliest member
companions as (
    select
        events.other_no as node_no,
        coalesce(moved.member_id, heirs.member_id) as member_id,
        row_number() over (
            partition by events.other_no
            order by
                case when coalesce(moved.member_id, heirs.member_id) is null then 2 else 1 end,
                events.night desc,
                events.member_no,
                events.node_no
        ) as place
    from events
    left join members as moved on events.node_no = moved.node_no
    left join members as heirs on events.member_no = heirs.node_no
    where events.kind = 'reassigned'
),

-- to the member of the identifier that the id was made from; when nobody names it any more, to where its last companion
-- is or the records are that named it; with neither, nowhere: that it was another's for a while does not make them one
final as (
    select
        standings.member_id as retired_member_id,
        case
            when standings.state = 'within' then standings.led_to
            else coalesce(companions.member_id, standings.led_to)
        end as member_id,
        case when standings.is_ended then standings.ended_on else standings.ends_on end as merged_on
    from standings
    left join companions on standings.node_no = companions.node_no and companions.place = 1
)

select
    retired_member_id,
    member_id,
    merged_on
from final
where member_id is not null
