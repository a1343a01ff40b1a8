-- Grain: one row per (connection, activity_id), its newest version.

with

arrivals as (

    select
        {{ record_columns('activities', ['activity_id']) }},
        activity_id,
        title,
        store_code,
        leader_id,
        {{ instant('starts_at') }} as starts_at,
        {{ instant('ends_at') }} as ends_at
    from {{ source('raw', 'groupbuy__activities') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
