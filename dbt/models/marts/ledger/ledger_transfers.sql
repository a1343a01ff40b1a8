-- Grain: one row per account and side of a transfer. No rows yet.

select
    cast(null as varchar) as transfer_id,
    cast(null as varchar) as what,
    cast(null as varchar) as account,
    cast(null as varchar) as from_member_id,
    cast(null as varchar) as to_member_id,
    cast(null as date) as occurred_on,
    cast(null as decimal(18,3)) as points,
    cast(null as integer) as coupons
where false
