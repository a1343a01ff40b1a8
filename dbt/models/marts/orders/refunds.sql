-- Grain: one row per refund of an order that counts: a return or void at the till, a refund, closing, or what the order's own figure says beyond the list. No rows yet.

select
    cast(null as varchar) as refund_key,
    cast(null as varchar) as order_key,
    cast(null as varchar) as line_no,
    cast(null as date) as business_date,
    cast(null as timestamp) as refunded_at,
    cast(null as varchar) as channel,
    cast(null as varchar) as store_code,
    cast(null as varchar) as member_id,
    cast(null as varchar) as kind,
    cast(null as bigint) as amount_fen
where false
