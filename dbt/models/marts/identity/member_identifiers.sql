{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key="member_id",
    on_schema_change="fail",
    meta={"affected": "int_identity_affected_ids"},
) }}

-- depends_on: {{ ref("int_identity_affected_ids") }}

with statements as (
    select * from {{ ref("int_identity_affected_statements") }}
),

links as (
    select * from {{ ref("int_identity_links") }}
),

held_numbers as (
    select * from {{ ref("int_identity_holds") }}
),

thing_members as (
    select * from {{ ref("int_identity_thing_members") }}
),

members as (
    select * from {{ ref("int_identity_members") }}
),

activity as (
    select * from {{ ref("int_identity_activity") }}
),

tenures as (
    select * from {{ ref("int_identity_phone_tenures") }}
),

-- how an identifier became known: the record that named it first
rules as (
    select
        namespace,
        identifier,
        kind || '.' || feed || '.' || basis as rule,
        row_number() over (
            partition by namespace, identifier
            order by first_seen_on, case role when 'own' then 1 else 2 end, kind, feed, precedence
        ) as place
    from statements
    where role in ('own', 'said', 'payer')
),

-- holders that moved on to another number, and cards whose number was replaced
holds as (
    select
        thing_members.member_id,
        held_numbers.phone,
        case when max(case when held_numbers.has_moved then 0 else 1 end) = 0 then max(held_numbers.ends_at) end as left_at
    from held_numbers
    inner join thing_members on held_numbers.holder = thing_members.thing
    group by 1, 2
),

held as (
    select
        members.member_id,
        members.namespace,
        members.identifier,
        coalesce(
            cast(members.valid_from as date),
            least(members.first_seen_on, cast(activity.first_at as date)),
            members.first_seen_on
        ) as valid_from,
        cast(least(members.valid_to, holds.left_at) as date) as valid_to,
        coalesce(rules.rule, 'card_number') as basis,
        false as is_shared
    from members
    left join activity
        on members.namespace = activity.namespace and members.identifier = activity.identifier
    left join holds
        on
            members.namespace = 'phone'
            and members.member_id = holds.member_id
            and members.identifier = holds.phone
    left join rules
        on
            members.namespace = rules.namespace
            and members.identifier = rules.identifier
            and rules.place = 1
),

-- a guarded number is nobody's proof of identity, yet it is how these members said they can be reached
shared as (
    select
        members.member_id,
        links.namespace_b as namespace,
        links.identifier_b as identifier,
        min(least(links.first_seen_on, cast(links.starts_at as date))) as valid_from,
        cast(max(tenures.valid_to) as date) as valid_to,
        links.refusal as basis,
        true as is_shared
    from links
    inner join members
        on
            links.namespace_a = members.namespace
            and links.identifier_a = members.identifier
            and links.segment_a = members.segment
    left join tenures
        on links.identifier_b = tenures.phone and links.segment_b = tenures.segment
    where links.namespace_b = 'phone' and links.refusal not in ('unverified_phone', 'ambiguous_remark', 'contradicted_remark', 'unconfirmed_remark')
    group by members.member_id, links.namespace_b, links.identifier_b, links.refusal
),

every as (
    select * from held
    union all
    select * from shared
),

-- one row per member and identifier, also when the member had a number twice, or shared it before having it alone
final as (
    select
        member_id,
        namespace,
        identifier,
        min(valid_from) as valid_from,
        case when count(valid_to) = count(*) then max(valid_to) end as valid_to,
        min(case when is_shared then '2' else '1' end || basis) as ranked_basis,
        min(case when is_shared then 1 else 0 end) = 1 as is_shared
    from every
    group by 1, 2, 3
)

select
    member_id,
    namespace,
    identifier,
    valid_from,
    valid_to,
    substr(ranked_basis, 2) as basis,
    is_shared
from final
order by member_id, namespace, identifier
