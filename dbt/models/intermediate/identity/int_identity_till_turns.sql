-- Cards and phones that more than one person shows at the till: one after the other for good is a card handed on, in
-- turns is one that is shared. What one person alone shows has no row. Grain: shown identifier × owner's turn with the
-- phone × turn.
{{ config(materialized="table") }}

with rules as (
    select * from {{ source("ops", "rule_identity") }}
),

renumbered as (
    select * from {{ ref("int_identity_renumbered") }}
),

bearers as (
    select * from {{ ref("int_identity_bearers") }}
    where (is_home or is_sole) and not is_stray
),

guards as (
    select phone from {{ ref("int_identity_phone_guards") }}
),

-- nobody's number is as good as none
statements as (
    select *
    from {{ ref("int_identity_affected_statements") }}
    where role = 'said' and (namespace != 'phone' or identifier not in (select phone from guards))
),

holds as (
    select * from {{ ref("int_identity_holds") }} where phone not in (select phone from guards)
),

tenures as (
    select * from {{ ref("int_identity_phone_tenures") }}
),

-- two who come in turns
pairs as (
    select
        first.namespace,
        first.identifier,
        first.segment,
        greatest(first.first_seen_on, second.first_seen_on) as first_seen_on
    from bearers as first
    inner join bearers as second
        on
            first.namespace = second.namespace
            and first.identifier = second.identifier
            and first.segment = second.segment
            and first.payer_kind = second.payer_kind
            and first.payer != second.payer
            and (first.first_at < second.first_at or (first.first_at = second.first_at and first.payer < second.payer))
    cross join rules
    where
        not (second.first_at > first.last_at and {{ is_no_chance("first.tickets", "second.tickets") }})
        and (
            -- a new account replaces an old one before long; two that are in use at one time are two people's
            second.lives_from <= first.lives_to
            or {{ days_between("cast(first.lives_to as date)", "cast(second.lives_from as date)") }} > rules.reregister_gap_days
            or (
                first.namespace = 'phone'
                and {{ days_between("cast(first.last_at as date)", "cast(second.first_at as date)") }} > rules.number_silence_days
            )
        )
),

paired as (
    select namespace, identifier, segment, min(first_seen_on) as shared_on
    from pairs
    group by 1, 2, 3
),

-- whoever shares a number shares it whatever its holders do, and what a till finds by a number is no better known
shared as (
    select namespace, identifier, segment from paired
    union
    select others.namespace, others.identifier, others.segment
    from paired
    inner join bearers using (namespace, identifier, segment)
    inner join bearers as others
        on
            bearers.namespace = others.namespace
            and bearers.identifier = others.identifier
            and bearers.payer_namespace = others.payer_namespace
            and bearers.payer = others.payer
    union
    select 'phone', tenures.phone, tenures.segment
    from paired
    inner join holds on paired.namespace = 'pos_member' and holds.holder = 'pos_member:' || paired.identifier
    inner join tenures on holds.phone = tenures.phone
),

-- signs of who shows a card: the accounts that pay, and the numbers that are said with it
said as (
    select distinct
        statements.identifier as phone,
        coalesce(tenures.segment, '') as segment,
        statements.first_at
    from statements
    left join tenures
        on
            statements.identifier = tenures.phone
            and (tenures.valid_from is null or tenures.valid_from <= statements.first_at)
            and (tenures.valid_to is null or statements.first_at < tenures.valid_to)
    where statements.namespace = 'phone'
),

numbers as (
    select phone, min(first_at) as first_at, max(last_at) as last_at
    from (
        select phone, first_at, first_at as last_at from said
        union all
        select phone, starts_at, ends_at from holds where not is_card
    ) as uses
    group by phone
),

signs as (
    select
        identifier as card,
        payer_namespace || ':' || payer as sign,
        'payer' as kind,
        payer_kind as sort,
        tickets,
        first_at,
        last_at,
        lives_from,
        lives_to
    from {{ ref("int_identity_bearers") }}
    where namespace = 'pos_member' and (is_home or is_sole)
    union all
    select
        cards.identifier,
        'phone:' || phones.identifier,
        'phone',
        'phone',
        count(*),
        min(phones.first_at),
        max(phones.first_at),
        min(numbers.first_at),
        max(numbers.last_at)
    from statements as cards
    inner join statements as phones
        on
            cards.connection = phones.connection
            and cards.feed = phones.feed
            and cards.record_id = phones.record_id
            and phones.namespace = 'phone'
    inner join numbers on phones.identifier = numbers.phone
    where cards.feed = 'tickets' and cards.namespace = 'pos_member'
    group by 1, 2
),

moments as (
    select distinct card, first_at from signs
),

