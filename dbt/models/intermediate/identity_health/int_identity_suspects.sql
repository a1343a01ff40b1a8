-- Identifiers that behave as if they were nobody's own, found without any list. Grain: identifier.
-- How many people an identifier is used for is told by the effective number of identifiers of one kind beside it,
-- (sum n)² / sum n²: whoever shops for years meets many payers and stays near one, a number typed for everybody does not.
-- Not incremental: the limits come from the whole distribution, which moves with every night.

with

companions as (

    select * from {{ ref('int_identity_companions') }}

),

ticket_days as (

    select * from {{ ref('int_identity_ticket_days') }}

),

statements as (

    select * from {{ ref('int_identity_statements') }}

),

tickets as (

    select connection, store_code, cashier_id from {{ ref('stg_pos__tickets') }} where kind = 'sale'

),

cards as (

    select connection, member_ref, home_store, phone_token, phone_kind from {{ ref('stg_pos__members') }}

),

staff_phones as (

    select distinct phone_token
    from {{ ref('stg_pos__staff') }}
    where phone_token is not null and {{ is_linkable_phone('phone_kind') }}

),

placeholders as (

    select distinct phone_token from {{ source('ops', 'placeholder_phones') }}

),

rules as (

    select * from {{ source('ops', 'rule_identity_health') }}

),

-- the phones of staff, and the cards that carry one
staff_identifiers as (

    select 'phone' as namespace, phone_token as identifier
    from staff_phones

    union

    select 'pos_member', cards.connection || ':' || cards.member_ref
    from cards
    inner join staff_phones
        on cards.phone_token = staff_phones.phone_token
    where {{ is_linkable_phone('cards.phone_kind') }}

),

spreads as (

    select
        namespace,
        id_kind,
        identifier,
        other_kind,
        count(*) as others,
        sum(records) as records,
        count(*) filter (where records = 1 and passing_records = 1) as passing_others,
        cast(sum(records) * sum(records) as double) / cast(sum(records * records) as double) as effective
    from companions
    group by
        namespace,
        id_kind,
        identifier,
        other_kind

),

usual_spreads as (

    select
        id_kind,
        other_kind,
        {{ usual('effective', 'rules.usual_min_identifiers') }} as upper_quartile
    from spreads
    cross join rules
    group by id_kind, other_kind

),

limited as (

    select
        spreads.*,
        staff_identifiers.identifier is not null as is_staff,
        greatest(rules.suspect_min_people, rules.suspect_factor * usual_spreads.upper_quartile) as people_limit
    from spreads
    inner join usual_spreads
        on spreads.id_kind = usual_spreads.id_kind and spreads.other_kind = usual_spreads.other_kind
    cross join rules
    left join staff_identifiers
        on spreads.namespace = staff_identifiers.namespace and spreads.identifier = staff_identifiers.identifier

),

-- a family comes back with the same few people: who is there for good is tolerated up to twice the limit. A number of
-- the staff has an owner who is no customer of her own till, so half as much evidence is enough
judged as (

    select
        *,
        people_limit
        * case when 2 * passing_others >= others then 1 else 2 end
        / case when is_staff then 2 else 1 end as needed
    from limited

),

crowds as (

    select *
    from judged
    where
        effective >= needed
        and others >= (select suspect_min_people from rules) - case when is_staff then 1 else 0 end

),

ranked_crowds as (

    select
        *,
        row_number() over (
            partition by namespace, identifier
            order by effective / needed desc, other_kind
        ) as place
    from crowds

),

-- the night by which as many others had come together as today's limit asks for
crowd_nights as (

    select namespace, identifier, max(first_on) as flagged_on
    from (
        select
            companions.namespace,
            companions.identifier,
            companions.first_on,
            ranked_crowds.needed,
            row_number() over (
                partition by companions.namespace, companions.identifier
                order by companions.first_on, companions.other_identifier
            ) as arrival
        from ranked_crowds
        inner join companions
            on
                ranked_crowds.namespace = companions.namespace
                and ranked_crowds.identifier = companions.identifier
                and ranked_crowds.other_kind = companions.other_kind
        where ranked_crowds.place = 1
    ) as arrivals
    where arrival <= ceil(needed)
    group by namespace, identifier

),

