-- Grain: one row per campaign and arm, as of a night. No rows yet.

select
    cast(null as varchar) as campaign_id,
    cast(null as date) as as_of_date,
    cast(null as varchar) as arm,
    cast(null as integer) as assigned,
    cast(null as integer) as delivered,
    cast(null as integer) as converted,
    cast(null as bigint) as spend_fen,
    cast(null as double) as lift,
    cast(null as double) as ci_low,
    cast(null as double) as ci_high,
    cast(null as double) as srm_p,
    cast(null as double) as always_valid_p,
    cast(null as integer) as contaminated
where false
