-- Grain: one row per shop, business date and product of the evening list, told the next day. No rows yet.

select
    cast(null as varchar) as store_code,
    cast(null as date) as business_date,
    cast(null as varchar) as sku,
    cast(null as decimal(18,3)) as left_qty,
    cast(null as decimal(18,3)) as sold_qty,
    cast(null as bigint) as sold_fen,
    cast(null as decimal(18,3)) as usual_qty,
    cast(null as decimal(18,3)) as would_be_wasted_qty,
    cast(null as decimal(18,3)) as wasted_qty,
    cast(null as bigint) as saved_fen
where false
