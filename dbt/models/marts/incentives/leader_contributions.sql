-- Grain: one row per month, connection and leader. No rows yet.

select
    cast(null as varchar) as month,
    cast(null as varchar) as connection,
    cast(null as varchar) as leader_id,
    cast(null as varchar) as store_code,
    cast(null as integer) as members,
    cast(null as integer) as groupbuy_orders,
    cast(null as bigint) as groupbuy_fen,
    cast(null as bigint) as refund_fen,
    cast(null as integer) as counter_orders,
    cast(null as bigint) as counter_fen,
    cast(null as bigint) as commission_fen,
    cast(null as bigint) as counter_commission_fen,
    cast(null as varchar) as rule_hash
where false
