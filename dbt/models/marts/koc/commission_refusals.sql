-- Grain: one row per order, level and reason. No rows yet.

select
    cast(null as varchar) as order_key,
    cast(null as integer) as level,
    cast(null as varchar) as beneficiary_member_id,
    cast(null as varchar) as reason,
    cast(null as varchar) as evidence,
    cast(null as varchar) as rule_hash
where false
