-- Who each source record is about. Grain: record of a feed that names people.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key=["connection", "feed", "record_id"],
    meta={"affected": "int_identity_affected_records", "number": "record_key"},
) }}

with affected as (
    select * from {{ ref("int_identity_affected_records") }}
),

statements as (
    select * from {{ ref("int_identity_affected_statements") }}
),

-- tonight's rows bring what is no record of a customer, too: a member of staff in a group
nobodies as (
    {% for feed in identity_feeds() if "when" in feed %}
    select
        connection,
        '{{ feed.kind }}' as kind,
        '{{ feed.feed }}' as feed,
        {{ feed.record | join(" || '|' || ") }} as record_id
    from {{ identity_relation(feed, "staging") }}
    where not coalesce({{ feed.when }}, false)
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

records as (
    select affected.*
    from affected
    left join nobodies
        on
            affected.connection = nobodies.connection
            and affected.kind = nobodies.kind
            and affected.feed = nobodies.feed
            and affected.record_id = nobodies.record_id
    where nobodies.record_id is null
),

-- what goes from hand to hand at the till
turns as (
    select * from {{ ref("int_identity_till_turns") }} where is_shared
),

-- what stands beside everybody tells of nobody who it is: a card that is shown, a unionid
hubs as (
    select * from {{ ref("int_identity_hubs") }}
),

-- by the record's own identifiers, strongest first; what goes from hand to hand speaks when nothing else does
candidates as (
    select
        statements.connection,
        statements.feed,
        statements.record_id,
        members.member_id,
        statements.basis,
        row_number() over (
            partition by statements.connection, statements.feed, statements.record_id
            order by
                case when turns.identifier is null then 1 else 2 end,
                statements.precedence,
                statements.identifier
        ) as place
    from statements
    -- whoever held the identifier when it happened; a card's row is renewed for whoever has the card by now
    inner join {{ ref("int_identity_members") }} as members
        on
            statements.namespace = members.namespace
            and statements.identifier = members.identifier
            and case
                when statements.namespace = 'pos_member' and statements.role = 'own' then members.valid_to is null
                else
                    (members.valid_from is null or members.valid_from <= statements.first_at)
                    and (members.valid_to is null or statements.first_at < members.valid_to)
            end
    left join turns
        on
            statements.role = 'said'
            and statements.namespace = turns.namespace
            and statements.identifier = turns.identifier
            and (statements.namespace = 'pos_member' or members.segment = turns.phone_segment)
            and (turns.valid_from is null or turns.valid_from <= statements.first_at)
            and (turns.valid_to is null or statements.first_at < turns.valid_to)
    left join hubs
        on
            statements.namespace = hubs.namespace
            and statements.identifier = hubs.identifier
            and (statements.namespace = 'unionid' or (statements.namespace = 'pos_member' and statements.feed = 'tickets'))
    where
        statements.role in ('own', 'said', 'payer', 'known')
        and statements.ended_at is null
        and hubs.identifier is null
),

-- why nobody was recognised
misses as (
    select
        statements.connection,
        statements.feed,
        statements.record_id,
        min(
            case
                when statements.role = 'unverified' then '3 unverified_phone'
                when guards.reason is not null then '1 ' || guards.reason
                when tenures.refusal is not null then '1 ' || tenures.refusal
                when hubs.reason is not null then '1 ' || hubs.reason
                else '2 unknown_identifier'
            end
        ) as ranked_reason
    from statements
    left join {{ ref("int_identity_phone_guards") }} as guards
        on statements.namespace = 'phone' and statements.identifier = guards.phone
    left join hubs
        on statements.namespace = hubs.namespace and statements.identifier = hubs.identifier
    left join {{ ref("int_identity_phone_tenures") }} as tenures
        on
            statements.namespace = 'phone'
            and statements.identifier = tenures.phone
            and (tenures.valid_from is null or tenures.valid_from <= statements.first_at)
            and (tenures.valid_to is null or statements.first_at < tenures.valid_to)
    group by 1, 2, 3
),

direct as (
    select
        records.connection,
        records.kind,
        records.feed,
        records.record_id,
        records.record_key,
        candidates.member_id,
        coalesce(candidates.basis, substr(misses.ranked_reason, 3), 'no_identifier') as basis
    from records
    left join candidates
        on
            records.connection = candidates.connection
            and records.feed = candidates.feed
            and records.record_id = candidates.record_id
            and candidates.place = 1
    left join misses
        on
            records.connection = misses.connection
            and records.feed = misses.feed
            and records.record_id = misses.record_id
),

-- a payer's account that always came with the card or phone of one and the same member speaks for her when she
-- shows neither; it recognises, it never links
payers as (
    select
        statements.namespace,
        statements.identifier,
        min(direct.member_id) as member_id
    from direct
    inner join statements
        on
            direct.connection = statements.connection
            and direct.feed = statements.feed
            and direct.record_id = statements.record_id
    where
        direct.feed = 'tickets'
        and direct.basis in ('member_ref', 'phone')
        and direct.member_id is not null
        and statements.role = 'payer'
    group by statements.namespace, statements.identifier
    having
        count(distinct direct.member_id) = 1
        and count(*) >= (select payer_min_tickets from {{ source("ops", "rule_identity") }})
        and (select payer_min_tickets from {{ source("ops", "rule_identity") }}) > 0
),

paid as (
    select
        statements.connection,
        statements.feed,
        statements.record_id,
        payers.member_id,
        statements.basis,
        row_number() over (
            partition by statements.connection, statements.feed, statements.record_id
            order by statements.precedence, statements.identifier
        ) as place
    from statements
    inner join payers using (namespace, identifier)
    where statements.feed = 'tickets' and statements.role = 'payer'
),

told as (
    select
        direct.connection,
        direct.kind,
        direct.feed,
        direct.record_id,
        direct.record_key,
        case
            when direct.basis in ('pay_openid', 'alipay_user') then coalesce(paid.member_id, direct.member_id)
            else coalesce(direct.member_id, paid.member_id)
        end as member_id,
        case when direct.member_id is null then coalesce(paid.basis, direct.basis) else direct.basis end as basis
    from direct
    left join paid
        on
            direct.connection = paid.connection
            and direct.feed = paid.feed
            and direct.record_id = paid.record_id
            and paid.place = 1
),

-- a posting is about whom its ticket is about
posted as (
    select
        points.connection,
        'points' as feed,
        points.entry_id as record_id,
        min(sales.member_id) as member_id
    from {{ ref("stg_pos__points") }} as points
    inner join statements as owners
        on
            points.connection = owners.connection
            and owners.feed = 'points'
            and points.entry_id = owners.record_id
    -- a ledger does not say which shop's ticket: the one of the same card
    inner join statements as shown
        on
            owners.connection = shown.connection
            and shown.feed = 'tickets'
            and owners.namespace = shown.namespace
            and owners.identifier = shown.identifier
            and points.ref_id = split_part(shown.record_id, '|', 2)
    inner join told as sales
        on
            shown.connection = sales.connection
            and shown.feed = sales.feed
            and shown.record_id = sales.record_id
    group by 1, 3
    having count(*) = 1 and min(sales.member_id) is not null
),

recognised as (
    select
        told.connection,
        told.kind,
        told.feed,
        told.record_id,
        told.record_key,
        coalesce(posted.member_id, told.member_id) as member_id,
        case when posted.member_id is null or posted.member_id = told.member_id then told.basis else 'ticket' end as basis
    from told
    left join posted
        on
            told.connection = posted.connection
            and told.feed = posted.feed
            and told.record_id = posted.record_id
),

-- a return or a complaint that names nobody is about the customer of the sale it names, when that is only one
references_to_sales as (
    select * from {{ ref("int_record_references") }} where sales = 1
),

borrowed as (
    select
        references_to_sales.connection,
        references_to_sales.feed,
        references_to_sales.record_id,
        sales.member_id,
        references_to_sales.basis,
        row_number() over (
            partition by references_to_sales.connection, references_to_sales.feed, references_to_sales.record_id
            order by references_to_sales.precedence
        ) as place
    from references_to_sales
    inner join recognised as sales
        on
            references_to_sales.sale_connection = sales.connection
            and references_to_sales.sale_feed = sales.feed
            and references_to_sales.sale_record_id = sales.record_id
    where sales.member_id is not null
)

select
    recognised.connection,
    recognised.kind,
    recognised.feed,
    recognised.record_id,
    recognised.record_key,
    coalesce(recognised.member_id, borrowed.member_id) as member_id,
    case when recognised.member_id is null then coalesce(borrowed.basis, recognised.basis) else recognised.basis end as basis
from recognised
left join borrowed
    on
        recognised.connection = borrowed.connection
        and recognised.feed = borrowed.feed
        and recognised.record_id = borrowed.record_id
        and borrowed.place = 1
