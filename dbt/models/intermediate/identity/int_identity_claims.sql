-- Links as records claim them. Grain: record × linked identifier.
-- A record's identifiers are tied to its strongest one (card, external contact, openid, unionid): a star, not a
-- clique, so that withdrawing one of them withdraws exactly its own link.
{{ config(materialized="table") }}

with statements as (
    select
        connection,
        feed,
        record_id,
        namespace,
        identifier,
        kind || '.' || feed || '.' || basis as rule,
        basis,
        role,
        first_seen_on,
        first_at,
        last_at,
        ended_at,
        gone_on,
        {{ identity_rank("namespace") }} as namespace_rank
    from {{ ref("int_identity_affected_statements") }}
    where role in ('own', 'unverified')
),

ranked as (
    select
        *,
        row_number() over (
            partition by connection, feed, record_id
            order by
                case role when 'own' then 1 else 2 end,
                case when ended_at is null then 1 else 2 end,
                namespace_rank,
                identifier
        ) as place
    from statements
),

stars as (
    select
        anchors.connection,
        anchors.feed,
        anchors.record_id,
        anchors.namespace as namespace_a,
        anchors.identifier as identifier_a,
        others.namespace as namespace_b,
        others.identifier as identifier_b,
        others.rule,
        others.basis,
        others.role,
        greatest(anchors.first_seen_on, others.first_seen_on) as first_seen_on,
        others.first_at,
        others.last_at,
        others.ended_at,
        others.gone_on
    from ranked as anchors
    inner join ranked as others
        on
            anchors.connection = others.connection
            and anchors.feed = others.feed
            and anchors.record_id = others.record_id
            and others.place > 1
    where anchors.place = 1 and anchors.role = 'own'
),

-- a card number that is a mobile number (the door wrote it as tel-<token>) names that phone, unless the member
-- file gives the card another one
cards as (
    select
        connection,
        feed,
        record_id,
        identifier,
        kind || '.' || feed || '.card_number' as rule,
        substr(identifier, length(connection) + 6) as phone_token,
        first_seen_on,
        first_at,
        last_at,
        row_number() over (partition by identifier order by first_seen_on, feed, record_id) as place
    from {{ ref("int_identity_affected_statements") }}
    where namespace = 'pos_member' and identifier like connection || ':tel-%'
),

numbered_cards as (
    select
        cards.connection,
        cards.feed,
        cards.record_id,
        'pos_member' as namespace_a,
        cards.identifier as identifier_a,
        'phone' as namespace_b,
        cards.phone_token as identifier_b,
        cards.rule,
        'card_number' as basis,
        'own' as role,
        cards.first_seen_on,
        cards.first_at,
        cards.last_at,
        cast(null as timestamp) as ended_at,
        cast(null as date) as gone_on
    from cards
    where
        cards.place = 1
        and not exists (
            select 1
            from stars
            where
                stars.namespace_a = 'pos_member'
                and stars.identifier_a = cards.identifier
                and stars.namespace_b = 'phone'
        )
)

select * from stars
union all
select * from numbered_cards
