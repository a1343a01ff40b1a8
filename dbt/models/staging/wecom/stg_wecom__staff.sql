-- Grain: one row per (connection, userid), its newest version.

with

arrivals as (

    select
        {{ record_columns('staff', ['userid']) }},
        userid
    from {{ source('raw', 'wecom__staff') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
