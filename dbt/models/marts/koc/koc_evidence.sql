-- Grain: one row per order, share or complaint that the KOC rule looked at, as of a night. No rows yet.

select
    cast(null as date) as as_of_date,
    cast(null as varchar) as member_id,
    cast(null as varchar) as kind,
    cast(null as varchar) as ref,
    cast(null as date) as business_date,
    cast(null as bigint) as amount_fen,
    cast(null as boolean) as counts
where false
