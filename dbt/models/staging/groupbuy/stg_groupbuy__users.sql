-- Grain: one row per (connection, appid, openid), its newest version.

with

arrivals as (

    select
        {{ record_columns('users', ['appid', 'openid']) }},
        appid,
        openid,
        unionid,
        phone_token,
        phone_masked,
        phone_kind,
        {{ instant('phone_verified_at') }} as phone_verified_at,
        {{ instant('registered_at') }} as registered_at,
        own_invite_code,
        invited_by_code,
        cast(lng as double) as lng,
        cast(lat as double) as lat,
        community,
        {{ yes_no('consent_marketing') }} as consent_marketing,
        {{ instant('consent_at') }} as consent_at,
        {{ instant('updated_at') }} as updated_at
    from {{ source('raw', 'groupbuy__users') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals', by_update=true) }}
