-- Payment accounts that always pay for one and the same card, or, where no card is shown, phone. Grain: payer.
{{ config(materialized="table") }}

with statements as (
    select * from {{ ref("int_identity_affected_statements") }} where feed = 'tickets'
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
holds as (
    select phone, holder
    from {{ ref("int_identity_holds") }}
    where is_card
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
        paid.namespace = 'phone' and its_own.phone is not null as is_of_card,
        sum(case when paid.namespace = 'phone' and its_own.phone is null then 1 else 0 end)
            over (partition by paid.payer_namespace, paid.payer) as other_phones,
        sum(paid.tickets) over (partition by paid.payer_namespace, paid.payer) as all_tickets
    from paid
    left join cards on paid.payer_namespace = cards.payer_namespace and paid.payer = cards.payer
    left join named on paid.payer_namespace = named.namespace and paid.payer = named.identifier
    left join holds as its_own
        on paid.namespace = 'phone' and paid.identifier = its_own.phone and cards.card = its_own.holder
    where named.identifier is null
),

counted as (
    select *
    from judged
    where
        (cards = 1 and other_phones = 0 and namespace = 'pos_member')
        or (cards is null and other_phones = 1)
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
where rules.payer_min_tickets > 0 and counted.all_tickets >= rules.payer_min_tickets
