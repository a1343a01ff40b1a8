-- Grain: one row per (connection, event_id), its newest version.

with

arrivals as (

    select
        {{ record_columns('coupon_events', ['event_id']) }},
        event_id,
        coupon_code,
        template_id,
        event,
        member_ref,
        appid,
        openid,
        phone_token,
        phone_masked,
        phone_kind,
        {{ instant('occurred_at') }} as occurred_at,
        ref_id,
        {{ fen('amount') }} as amount_fen
    from {{ source('raw', 'groupbuy__coupon_events') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
