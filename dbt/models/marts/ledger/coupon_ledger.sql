-- Grain: one row per event of a coupon. No rows yet.

select
    cast(null as varchar) as ledger_id,
    cast(null as varchar) as coupon_code,
    cast(null as varchar) as event,
    cast(null as timestamp) as occurred_at,
    cast(null as date) as business_date,
    cast(null as varchar) as member_id,
    cast(null as varchar) as channel,
    cast(null as varchar) as connection,
    cast(null as varchar) as ref,
    cast(null as bigint) as amount_fen,
    cast(null as boolean) as is_derived,
    cast(null as boolean) as is_counted
where false
