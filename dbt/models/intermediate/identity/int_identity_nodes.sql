-- Identifiers that make a member, numbered in order of arrival. Grain: identifier.
-- The smallest number of a component is the identifier its member id is minted from.
{{ config(materialized="table") }}

with seen as (
    select namespace, identifier, first_seen_on
    from {{ ref("int_identity_statements") }}
    where
        role in ('own', 'said')
        -- a number in a remark is hearsay: it enters through its link, when that is followed
        and basis != 'remark_phone'
    union all
    select namespace_a, identifier_a, first_seen_on
    from {{ ref("int_identity_links") }}
    where refusal is null
    union all
    select namespace_b, identifier_b, first_seen_on
    from {{ ref("int_identity_links") }}
    where refusal is null
),

nodes as (
    select namespace, identifier, min(first_seen_on) as first_seen_on
    from seen
    where
        namespace != 'phone'
        or identifier not in (select phone from {{ ref("int_identity_phone_guards") }})
    group by 1, 2
)

select
    namespace,
    identifier,
    first_seen_on,
    row_number() over (order by first_seen_on, {{ identity_rank("namespace") }}, identifier) - 1 as node_no
from nodes
