-- Grain: one row per (connection, chat_id), its newest version.

with

arrivals as (

    select
        {{ record_columns('group_chats', ['chat_id']) }},
        chat_id,
        owner,
        cast(status as integer) as status,
        {{ instant('create_time') }} as create_time
    from {{ source('raw', 'wecom__group_chats') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
