-- What a member is made of besides the records that arrive, each with a number that changes when it does: how a night
-- knows what it has to look at again. Grain: input.
-- kind: record (connection|kind|feed|record_id) or identifier (namespace:identifier).
{{ config(materialized="table") }}

with guards as (
    select * from {{ ref("int_identity_phone_guards") }}
),

decisions as (
    select * from {{ source("ops", "identity_decisions") }}
),

purchases as (
    select * from {{ ref("int_purchases_netted") }}
),

contacts as (
    select * from {{ ref("int_wecom_contacts_current") }}
),

kinds as (
    select distinct connection, kind from {{ ref("stg_identity__sightings") }}
),

sides as (
    select
        connection_a as connection, feed_a as feed, record_id_a as record_id,
        decision || '|' || line || '|' || coalesce(cast(since as varchar), '')
        || '|' || connection_b || '|' || feed_b || '|' || record_id_b as what
    from decisions
    union all
    select
        connection_b, feed_b, record_id_b,
        decision || '|' || line || '|' || coalesce(cast(since as varchar), '')
        || '|' || connection_a || '|' || feed_a || '|' || record_id_a
    from decisions
),

described as (
    select
        'identifier' as kind,
        'phone:' || phone as input,
        reason || '|' || coalesce(cast(flagged_on as varchar), '') as what
    from guards
    union all
    select
        'record',
        sides.connection || '|' || kinds.kind || '|' || sides.feed || '|' || sides.record_id,
        sides.what
    from sides
    inner join kinds on sides.connection = kinds.connection
    union all
    -- who added the contact last is whom it belongs to
    select
        'identifier',
        'external_userid:' || external_userid,
        coalesce(cast(createtime as varchar), '') || '|' || connection || '|' || userid
    from contacts
    union all
    select
        'record',
        connection || '|' || case channel when 'groupbuy' then 'groupbuy' else 'pos' end || '|' || feed || '|' || record_id,
        coalesce(store_code, '') || '|' || cast(ordered_at as varchar) || '|' || cast(business_date as varchar)
        || '|' || case when is_purchase then 'y' else 'n' end
    from purchases
)

select
    kind,
    input,
    bit_xor({{ identity_key("what") }}) as fingerprint
from described
group by 1, 2
