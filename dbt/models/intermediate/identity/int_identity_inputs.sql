-- What a member is made of besides the records that arrive, each with a number that changes when it does: how a night
-- knows what it has to look at again. Grain: input, which is a record or an identifier.
{{ config(materialized="table") }}

with guards as (
    select * from {{ ref("int_identity_phone_guards") }}
),

-- one for a night to come begins to count on that night
decisions as (
    select *
    from {{ source("ops", "identity_decisions") }}
    where since is null or since <= (select as_of_date from {{ source("ops", "run_context") }})
),

purchases as (
    select * from {{ ref("int_purchases_netted") }}
),

contacts as (
    select * from {{ ref("int_wecom_contacts_current") }}
),


sides as (
    select
        connection_a as connection, feed_a as feed, record_id_a as record_id,
        {{ row_hash(["decision", "line", "since", "connection_b", "feed_b", "record_id_b"]) }} as fingerprint
    from decisions
    union all
    select
        connection_b, feed_b, record_id_b,
        {{ row_hash(["decision", "line", "since", "connection_a", "feed_a", "record_id_a"]) }}
    from decisions
),

kinds as (
    select distinct connection, kind, feed, record_id
    from {{ ref("stg_identity__sightings") }}
    where exists (
        select 1
        from sides
        where
            sides.connection = stg_identity__sightings.connection
            and sides.feed = stg_identity__sightings.feed
            and sides.record_id = stg_identity__sightings.record_id
    )
),

decided as (
    select
        sides.connection,
        kinds.kind,
        sides.feed,
        sides.record_id,
        bit_xor(sides.fingerprint) as fingerprint
    from sides
    inner join kinds
        on
            sides.connection = kinds.connection
            and sides.feed = kinds.feed
            and sides.record_id = kinds.record_id
    group by 1, 2, 3, 4
),

-- who added the contact last is whom it belongs to
followed as (
    select
        external_userid,
        bit_xor({{ row_hash(["createtime", "connection", "userid"]) }}) as fingerprint
    from contacts
    group by 1
),

records as (
    select 'decision' as what, connection, kind, feed, record_id, fingerprint
    from decided
    union all
    select
        'purchase',
        connection,
        channel,
        feed,
        record_id,
        {{ row_hash(["store_code", "ordered_at", "business_date", "is_purchase"]) }}
    from purchases
),

identifiers as (
    select 'guard' as what, 'phone' as namespace, phone as identifier, {{ row_hash(["reason", "flagged_on"]) }} as fingerprint
    from guards
    union all
    select 'guard', namespace, identifier, {{ row_hash(["reason", "beside", "flagged_on"]) }}
    from {{ ref("int_identity_hubs") }}
    union all
    select 'follower', 'external_userid', external_userid, fingerprint
    from followed
)

select
    {{ row_hash(["what", "connection", "feed", "record_id"]) }} as input_key,
    fingerprint,
    connection,
    kind,
    feed,
    record_id,
    cast(null as varchar) as namespace,
    cast(null as varchar) as identifier
from records
union all
select
    {{ row_hash(["what", "namespace", "identifier"]) }},
    fingerprint,
    cast(null as varchar),
    cast(null as varchar),
    cast(null as varchar),
    cast(null as varchar),
    namespace,
    identifier
from identifiers
