-- Payment accounts that always pay for one and the same card, or, where no card is shown, phone; and phones that only
-- they pay for and that may be the same person's. Grain: payer × card or phone.
{{ config(materialized="table") }}

with statements as (
    select *
    from {{ ref("int_identity_affected_statements") }}
    where
        feed = 'tickets'
        and {{ identity_is_own() }}
),

shown as (
    select
        *,
        row_number() over (partition by connection, record_id order by precedence, identifier) as place
    from statements
    where role = 'said'
),

paid as (
    select
        payers.namespace as payer_namespace,
        payers.identifier as payer,
        shown.namespace,
        shown.identifier,
        count(*) as tickets,
        min(shown.first_seen_on) as first_seen_on,
        min(shown.first_at) as first_at,
        max(shown.last_at) as last_at,
        min(payers.connection || '|tickets|' || payers.record_id) as record
    from statements as payers
    inner join shown
        on payers.connection = shown.connection and payers.record_id = shown.record_id and shown.place = 1
    where payers.role = 'payer'
    group by 1, 2, 3, 4
),

-- a phone said without the card is one thing with the card that holds it
cards_of_file as (
    select phone, holder
    from {{ ref("int_identity_holds") }}
    where is_card
),

holds as (
    select phone, holder
    from cards_of_file
    union
    select phone, 'pos_member:' || card
    from {{ ref("int_identity_said_together") }}
),

-- whatever only one payer of this sort pays for
alone as (
    select payer_namespace, namespace, identifier
    from paid
    group by 1, 2, 3
    having count(*) = 1
),

-- a phone on no card, that nobody else pays for
loose as (
    select
        paid.payer_namespace,
        paid.payer,
        paid.identifier as phone,
        paid.first_at,
        paid.last_at,
        count(*) over (partition by paid.payer_namespace, paid.payer) as phones,
        lag(paid.last_at) over (
            partition by paid.payer_namespace, paid.payer order by paid.first_at, paid.identifier
        ) as before_at
    from paid
    inner join alone using (payer_namespace, namespace, identifier)
    where paid.namespace = 'phone' and paid.identifier not in (select phone from cards_of_file)
),

-- one number after the other; two at a time may be two people's
in_turn as (
    select payer_namespace, payer
    from loose
    group by 1, 2
    having count(*) = 2 and count(case when before_at < first_at then 1 end) = 1
),

cards as (
    select
        payer_namespace,
        payer,
        min('pos_member:' || identifier) as card,
        count(*) as cards
    from paid
    where namespace = 'pos_member'
    group by 1, 2
),

-- what goes from hand to hand says nothing of whoever pays
turns as (
    select * from {{ ref("int_identity_till_turns") }} where is_shared and segment = ''
),

-- an account that proved a number of its own says by itself whose it is, and may pay for others
named as (
    select distinct accounts.namespace, accounts.identifier
    from {{ ref("int_identity_accounts") }} as accounts
    inner join {{ ref("int_identity_holds") }} as its_phones on accounts.account = its_phones.holder
),

judged as (
    select
        paid.*,
        cards.cards,
        -- she says the number when she does not show the card
        loose.phone is not null
        and its_own.phone is null
        and cards.cards = 1
        and alone.identifier is not null
        and a_number.holder is null as is_beside_card,
        sum(case when paid.namespace = 'phone' and its_own.phone is null then 1 else 0 end)
            over (partition by paid.payer_namespace, paid.payer) as other_phones,
        in_turn.payer is not null as is_in_turn,
        sum(paid.tickets) over (partition by paid.payer_namespace, paid.payer) as all_tickets
    from paid
    left join cards on paid.payer_namespace = cards.payer_namespace and paid.payer = cards.payer
    left join named on paid.payer_namespace = named.namespace and paid.payer = named.identifier
    left join holds as its_own
        on paid.namespace = 'phone' and paid.identifier = its_own.phone and cards.card = its_own.holder
    left join loose
        on
            paid.namespace = 'phone'
            and paid.payer_namespace = loose.payer_namespace
            and paid.payer = loose.payer
            and paid.identifier = loose.phone
    left join in_turn on paid.payer_namespace = in_turn.payer_namespace and paid.payer = in_turn.payer
    left join alone
        on
            paid.payer_namespace = alone.payer_namespace
            and alone.namespace = 'pos_member'
            and cards.card = 'pos_member:' || alone.identifier
    left join (select distinct holder from cards_of_file) as a_number on cards.card = a_number.holder
    where named.identifier is null
),

weighed as (
    select
        *,
        sum(case when is_beside_card then 1 else 0 end) over (partition by payer_namespace, payer) as beside_card
    from judged
),

counted as (
    select *
    from weighed
    where
        (cards = 1 and other_phones = beside_card and (namespace = 'pos_member' or is_beside_card))
        or (cards is null and (other_phones = 1 or (other_phones = 2 and is_in_turn)))
)

select
    counted.payer_namespace,
    counted.payer,
    counted.namespace,
    counted.identifier,
    counted.all_tickets as tickets,
    counted.first_seen_on,
    counted.first_at,
    counted.last_at,
    counted.record
from counted
cross join {{ source("ops", "rule_identity") }} as rules
left join turns
    on
        counted.namespace = turns.namespace
        and counted.identifier = turns.identifier
        and (turns.valid_from is null or turns.valid_from <= counted.last_at)
        and (turns.valid_to is null or counted.first_at < turns.valid_to)
where
    turns.identifier is null
    and rules.payer_min_tickets > 0
    and counted.all_tickets >= rules.payer_min_tickets
