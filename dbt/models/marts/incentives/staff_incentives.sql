-- Grain: one row per month, connection and staff member. No rows yet.

select
    cast(null as varchar) as month,
    cast(null as varchar) as connection,
    cast(null as varchar) as staff_id,
    cast(null as varchar) as store_code,
    cast(null as integer) as joined_members,
    cast(null as integer) as stayed_members,
    cast(null as integer) as first_orders,
    cast(null as bigint) as amount_fen,
    cast(null as varchar) as rule_hash
where false
