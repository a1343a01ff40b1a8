-- Grain: one row per (connection, complaint_id), its newest version.

with

arrivals as (

    select
        {{ record_columns('complaints', ['complaint_id']) }},
        complaint_id,
        order_id,
        ticket_id,
        store_code,
        openid,
        appid,
        phone_token,
        phone_masked,
        phone_kind,
        kind,
        status,
        {{ instant('opened_at') }} as opened_at
    from {{ source('raw', 'groupbuy__complaints') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