-- every sign is of before or of after, and that is no chance
changes as (
    select
        moments.card,
        moments.first_at as cut_at,
        max(case when signs.first_at < moments.first_at and signs.last_at >= moments.first_at then 1 else 0 end)
        = 1 as is_straddled,
        max(case when signs.first_at < moments.first_at then signs.last_at end) as left_at,
        greatest(
            coalesce(sum(case when signs.kind = 'payer' and signs.first_at < moments.first_at then signs.tickets end), 0),
            coalesce(sum(case when signs.kind = 'phone' and signs.first_at < moments.first_at then signs.tickets end), 0)
        ) as before,
        greatest(
            coalesce(sum(case when signs.kind = 'payer' and signs.first_at >= moments.first_at then signs.tickets end), 0),
            coalesce(sum(case when signs.kind = 'phone' and signs.first_at >= moments.first_at then signs.tickets end), 0)
        ) as after
    from moments
    inner join signs on moments.card = signs.card
    group by 1, 2
),

-- two signs of one sort are two people's when the one lives on without the card, or came long after the other
rivals as (
    select distinct before_after.card, before_after.cut_at
    from (
        select
            moments.card,
            moments.first_at as cut_at,
            signs.sort,
            max(case when signs.first_at < moments.first_at then signs.lives_to end) as lives_to,
            min(case when signs.first_at >= moments.first_at then signs.lives_from end) as lives_from
        from moments
        inner join signs on moments.card = signs.card
        group by 1, 2, 3
    ) as before_after
    cross join rules
    where
        before_after.lives_from <= before_after.lives_to
        or {{ days_between("cast(before_after.lives_to as date)", "cast(before_after.lives_from as date)") }}
        > rules.reregister_gap_days
),

-- the member file tells when, if its number changed in between
handovers as (
    select
        'pos_member' as namespace,
        changes.card as identifier,
        '' as segment,
        coalesce(min(renumbered.changed_at), changes.left_at) as left_at,
        coalesce(min(renumbered.changed_at), changes.cut_at) as cut_at
    from changes
    inner join rivals on changes.card = rivals.card and changes.cut_at = rivals.cut_at
    left join renumbered
        on
            changes.card = renumbered.card
            and changes.left_at < renumbered.changed_at
            and renumbered.changed_at <= changes.cut_at
    where
        not changes.is_straddled
        and changes.before > 0
        and {{ is_no_chance("changes.before", "changes.after") }}
    group by changes.card, changes.left_at, changes.cut_at
),

-- a number of somebody else on file: the card is hers from then on; whoever goes on paying as before speaks first
given_away as (
    select
        'pos_member' as namespace,
        renumbered.card as identifier,
        '' as segment,
        renumbered.changed_at as cut_at,
        coalesce(max(case when signs.first_at < renumbered.changed_at and signs.last_at >= renumbered.changed_at then 1 end), 0)
        = 1 as is_straddled
    from renumbered
    left join signs on renumbered.card = signs.card and signs.kind = 'payer'
    where renumbered.is_anothers
    group by 1, 2, 3, 4
),

-- a phone that two paid for one after the other
strangers as (
    select first.namespace, first.identifier, first.segment, second.first_at as cut_at
    from bearers as first
    inner join bearers as second
        on
            first.namespace = 'phone'
            and second.namespace = 'phone'
            and first.identifier = second.identifier
            and first.segment = second.segment
            and first.payer_kind = second.payer_kind
            and first.last_at < second.first_at
            and second.lives_from <= first.lives_to
    where {{ is_no_chance("first.tickets", "second.tickets") }}
),

cuts as (
    select cuts.namespace, cuts.identifier, cuts.segment, cuts.cut_at, false as is_straddled
    from (
        select namespace, identifier, segment, cut_at from handovers
        union
        select * from strangers
    ) as cuts
    left join shared using (namespace, identifier, segment)
    left join given_away using (namespace, identifier, segment, cut_at)
    where shared.identifier is null and given_away.identifier is null
    union all
    select * from given_away
),

turns as (
    select
        shared.namespace, shared.identifier, shared.segment,
        cast(null as timestamp) as valid_from, true as is_shared, false as is_handed
    from shared
    left join given_away using (namespace, identifier, segment)
    where given_away.identifier is null
    union all
    select namespace, identifier, segment, cut_at, namespace = 'phone' or is_straddled, namespace = 'pos_member'
    from cuts
    union all
    -- when exactly it was handed on is not known
    select namespace, identifier, segment, {{ add_minutes("left_at", "1") }}, true, false
    from handovers
    left join shared using (namespace, identifier, segment)
    where shared.identifier is null and {{ add_minutes("left_at", "1") }} < cut_at
    union all
    -- until then it is the first owner's
    select distinct
        cuts.namespace, cuts.identifier, cuts.segment, cast(null as timestamp), shared.identifier is not null, false
    from cuts
    left join shared using (namespace, identifier, segment)
)

select
    namespace,
    identifier,
    segment as phone_segment,
    case when is_handed then cast(valid_from as varchar) else '' end as segment,
    valid_from,
    lead(valid_from) over (partition by namespace, identifier, segment order by valid_from nulls first) as valid_to,
    -- a phone's turns are those of its holders; a stranger who says it after them proves nothing
    is_shared
from turns
