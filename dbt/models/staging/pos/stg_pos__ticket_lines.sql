-- Grain: one row per (connection, store_code, ticket_id, line_no), its newest version.

with

arrivals as (

    select
        {{ record_columns('ticket_lines', ['store_code', 'ticket_id', 'line_no']) }},
        {{ key_hash("_connection || '|tickets|' || store_code || '|' || ticket_id") }} as sale_no,
        store_code,
        ticket_id,
        line_no,
        sku,
        item_name,
        category,
        category_l1,
        {{ quantity('qty') }} as qty,
        {{ fen('price') }} as price_fen,
        {{ fen('amount') }} as amount_fen,
        {{ fen('discount') }} as discount_fen,
        {{ yes_no('is_gift') }} as is_gift
    from {{ source('raw', 'pos__ticket_lines') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
