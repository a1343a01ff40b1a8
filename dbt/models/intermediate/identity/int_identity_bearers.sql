-- Who paid when a card or a phone was shown at the till. Grain: shown identifier (a phone once for every owner it had) ×
-- payment account.
-- A payment account is one person's, what is shown may be lent or handed on. An account that pays for several is at home
-- where it pays most of what is paid: a husband may pay for his wife's card, his own is where nobody else pays.
{{ config(materialized="table") }}

with suspects as (
    select * from {{ ref("int_identity_suspects") }}
),

statements as (
    select statements.*
    from {{ ref("int_identity_affected_statements") }} as statements
    left join suspects
        on statements.namespace = suspects.namespace and statements.identifier = suspects.identifier
    where statements.feed = 'tickets' and suspects.identifier is null
),

guards as (
    select phone from {{ ref("int_identity_phone_guards") }}
),

tenures as (
    select * from {{ ref("int_identity_phone_tenures") }}
),

payments as (
    select
        connection,
        record_id,
        namespace as payer_namespace,
        identifier as payer,
        -- a person may have one account of each of these
        case when namespace = 'openid' then 'openid ' || split_part(identifier, ':', 1) else namespace end as payer_kind,
        first_at
    from statements
    where role = 'payer'
),

lives as (
    select payer_namespace, payer, min(first_at) as first_at, max(first_at) as last_at
    from payments
    group by 1, 2
),

shown as (
    select
        statements.connection,
        statements.record_id,
        statements.namespace,
        statements.identifier,
        coalesce(tenures.segment, '') as segment,
        statements.first_seen_on
    from statements
    left join guards
        on statements.namespace = 'phone' and statements.identifier = guards.phone
    left join tenures
        on
            statements.namespace = 'phone'
            and statements.identifier = tenures.phone
            and (tenures.valid_from is null or tenures.valid_from <= statements.first_at)
            and (tenures.valid_to is null or statements.first_at < tenures.valid_to)
    where statements.role = 'said' and guards.phone is null
),

uses as (
    select
        shown.namespace,
        shown.identifier,
        shown.segment,
        payments.payer_namespace,
        payments.payer,
        payments.payer_kind,
        count(*) as tickets,
        min(payments.first_at) as first_at,
        max(payments.first_at) as last_at,
        min(shown.first_seen_on) as first_seen_on
    from shown
    inner join payments
        on shown.connection = payments.connection and shown.record_id = payments.record_id
    group by 1, 2, 3, 4, 5, 6
),

weighed as (
    select
        *,
        cast(tickets as double) / sum(tickets) over (partition by namespace, identifier, segment, payer_kind) as share,
        -- others who came more than once
        coalesce(sum(case when tickets > 1 then 1 end) over (partition by namespace, identifier, segment, payer_kind), 0)
        - case when tickets > 1 then 1 else 0 end as others,
        min(case when tickets > 1 then first_at end) over (partition by namespace, identifier, segment, payer_kind) as settled_at
    from uses
),

-- the card whose row in the member file names the account
claimed as (
    select distinct namespace_b as payer_namespace, identifier_b as payer, identifier_a as card
    from {{ ref("int_identity_claims") }}
    where
        namespace_a = 'pos_member' and namespace_b = 'openid' and role = 'own' and ended_at is null
        and identifier_a not in (select identifier from {{ ref("int_identity_hubs") }} where namespace = 'pos_member')
        and identifier_b not in (
            select identifier from {{ ref("int_identity_hubs") }} where namespace = 'openid' and beside = 'pos_member'
        )
),

candidates as (
    select payer_namespace, payer, namespace, identifier, 1 as rank, cast(1 as double) as share, 0 as tickets
    from (select payer_namespace, payer, 'pos_member' as namespace, card as identifier from claimed) as cards
    union all
    select
        payer_namespace,
        payer,
        namespace,
        identifier,
        -- a number typed wrong once is nobody's home
        case when tickets > 1 or namespace = 'pos_member' then 2 else 3 end,
        share,
        tickets
    from weighed
),

ranked as (
    select
        *,
        row_number() over (
            partition by payer_namespace, payer
            order by rank, share desc, tickets desc, namespace desc, identifier
        ) as place
    from candidates
),

homes as (
    select payer_namespace, payer, namespace, identifier
    from ranked
    where place = 1
),

-- one home are a card and the phone that the member file gives it
cards_of_file as (
    select distinct
        phone,
        substr(holder, 12) as card
    from {{ ref("int_identity_holds") }}
    where is_card and phone not in (select phone from guards)
),

ties as (
    select 'phone' as namespace_a, phone as identifier_a, 'pos_member' as namespace_b, card as identifier_b
    from cards_of_file
    union all
    select 'pos_member', card, 'phone', phone
    from cards_of_file
),

-- and whatever the account showed at one time
shown_together as (
    select distinct
        payments.payer_namespace,
        payments.payer,
        one.namespace as namespace_a,
        one.identifier as identifier_a,
        other.namespace as namespace_b,
        other.identifier as identifier_b
    from payments
    inner join shown as one on payments.connection = one.connection and payments.record_id = one.record_id
    inner join shown as other
        on
            payments.connection = other.connection
            and payments.record_id = other.record_id
            and one.namespace != other.namespace
),

at_home as (
    select payer_namespace, payer, namespace, identifier from homes
    union
    select homes.payer_namespace, homes.payer, ties.namespace_b, ties.identifier_b
    from homes
    inner join ties on homes.namespace = ties.namespace_a and homes.identifier = ties.identifier_a
    union
    select homes.payer_namespace, homes.payer, together.namespace_b, together.identifier_b
    from homes
    inner join shown_together as together
        on
            homes.payer_namespace = together.payer_namespace
            and homes.payer = together.payer
            and homes.namespace = together.namespace_a
            and homes.identifier = together.identifier_a
),

-- cards of one phone
near as (
    select * from at_home
    union
    select at_home.payer_namespace, at_home.payer, ties.namespace_b, ties.identifier_b
    from at_home
    inner join ties on at_home.namespace = ties.namespace_a and at_home.identifier = ties.identifier_a
),

judged as (
    select
        weighed.*,
        near.payer is not null as is_home
    from weighed
    left join near using (payer_namespace, payer, namespace, identifier)
)

select
    judged.namespace,
    judged.identifier,
    judged.segment,
    judged.payer_namespace,
    judged.payer,
    judged.payer_kind,
    judged.tickets,
    judged.share,
    judged.is_home,
    -- at home elsewhere, but nobody else comes with this
    not judged.is_home and judged.tickets > 1 and judged.others = 0 as is_sole,
    -- nobody knows whose shopping it was: once, where others pay again and again, or a number that was only said by
    -- somebody who has another; whoever shows another's card again and again pays for her
    case
        -- whoever came first has as good a claim as those who came again
        when judged.tickets = 1 then coalesce(judged.settled_at < judged.first_at, false) or not judged.is_home
        else judged.namespace = 'phone' and not judged.is_home and judged.others > 0
    end as is_stray,
    judged.first_at,
    judged.last_at,
    lives.first_at as lives_from,
    lives.last_at as lives_to,
    judged.first_seen_on
from judged
inner join lives using (payer_namespace, payer)
