-- Grain: one row per member and place of a usual item. No rows yet.

select
    cast(null as varchar) as member_id,
    cast(null as integer) as place,
    cast(null as varchar) as item_name,
    cast(null as varchar) as sku,
    cast(null as integer) as times,
    cast(null as date) as last_bought_on,
    cast(null as double) as gap_days,
    cast(null as date) as next_due_on
where false
