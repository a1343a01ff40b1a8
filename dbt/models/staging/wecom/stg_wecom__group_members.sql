-- Grain: one row per (connection, chat_id, userid), its newest version.

with

arrivals as (

    select
        {{ record_columns('group_members', ['chat_id', 'userid']) }},
        chat_id,
        userid,
        cast(member_type as integer) as member_type,
        unionid,
        {{ instant('join_time') }} as join_time,
        cast(join_scene as integer) as join_scene,
        state,
        invitor_userid
    from {{ source('raw', 'wecom__group_members') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
