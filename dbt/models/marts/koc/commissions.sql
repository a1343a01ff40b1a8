-- Grain: one row per order, beneficiary, level and entry. No rows yet.

select
    cast(null as varchar) as order_key,
    cast(null as varchar) as beneficiary_member_id,
    cast(null as integer) as level,
    cast(null as integer) as entry_no,
    cast(null as varchar) as buyer_member_id,
    cast(null as double) as rate,
    cast(null as integer) as rate_bp,
    cast(null as bigint) as base_fen,
    cast(null as bigint) as amount_fen,
    cast(null as varchar) as status,
    cast(null as varchar) as month,
    cast(null as date) as business_date,
    cast(null as date) as due_on,
    cast(null as varchar) as koc_at_order,
    cast(null as varchar) as invite_code,
    cast(null as varchar) as rule_hash
where false
