-- Grain: one row per group leader, shop and business date with a purchase or a refund. No rows yet.

select
    cast(null as varchar) as leader_id,
    cast(null as varchar) as store_code,
    cast(null as date) as business_date,
    cast(null as integer) as orders,
    cast(null as bigint) as net_fen,
    cast(null as integer) as buyers,
    cast(null as decimal(18,3)) as items,
    cast(null as bigint) as refund_fen,
    cast(null as bigint) as discounted_fen,
    cast(null as bigint) as margin_fen
where false
