-- Grain: one row per (connection, order_id), its newest version.

with

arrivals as (

    select
        {{ record_columns('orders', ['order_id']) }},
        {{ key_hash("_connection || '|orders|' || order_id") }} as sale_no,
        order_id,
        activity_id,
        store_code,
        pickup_site,
        leader_id,
        channel,
        openid,
        appid,
        unionid,
        buyer_phone_token,
        buyer_phone_masked,
        buyer_phone_kind,
        {{ yes_no('phone_verified') }} as phone_verified,
        receiver_phone_token,
        receiver_phone_masked,
        receiver_phone_kind,
        receiver_name_token,
        {{ yes_no('receiver_name_is_test') }} as receiver_name_is_test,
        {{ instant('created_at') }} as created_at,
        {{ instant('paid_at') }} as paid_at,
        status,
        {{ fen('order_amount') }} as order_amount_fen,
        {{ fen('refund_amount') }} as refund_amount_fen,
        {{ fen('freight') }} as freight_fen,
        invite_code,
        sharer_openid,
        coupon_code,
        {{ quantity('points_earned') }} as points_earned,
        {{ quantity('points_spent') }} as points_spent,
        seller_role,
        {{ instant('updated_at') }} as updated_at
    from {{ source('raw', 'groupbuy__orders') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals', by_update=true) }}