-- tills that know no payer leave one sign only: nobody shops that often on one day, day after day
days as (

    select
        namespace,
        identifier,
        business_date,
        sum(tickets) as tickets,
        max(arrived_on) as arrived_on
    from ticket_days
    group by namespace, identifier, business_date

),

usual_days as (

    select
        namespace,
        {{ usual('tickets', 'rules.usual_min_identifiers') }} as upper_quartile
    from days
    cross join rules
    group by namespace

),

paced as (

    select
        days.*,
        days.tickets >= greatest(rules.suspect_tickets_a_day, rules.suspect_factor * usual_days.upper_quartile) as is_busy
    from days
    inner join usual_days
        on days.namespace = usual_days.namespace
    cross join rules

),

paces as (

    select
        namespace,
        identifier,
        sum(tickets) as tickets,
        count(*) filter (where is_busy) as busy_days,
        coalesce(sum(tickets) filter (where is_busy), 0) as busy_tickets,
        max(tickets) as most_a_day
    from paced
    group by namespace, identifier

),

-- companions that are one person's after all speak for whoever is only a very good customer
settled as (

    select distinct judged.namespace, judged.identifier
    from judged
    inner join paces
        on judged.namespace = paces.namespace and judged.identifier = paces.identifier
    where 2 * judged.records >= paces.tickets and 2 * judged.effective < judged.people_limit

),

rushes as (

    select paces.*
    from paces
    cross join rules
    left join settled
        on paces.namespace = settled.namespace and paces.identifier = settled.identifier
    left join placeholders
        on paces.namespace = 'phone' and paces.identifier = placeholders.phone_token
    where
        paces.busy_days >= rules.suspect_busy_days
        and 4 * paces.busy_tickets >= paces.tickets
        and settled.identifier is null
        and placeholders.phone_token is null

),

rush_nights as (

    select namespace, identifier, max(arrived_on) as flagged_on
    from (
        select
            paced.namespace,
            paced.identifier,
            paced.arrived_on,
            row_number() over (
                partition by paced.namespace, paced.identifier
                order by paced.arrived_on, paced.business_date
            ) as place
        from paced
        inner join rushes
            on paced.namespace = rushes.namespace and paced.identifier = rushes.identifier
        where paced.is_busy
    ) as busy
    where place <= (select suspect_busy_days from rules)
    group by namespace, identifier

),

suspects as (

    select namespace, identifier from crowds

    union

    select namespace, identifier from rushes

),

-- whose tills and which shops it comes from
till_uses as (

    select
        ticket_days.namespace,
        ticket_days.identifier,
        ticket_days.connection,
        ticket_days.store_code,
        ticket_days.cashier_id,
        sum(ticket_days.tickets) as tickets
    from ticket_days
    inner join suspects
        on ticket_days.namespace = suspects.namespace and ticket_days.identifier = suspects.identifier
    group by
        ticket_days.namespace,
        ticket_days.identifier,
        ticket_days.connection,
        ticket_days.store_code,
        ticket_days.cashier_id

),

tills as (

    select
        connection,
        store_code,
        cashier_id,
        count(*) as tickets,
        sum(count(*)) over (partition by connection, store_code) as store_tickets
    from tickets
    group by connection, store_code, cashier_id

),

top_tills as (

    select
        till_uses.namespace,
        till_uses.identifier,
        till_uses.cashier_id,
        till_uses.tickets,
        sum(till_uses.tickets) over (partition by till_uses.namespace, till_uses.identifier) as all_tickets,
        tills.tickets as till_tickets,
        tills.store_tickets,
        row_number() over (
            partition by till_uses.namespace, till_uses.identifier
            order by till_uses.tickets desc, till_uses.store_code, till_uses.cashier_id, till_uses.connection
        ) as place
    from till_uses
    inner join tills
        on
            till_uses.connection = tills.connection
            and till_uses.store_code = tills.store_code
            and till_uses.cashier_id = tills.cashier_id

),

store_uses as (

    select namespace, identifier, store_code, tickets as uses
    from till_uses

    union all

    select 'phone', cards.phone_token, cards.home_store, 1
    from cards
    inner join suspects
        on suspects.namespace = 'phone' and cards.phone_token = suspects.identifier
    where cards.home_store is not null

),

