-- Grain: one row per (connection, store_code, sku, snapshot_at), its newest version.

with

arrivals as (

    select
        {{ record_columns('stock', ['store_code', 'sku', 'snapshot_at']) }},
        store_code,
        sku,
        {{ instant('snapshot_at') }} as snapshot_at,
        {{ quantity('on_hand_qty') }} as on_hand_qty,
        {{ quantity('received_qty') }} as received_qty
    from {{ source('raw', 'pos__stock') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
