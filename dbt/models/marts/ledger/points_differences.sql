-- Grain: one row per difference between what a source says and what its entries add up to. No rows yet.

select
    cast(null as varchar) as difference_id,
    cast(null as date) as business_date,
    cast(null as varchar) as connection,
    cast(null as varchar) as account,
    cast(null as varchar) as member_id,
    cast(null as varchar) as kind,
    cast(null as decimal(18,3)) as reported,
    cast(null as decimal(18,3)) as ledger,
    cast(null as decimal(18,3)) as difference,
    cast(null as varchar) as evidence,
    cast(null as varchar) as rule_hash
where false
