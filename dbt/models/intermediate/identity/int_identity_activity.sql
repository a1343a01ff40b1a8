-- When each identifier was in use: by what happened, or, where nothing did, since a state names it. Grain: identifier.
{{ config(materialized="table") }}

select
    namespace,
    identifier,
    min(first_at) as first_at,
    coalesce(max(case when {{ identity_is_event("feed") }} then last_at end), min(first_at)) as last_at,
    count(case when {{ identity_is_event("feed") }} then 1 end) as events
from {{ ref("int_identity_statements") }}
where role != 'unverified'
group by 1, 2
