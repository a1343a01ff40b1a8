-- Grain: one row per campaign, member and lapse. No rows yet.

select
    cast(null as varchar) as campaign_id,
    cast(null as varchar) as member_id,
    cast(null as varchar) as lapse_key,
    cast(null as varchar) as arm,
    cast(null as varchar) as tier,
    cast(null as date) as assigned_on,
    cast(null as date) as reached_on,
    cast(null as date) as returned_on,
    cast(null as boolean) as is_returned_30d,
    cast(null as bigint) as spend_30d_fen,
    cast(null as varchar) as store_code,
    cast(null as boolean) as is_contaminated
where false
