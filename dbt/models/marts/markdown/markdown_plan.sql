-- Grain: one row per shop, business date and product on the evening list. No rows yet.

select
    cast(null as varchar) as store_code,
    cast(null as date) as business_date,
    cast(null as varchar) as sku,
    cast(null as varchar) as item_name,
    cast(null as varchar) as category,
    cast(null as decimal(18,3)) as on_hand_qty,
    cast(null as decimal(18,3)) as received_qty,
    cast(null as double) as left_ratio,
    cast(null as timestamp) as snapshot_at,
    cast(null as bigint) as price_fen,
    cast(null as bigint) as markdown_fen,
    cast(null as double) as price_factor,
    cast(null as integer) as audience_size,
    cast(null as varchar) as rule_hash
where false
