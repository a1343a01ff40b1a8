-- Grain: one row per business date, shop and member. No rows yet.

select
    cast(null as date) as business_date,
    cast(null as varchar) as store_code,
    cast(null as varchar) as member_id,
    cast(null as double) as distance_km,
    cast(null as integer) as orders_30d
where false
