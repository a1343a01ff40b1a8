-- Grain: one row per member and category bought in 365 days; category '' is the whole top category. No rows yet.

select
    cast(null as varchar) as member_id,
    cast(null as varchar) as category_l1,
    cast(null as varchar) as category,
    cast(null as integer) as orders_7d,
    cast(null as integer) as orders_30d,
    cast(null as integer) as orders_90d,
    cast(null as integer) as orders_365d,
    cast(null as bigint) as spend_7d_fen,
    cast(null as bigint) as spend_30d_fen,
    cast(null as bigint) as spend_90d_fen,
    cast(null as bigint) as spend_365d_fen,
    cast(null as double) as share_90d,
    cast(null as date) as last_bought_on
where false
