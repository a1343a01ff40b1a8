-- Grain: one row per (connection, share_id), its newest version.

with

arrivals as (

    select
        {{ record_columns('shares', ['share_id']) }},
        share_id,
        activity_id,
        appid,
        openid,
        {{ instant('shared_at') }} as shared_at,
        channel,
        cast(clicks as integer) as clicks
    from {{ source('raw', 'groupbuy__shares') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
