-- Grain: one row per column, the column it comes from and how. The rows come from the compiled models themselves, when all
-- of them are built: dagster_project/orchestration/lineage.py.

select
    cast(null as varchar) as model,
    cast(null as varchar) as "column",
    cast(null as varchar) as upstream_model,
    cast(null as varchar) as upstream_column,
    cast(null as varchar) as kind,
    cast(null as boolean) as masked
where false
