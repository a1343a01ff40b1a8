-- Grain: one row per (connection, store_code, ticket_id, tender_no), its newest version.

with

arrivals as (

    select
        {{ record_columns('tenders', ['store_code', 'ticket_id', 'tender_no']) }},
        {{ key_hash("_connection || '|tickets|' || store_code || '|' || ticket_id") }} as sale_no,
        store_code,
        ticket_id,
        tender_no,
        method,
        {{ fen('amount') }} as amount_fen,
        {{ fen('change') }} as change_fen
    from {{ source('raw', 'pos__tenders') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
