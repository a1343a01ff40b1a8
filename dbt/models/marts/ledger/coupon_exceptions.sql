-- Grain: one row per breach of the coupon rules. No rows yet.

select
    cast(null as varchar) as exception_id,
    cast(null as varchar) as coupon_code,
    cast(null as varchar) as kind,
    cast(null as date) as business_date,
    cast(null as varchar) as member_id,
    cast(null as varchar) as other_member_id,
    cast(null as varchar) as evidence,
    cast(null as bigint) as amount_fen,
    cast(null as varchar) as rule_hash
where false
