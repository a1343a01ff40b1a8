-- Cards and WeChat ids that stand beside so many people that they say of nobody who it is. Grain: identifier.
-- Each stays what it is: its own records are its own, a card's file, points and coupons too. But whoever shows such a card
-- may be anybody, a unionid that many share is no account, and nothing is tied by any of them.
{{ config(materialized="table") }}

with suspects as (
    select * from {{ ref("int_identity_suspects") }}
),

statements as (
    select * from {{ ref("int_identity_statements") }}
),

companions as (
    select * from {{ ref("int_identity_companions") }}
),

rules as (
    select * from {{ source("ops", "rule_identity") }}
),

health_rules as (
    select * from {{ source("ops", "rule_identity_health") }}
),

by_behaviour as (
    select
        namespace,
        identifier,
        reason,
        -- of a card or a unionid everything; of an account only what it meets too much of
        case when namespace in ('openid', 'external_userid') then split_part(other_kind, ' ', 1) end as beside,
        flagged_on
    from suspects
    where
        namespace in ('pos_member', 'unionid')
        -- whoever pays for many proves no less by what is her own
        or (namespace in ('openid', 'external_userid') and id_kind != 'payer' and other_kind in ('phone', 'pos_member'))
),

-- an account on more cards than a person has is a shop's
named_by_cards as (
    select
        namespace,
        identifier,
        first_seen_on,
        row_number() over (
            partition by namespace, identifier order by first_seen_on, connection, record_id
        ) as place
    from statements
    where
        kind = 'pos'
        and feed = 'members'
        and role = 'own'
        and namespace in ('openid', 'unionid')
        and ended_at is null
),

-- a platform gives a person one openid in each app; nobody registers that often
openids as (
    select
        identifier,
        other_kind,
        first_on,
        row_number() over (partition by identifier, other_kind order by first_on, other_identifier) as place
    from companions
    where namespace = 'unionid' and other_kind like 'openid %'
),

every as (
    select * from by_behaviour
    union all
    select named_by_cards.namespace, named_by_cards.identifier, 'hub', 'pos_member', named_by_cards.first_seen_on
    from named_by_cards
    inner join rules on named_by_cards.place = rules.max_cards_per_phone + 1
    union all
    select 'unionid', openids.identifier, 'hub', cast(null as varchar), openids.first_on
    from openids
    inner join health_rules on openids.place = health_rules.suspect_min_people
),

final as (
    select
        namespace,
        identifier,
        min(reason) as reason,
        case when count(beside) = count(*) and count(distinct beside) = 1 then min(beside) end as beside,
        min(flagged_on) as flagged_on
    from every
    group by namespace, identifier
)

select
    namespace,
    identifier,
    reason,
    beside,
    -- what it was told by moves every night
    'suspect since ' || cast(flagged_on as varchar) as evidence,
    flagged_on
from final