top_stores as (

    select
        namespace,
        identifier,
        store_code,
        sum(uses) as uses,
        sum(sum(uses)) over (partition by namespace, identifier) as all_uses,
        row_number() over (
            partition by namespace, identifier
            order by sum(uses) desc, store_code
        ) as place
    from store_uses
    group by namespace, identifier, store_code

),

-- a number that somebody verified cannot be made up
entries as (

    select
        statements.namespace,
        statements.identifier,
        min(statements.first_seen_on) as first_on,
        min(statements.masked) as masked,
        count(*) filter (where statements.kind = 'groupbuy' and statements.role = 'own') as verified,
        count(*) as statements
    from statements
    inner join suspects
        on statements.namespace = suspects.namespace and statements.identifier = suspects.identifier
    group by statements.namespace, statements.identifier

),

described as (

    select
        suspects.namespace,
        suspects.identifier,
        entries.masked,
        entries.first_on,
        entries.verified,
        entries.statements,
        staff_identifiers.identifier is not null as is_staff,
        crowds_first.id_kind,
        crowds_first.other_kind,
        crowds_first.others,
        crowds_first.records,
        crowds_first.passing_others,
        crowds_first.effective,
        crowds_first.needed,
        crowd_nights.flagged_on as crowd_on,
        rushes.tickets,
        rushes.busy_days,
        rushes.most_a_day,
        rush_nights.flagged_on as rush_on,
        top_tills.cashier_id,
        top_tills.tickets as cashier_tickets,
        top_tills.all_tickets,
        -- four of five tickets at one till mean something only where that till does not serve nearly everybody
        coalesce(
            top_tills.tickets >= (select suspect_min_people from rules) - 1
            and 5 * top_tills.tickets >= 4 * top_tills.all_tickets
            and 5 * top_tills.till_tickets <= 3 * top_tills.store_tickets,
            false
        ) as is_one_till,
        top_stores.store_code,
        coalesce(
            5 * top_stores.uses >= 4 * top_stores.all_uses and (select count(distinct store_code) from tills) > 1,
            false
        ) as is_one_store
    from suspects
    inner join entries
        on suspects.namespace = entries.namespace and suspects.identifier = entries.identifier
    left join staff_identifiers
        on suspects.namespace = staff_identifiers.namespace and suspects.identifier = staff_identifiers.identifier
    left join ranked_crowds as crowds_first
        on
            suspects.namespace = crowds_first.namespace
            and suspects.identifier = crowds_first.identifier
            and crowds_first.place = 1
    left join crowd_nights
        on suspects.namespace = crowd_nights.namespace and suspects.identifier = crowd_nights.identifier
    left join rushes
        on suspects.namespace = rushes.namespace and suspects.identifier = rushes.identifier
    left join rush_nights
        on suspects.namespace = rush_nights.namespace and suspects.identifier = rush_nights.identifier
    left join top_tills
        on
            suspects.namespace = top_tills.namespace
            and suspects.identifier = top_tills.identifier
            and top_tills.place = 1
    left join top_stores
        on
            suspects.namespace = top_stores.namespace
            and suspects.identifier = top_stores.identifier
            and top_stores.place = 1

),

final as (

    select
        namespace,
        identifier,
        masked,
        case
            when is_staff or is_one_till then 'cashier_own_number'
            when namespace != 'phone' then 'hub'
            when is_one_store then 'shop_number'
            when verified > 0 then 'hub'
            else 'unlisted_placeholder'
        end as reason,
        case when is_staff or is_one_till or is_one_store then store_code end as store_code,
        coalesce(other_kind || '=' || others || ' effective=' || cast(cast(effective as decimal(18, 1)) as varchar)
            || ' (limit ' || cast(cast(needed as decimal(18, 1)) as varchar) || ') once=' || passing_others || ' records=' || records || '; ', '')
        || coalesce('tickets=' || tickets || ' busy_days=' || busy_days || ' most_a_day=' || most_a_day || '; ', '')
        || coalesce('cashier ' || cashier_id || '=' || cashier_tickets || '/' || all_tickets || ' tickets; ', '')
        || case when is_staff then 'a number of the staff; ' else '' end
        || 'statements=' || statements as evidence,
        coalesce(id_kind, namespace) as id_kind,
        other_kind,
        first_on,
        least(coalesce(crowd_on, rush_on), coalesce(rush_on, crowd_on)) as flagged_on
    from described

)

select * from final
