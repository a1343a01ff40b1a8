-- Grain: one row per member, tag and source, as of a night. No rows yet.

select
    cast(null as date) as as_of_date,
    cast(null as varchar) as member_id,
    cast(null as varchar) as tag,
    cast(null as varchar) as source,
    cast(null as date) as since,
    cast(null as varchar) as author,
    cast(null as varchar) as rule_hash
where false
