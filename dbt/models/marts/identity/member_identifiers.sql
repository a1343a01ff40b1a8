{{ config(materialized="table") }}

-- how an identifier became known: the record that named it first
with rules as (
    select
        namespace,
        identifier,
        kind || '.' || feed || '.' || basis as rule,
        row_number() over (
            partition by namespace, identifier
            order by first_seen_on, case role when 'own' then 1 else 2 end, kind, feed, precedence
        ) as place
    from {{ ref("int_identity_statements") }}
    where role in ('own', 'said')
),

members as (
    select * from {{ ref("int_identity_members") }}
),

held as (
    select
        members.member_id,
        members.namespace,
        members.identifier,
        members.first_seen_on as valid_from,
        coalesce(rules.rule, 'card_number') as basis,
        false as is_shared
    from members
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
        min(links.first_seen_on) as valid_from,
        links.refusal as basis,
        true as is_shared
    from {{ ref("int_identity_links") }} as links
    inner join members
        on links.namespace_a = members.namespace and links.identifier_a = members.identifier
    where links.refusal in ('shared_phone', 'placeholder_phone')
    group by members.member_id, links.namespace_b, links.identifier_b, links.refusal
)

select
    member_id,
    namespace,
    identifier,
    valid_from,
    cast(null as date) as valid_to,
    basis,
    is_shared
from (
    select * from held
    union all
    select * from shared
) as identifiers
order by member_id, namespace, identifier
