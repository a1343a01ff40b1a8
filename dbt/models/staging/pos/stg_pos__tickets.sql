-- Grain: one row per (connection, store_code, ticket_id), its newest version.

with

arrivals as (

    select
        {{ record_columns('tickets', ['store_code', 'ticket_id']) }},
        {{ key_hash("_connection || '|tickets|' || store_code || '|' || ticket_id") }} as sale_no,
        store_code,
        ticket_id,
        kind,
        {{ instant('sold_at') }} as sold_at,
        origin_ticket_id,
        {{ fen('gross') }} as gross_fen,
        {{ fen('discount') }} as discount_fen,
        {{ fen('rounding') }} as rounding_fen,
        {{ fen('net') }} as net_fen,
        member_ref,
        phone_token,
        phone_masked,
        phone_kind,
        pay_openid,
        pay_appid,
        alipay_user_id,
        face_token,
        cashier_id,
        {{ quantity('points_earned') }} as points_earned,
        {{ quantity('points_spent') }} as points_spent,
        external_order_no,
        {{ instant('updated_at') }} as updated_at
    from {{ source('raw', 'pos__tickets') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals', by_update=true) }}
