-- Grain: one row per month and place. No rows yet.

select
    cast(null as varchar) as month,
    cast(null as integer) as place,
    cast(null as varchar) as member_id,
    cast(null as integer) as brought_orders,
    cast(null as bigint) as brought_fen,
    cast(null as bigint) as commission_fen,
    cast(null as varchar) as store_code
where false
