-- Grain: one row per coupon code of the one pool over all connections and targets. No rows yet.

select
    cast(null as varchar) as coupon_code,
    cast(null as varchar) as template_id,
    cast(null as varchar) as member_id,
    cast(null as varchar) as status,
    cast(null as timestamp) as issued_at,
    cast(null as timestamp) as expires_at,
    cast(null as timestamp) as redeemed_at,
    cast(null as varchar) as channel,
    cast(null as varchar) as issued_channel,
    cast(null as varchar) as order_key,
    cast(null as bigint) as amount_fen,
    cast(null as varchar) as campaign_id,
    cast(null as integer) as exceptions
where false
