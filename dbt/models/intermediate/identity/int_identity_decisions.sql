-- What people decided of two records, as pairs of the identifiers that the records are known by. Grain: decision.
{{ config(materialized="table") }}

with decisions as (
    select * from {{ source("ops", "identity_decisions") }}
),

-- a record speaks through its strongest identifier
anchors as (
    select
        connection,
        feed,
        record_id,
        namespace,
        identifier,
        first_seen_on,
        first_at,
        last_at,
        row_number() over (
            partition by connection, feed, record_id
            order by case role when 'own' then 1 when 'said' then 2 else 3 end, {{ identity_rank("namespace") }}, identifier
        ) as place
    from {{ ref("int_identity_statements") }}
    where role in ('own', 'said', 'payer') and ended_at is null
)

select
    decisions.decision,
    decisions.line,
    a.namespace as namespace_a,
    a.identifier as identifier_a,
    b.namespace as namespace_b,
    b.identifier as identifier_b,
    greatest(a.first_seen_on, b.first_seen_on) as first_seen_on,
    least(a.first_at, b.first_at) as first_at,
    greatest(a.last_at, b.last_at) as last_at,
    decisions.connection_a || '|' || decisions.feed_a || '|' || decisions.record_id_a as record
from decisions
inner join anchors as a
    on
        decisions.connection_a = a.connection
        and decisions.feed_a = a.feed
        and decisions.record_id_a = a.record_id
        and a.place = 1
inner join anchors as b
    on
        decisions.connection_b = b.connection
        and decisions.feed_b = b.feed
        and decisions.record_id_b = b.record_id
        and b.place = 1
where a.namespace != b.namespace or a.identifier != b.identifier
