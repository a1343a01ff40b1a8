-- Grain: one row per (connection, refund_id), its newest version.

with

arrivals as (

    select
        {{ record_columns('refunds', ['refund_id']) }},
        {{ key_hash("_connection || '|orders|' || order_id") }} as sale_no,
        refund_id,
        order_id,
        line_no,
        {{ fen('amount') }} as amount_fen,
        kind,
        reason,
        status,
        {{ instant('applied_at') }} as applied_at,
        {{ instant('finished_at') }} as finished_at
    from {{ source('raw', 'groupbuy__refunds') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
