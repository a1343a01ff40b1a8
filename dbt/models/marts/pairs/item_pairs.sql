-- Grain: one row per item and item that goes with it. No rows yet.

select
    cast(null as varchar) as item_a,
    cast(null as varchar) as item_b,
    cast(null as integer) as orders_a,
    cast(null as integer) as orders_b,
    cast(null as integer) as together,
    cast(null as integer) as orders_all,
    cast(null as double) as support,
    cast(null as double) as confidence,
    cast(null as double) as lift,
    cast(null as integer) as place,
    cast(null as varchar) as rule_hash
where false
