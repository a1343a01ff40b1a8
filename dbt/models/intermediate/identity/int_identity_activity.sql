-- When each identifier was in use: by what happened, or, where nothing did, since a state names it. Grain: identifier.
{{ config(materialized="table") }}

-- a number that was found out was in use until then
with statements as (
    select statements.*
    from {{ ref("int_identity_affected_statements") }} as statements
    left join {{ ref("int_identity_phone_guards") }} as guards
        on statements.namespace = 'phone' and statements.identifier = guards.phone
    where
        statements.role != 'unverified'
        and (guards.flagged_on is null or statements.first_seen_on < guards.flagged_on)
)

select
    namespace,
    identifier,
    min(first_at) as first_at,
    coalesce(max(case when {{ identity_is_event("feed") }} then last_at end), min(first_at)) as last_at,
    -- a card's row, however often it is renewed, is no use of the account that was once bound to it
    coalesce(
        max(case when {{ identity_is_event("feed") }} then last_at end),
        min(case when feed != 'members' or namespace = 'pos_member' then first_at end)
    ) as used_at,
    count(case when {{ identity_is_event("feed") }} then 1 end) as events
from statements
group by 1, 2
