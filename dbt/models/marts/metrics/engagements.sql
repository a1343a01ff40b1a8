-- Grain: one row per thing a person did with us besides buying, as one source record says. No rows yet.

select
    cast(null as varchar) as engagement_key,
    cast(null as date) as business_date,
    cast(null as timestamp) as "at",
    cast(null as varchar) as kind,
    cast(null as varchar) as member_id,
    cast(null as varchar) as channel,
    cast(null as varchar) as connection,
    cast(null as varchar) as store_code,
    cast(null as varchar) as ref,
    cast(null as bigint) as amount_fen,
    cast(null as decimal(18,3)) as points,
    cast(null as boolean) as is_counted
where false
