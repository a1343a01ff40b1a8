-- When a record named an identifier: the nights on which it was seen to, and the times at which it was so.
-- Grain: record × identifier × role. An empty identifier: a state that names nobody any more.
-- Read from every raw version, because the newest one only tells what is true now: without this a nightly full
-- export would move every arrival to last night, and with it every member id.
{{ config(unique_key=["connection", "feed", "record_id", "namespace", "identifier", "role"]) }}

with stated as (
    {{ identity_statements("raw") }}
),

arrived as (
    select
        connection,
        min(kind) as kind,
        feed,
        record_id,
        namespace,
        identifier,
        role,
        min(seen_on) as first_seen_on,
        max(seen_on) as last_seen_on,
        min(said_at) as first_at,
        max(said_at) as last_at
    from stated
    group by connection, feed, record_id, namespace, identifier, role
)

{% if is_incremental() %}
-- a night that lands late may be the earlier one
select
    arrived.connection,
    arrived.kind,
    arrived.feed,
    arrived.record_id,
    arrived.namespace,
    arrived.identifier,
    arrived.role,
    least(arrived.first_seen_on, coalesce(known.first_seen_on, arrived.first_seen_on)) as first_seen_on,
    greatest(arrived.last_seen_on, coalesce(known.last_seen_on, arrived.last_seen_on)) as last_seen_on,
    least(arrived.first_at, coalesce(known.first_at, arrived.first_at)) as first_at,
    greatest(arrived.last_at, coalesce(known.last_at, arrived.last_at)) as last_at,
    {{ key_hash("arrived.namespace || ':' || arrived.identifier") }} as identifier_key,
    {{ record_key("arrived") }} as record_key
from arrived
left join {{ this }} as known
    using (connection, feed, record_id, namespace, identifier, role)
{% else %}
select
    *,
    {{ key_hash("namespace || ':' || identifier") }} as identifier_key,
    {{ record_key("arrived") }} as record_key
from arrived
{% endif %}
