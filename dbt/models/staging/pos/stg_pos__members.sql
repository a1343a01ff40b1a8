-- Grain: one row per (connection, member_ref), its newest version.

with

arrivals as (

    select
        {{ record_columns('members', ['member_ref']) }},
        member_ref,
        phone_token,
        phone_masked,
        phone_kind,
        name_token,
        {{ yes_no('name_is_test') }} as name_is_test,
        wx_openid,
        wx_appid,
        unionid,
        home_store,
        {{ quantity('points_balance') }} as points_balance,
        {{ instant('created_at') }} as created_at,
        {{ instant('updated_at') }} as updated_at,
        status,
        {{ yes_no('consent_marketing') }} as consent_marketing,
        {{ instant('consent_at') }} as consent_at
    from {{ source('raw', 'pos__members') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals', by_update=true) }}
