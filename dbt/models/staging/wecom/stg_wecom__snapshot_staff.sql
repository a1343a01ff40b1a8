-- Grain: one row per (connection, userid, complete), its newest version.

with

arrivals as (

    select
        {{ record_columns('snapshot_staff', ['userid', 'complete']) }},
        userid,
        {{ yes_no('complete') }} as complete
    from {{ source('raw', 'wecom__snapshot_staff') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
