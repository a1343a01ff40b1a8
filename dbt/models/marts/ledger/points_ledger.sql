-- Grain: one row per entry of the points ledger: what one source record did to one account. No rows yet.

select
    cast(null as varchar) as entry_id,
    cast(null as varchar) as source_entry_id,
    cast(null as varchar) as member_id,
    cast(null as varchar) as account,
    cast(null as timestamp) as occurred_at,
    cast(null as date) as business_date,
    cast(null as varchar) as kind,
    cast(null as decimal(18,3)) as points,
    cast(null as decimal(18,3)) as chain_points,
    cast(null as varchar) as channel,
    cast(null as varchar) as connection,
    cast(null as varchar) as ref,
    cast(null as varchar) as source,
    cast(null as varchar) as counter_account
where false
