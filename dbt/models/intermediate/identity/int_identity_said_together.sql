-- Phones that are on no card and said at the till with one card only: its holder's. Grain: card × phone.
-- A family that shows one card says several numbers with it and pays from several accounts.
{{ config(materialized="table") }}

with said as (
    select *
    from {{ ref("int_identity_affected_statements") }}
    where
        role = 'said'
        and {{ identity_is_own() }}
),

cards_of_file as (
    select
        phone,
        holder
    from {{ ref("int_identity_holds") }}
    where is_card
),

pairs as (
    select
        cards.identifier as card,
        phones.identifier as phone,
        min(cards.first_seen_on) as first_seen_on,
        min(cards.first_at) as first_at,
        max(cards.last_at) as last_at,
        count(distinct cast(cards.first_at as date)) as days,
        min(cards.connection || '|' || cards.feed || '|' || cards.record_id) as record
    from said as cards
    inner join said as phones
        on
            cards.connection = phones.connection
            and cards.feed = phones.feed
            and cards.record_id = phones.record_id
            and phones.namespace = 'phone'
    where cards.namespace = 'pos_member'
    group by 1, 2
),

judged as (
    select
        pairs.*,
        its_own.phone is not null as is_its_own,
        count(*) over (partition by pairs.phone) as cards,
        count(case when its_own.phone is null then 1 end) over (partition by pairs.card) as other_phones,
        max(case when its_own.phone is not null then pairs.last_at end) over (partition by pairs.card) as own_last_at
    from pairs
    left join cards_of_file as its_own
        on pairs.phone = its_own.phone and its_own.holder = 'pos_member:' || pairs.card
),

payers as (
    select card
    from (
        select
            cards.identifier as card,
            payers.namespace,
            count(distinct payers.identifier) as payers
        from said as cards
        inner join {{ ref("int_identity_affected_statements") }} as payers
            on
                cards.connection = payers.connection
                and cards.feed = payers.feed
                and cards.record_id = payers.record_id
                and payers.role = 'payer'
        where cards.namespace = 'pos_member'
        group by 1, 2
    ) as counted
    where payers > 1
),

final as (
    select
        judged.card,
        judged.phone,
        judged.first_seen_on,
        judged.first_at,
        judged.last_at,
        judged.days,
        judged.record
    from judged
    where
        not judged.is_its_own
        and judged.cards = 1
        and judged.other_phones = 1
        -- a card that has a number takes another when that one is not said any more
        and (
            not exists (select 1 from cards_of_file where cards_of_file.holder = 'pos_member:' || judged.card)
            or (judged.days > 1 and judged.own_last_at < judged.first_at)
        )
        and not exists (select 1 from cards_of_file where cards_of_file.phone = judged.phone)
        and judged.card not in (select card from payers)
)

select * from final
