-- Grain: business date × shop × channel. Built anew each night, as recognition_rates.

with

purchases as (

    select * from {{ ref('int_purchases_netted') }} where is_purchase

),

record_members as (

    select * from {{ ref('record_members') }}

),

statements as (

    select * from {{ ref('int_identity_statements') }} where kind in ('pos', 'groupbuy')

),

tickets as (

    select
        connection,
        record_id,
        (
            member_ref is not null
            or phone_kind is not null
            or pay_openid is not null
            or alipay_user_id is not null
            or face_token is not null
        ) as has_identifier
    from {{ ref('stg_pos__tickets') }}

),

orders as (

    select
        connection,
        record_id,
        (openid is not null or unionid is not null or buyer_phone_kind is not null) as has_identifier
    from {{ ref('stg_groupbuy__orders') }}

),

rules as (

    select payer_min_tickets from {{ source('ops', 'rule_identity') }}

),

sale_records as (

    select 'tickets' as feed, connection, record_id, has_identifier from tickets

    union all

    select 'orders', connection, record_id, has_identifier from orders

),

-- since when a channel's own records name a person by an identifier
own_identifiers as (

    select kind, namespace, identifier, min(first_seen_on) as known_since
    from statements
    where role in ('own', 'said')
    group by kind, namespace, identifier

),

-- the till alone learns whose a payer is from sales on which a card or phone stood beside
named_tickets as (

    select distinct connection, feed, record_id
    from statements
    where feed = 'tickets' and role in ('own', 'said')

),

taught_payers as (

    select
        statements.kind,
        statements.namespace,
        statements.identifier,
        statements.first_seen_on,
        row_number() over (
            partition by statements.kind, statements.namespace, statements.identifier
            order by statements.first_seen_on, statements.connection, statements.record_id
        ) as lesson
    from statements
    inner join named_tickets
        on {{ same_record('statements', 'named_tickets') }}
    where statements.role = 'payer'

),

known_identifiers as (

    select kind, namespace, identifier, min(known_since) as known_since
    from (
        select * from own_identifiers
        union all
        select taught_payers.kind, taught_payers.namespace, taught_payers.identifier, taught_payers.first_seen_on
        from taught_payers
        inner join rules
            on taught_payers.lesson = rules.payer_min_tickets
    ) as known
    group by kind, namespace, identifier

),

-- sales that the channel's own files could have put a person to on the night they arrived
own_sales as (

    select distinct statements.connection, statements.feed, statements.record_id
    from statements
    inner join known_identifiers
        on
            statements.kind = known_identifiers.kind
            and statements.namespace = known_identifiers.namespace
            and statements.identifier = known_identifiers.identifier
    where
        statements.feed in ('tickets', 'orders')
        and statements.role != 'unverified'
        and known_identifiers.known_since <= statements.first_seen_on

),

kinds as (

    select distinct connection, kind from statements

),

-- who is a customer of which channel; staff and leaders are not customers by being listed
customers as (

    select distinct record_members.member_id, kinds.kind
    from record_members
    inner join kinds
        on record_members.connection = kinds.connection
    where record_members.member_id is not null and record_members.feed not in ('staff', 'leaders')

),

sales as (

    select
        purchases.business_date,
        coalesce(purchases.store_code, 'unknown') as store_code,
        purchases.channel,
        coalesce(sale_records.has_identifier, false) as is_identifiable,
        record_members.member_id is not null as is_recognised,
        record_members.member_id is not null and own_sales.record_id is not null as is_own,
        record_members.member_id is not null and customers.member_id is not null as is_linked
    from purchases
    left join sale_records
        on {{ same_record('purchases', 'sale_records') }}
    left join record_members
        on {{ same_record('purchases', 'record_members') }}
    left join own_sales
        on {{ same_record('purchases', 'own_sales') }}
    left join customers
        on
            record_members.member_id = customers.member_id
            and customers.kind = case purchases.channel when 'pos' then 'groupbuy' else 'pos' end

),

counted as (

    select
        business_date,
        store_code,
        channel,
        count(*) as sales,
        count(*) filter (where is_identifiable) as identifiable_sales,
        count(*) filter (where is_own) as own_channel_sales,
        count(*) filter (where is_recognised) as recognised_sales,
        count(*) filter (where is_linked) as linked_sales
    from sales
    group by business_date, store_code, channel

),

final as (

    select
        business_date,
        store_code,
        channel,
        cast(sales as bigint) as sales,
        cast(identifiable_sales as bigint) as identifiable_sales,
        cast(own_channel_sales as bigint) as own_channel_sales,
        cast(recognised_sales as bigint) as recognised_sales,
        cast(recognised_sales - own_channel_sales as bigint) as gained_sales,
        cast(linked_sales as bigint) as linked_sales
    from counted

)

select * from final
