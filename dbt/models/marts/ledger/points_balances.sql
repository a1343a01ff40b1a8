-- Grain: one row per member with an entry in the points ledger. No rows yet.

select
    cast(null as varchar) as member_id,
    cast(null as decimal(18,3)) as balance,
    cast(null as decimal(18,3)) as locked,
    cast(null as decimal(18,3)) as available,
    cast(null as decimal(18,3)) as pos_points,
    cast(null as decimal(18,3)) as groupbuy_points,
    cast(null as date) as last_entry_on
where false
