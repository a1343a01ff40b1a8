-- Grain: one row per invite code. No rows yet.

select
    cast(null as varchar) as code,
    cast(null as varchar) as member_id,
    cast(null as varchar) as source,
    cast(null as varchar) as account,
    cast(null as boolean) as is_shared
where false
