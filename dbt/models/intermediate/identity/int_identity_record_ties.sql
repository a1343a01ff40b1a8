-- Records that have to be looked at together although they may name nobody in common: a return and its sale, two
-- records somebody decided upon. Grain: pair, either way round.
{{ config(materialized="table") }}

with decided as (
    {{ decided_records(source("ops", "identity_decisions")) }}
),

-- those of them that there are
sighted as (
    select distinct sightings.connection, sightings.kind, sightings.feed, sightings.record_id
    from {{ ref("stg_identity__sightings") }} as sightings
    inner join decided using (connection, feed, record_id)
),

pairs as (
    select
        connection, kind, feed, record_id,
        sale_connection as other_connection, sale_kind as other_kind, sale_feed as other_feed,
        sale_record_id as other_record_id
    from {{ ref("int_record_references") }}
    union all
    select
        decisions.connection_a, kinds_a.kind, decisions.feed_a, decisions.record_id_a,
        decisions.connection_b, kinds_b.kind, decisions.feed_b, decisions.record_id_b
    from {{ source("ops", "identity_decisions") }} as decisions
    inner join sighted as kinds_a
        on
            decisions.connection_a = kinds_a.connection
            and decisions.feed_a = kinds_a.feed
            and decisions.record_id_a = kinds_a.record_id
    inner join sighted as kinds_b
        on
            decisions.connection_b = kinds_b.connection
            and decisions.feed_b = kinds_b.feed
            and decisions.record_id_b = kinds_b.record_id
)

select * from pairs
union
select
    other_connection, other_kind, other_feed, other_record_id,
    connection, kind, feed, record_id
from pairs
