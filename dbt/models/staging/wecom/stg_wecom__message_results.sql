-- Grain: one row per (connection, msgid, userid, external_userid), its newest version.

with

arrivals as (

    select
        {{ record_columns('message_results', ['msgid', 'userid', 'external_userid']) }},
        msgid,
        userid,
        external_userid,
        cast(status as integer) as status,
        {{ instant('send_time') }} as send_time
    from {{ source('raw', 'wecom__message_results') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
