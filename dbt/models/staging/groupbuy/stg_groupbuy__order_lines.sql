-- Grain: one row per (connection, order_id, line_no), its newest version.

with

arrivals as (

    select
        {{ record_columns('order_lines', ['order_id', 'line_no']) }},
        {{ key_hash("_connection || '|orders|' || order_id") }} as sale_no,
        order_id,
        line_no,
        sku,
        item_name,
        category,
        {{ quantity('qty') }} as qty,
        {{ fen('amount') }} as amount_fen,
        {{ fen('refunded') }} as refunded_fen
    from {{ source('raw', 'groupbuy__order_lines') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
