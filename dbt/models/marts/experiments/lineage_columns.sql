-- Grain: one row per column, the column it comes from and how. No rows yet.

select
    cast(null as varchar) as model,
    cast(null as varchar) as "column",
    cast(null as varchar) as upstream_model,
    cast(null as varchar) as upstream_column,
    cast(null as varchar) as kind,
    cast(null as boolean) as masked
where false
