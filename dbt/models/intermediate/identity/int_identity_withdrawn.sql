-- What records said once and do not say any more, and on which nights it was believed: since ≤ night < until. Only the
-- replay of events reads it; the state is as if it had never been said. Grain: record × identifier × role.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

-- depends_on: {{ ref("stg_identity__sightings") }} {{ ref("int_identity_affected_sightings") }}

with statements as (
    select connection, feed, record_id, namespace, identifier, role
    from {{ ref("int_identity_affected_statements") }}
    where role in ('own', 'said')
),

sightings as (
    select *
    from {{ ref("int_identity_affected_sightings") if is_incremental() else ref("stg_identity__sightings") }}
    where role in ('own', 'said')
),

-- what still counts is no matter of here, nor is a remark: what spoke for it then is not known any more
unsaid as (
    select sightings.*, feeds.kind as feed_kind, feeds.basis
    from sightings
    inner join (
        {% for feed in identity_feeds() %}
        {% set outer_loop = loop %}
        {% for statement in feed.statements %}
        select
            '{{ feed.kind }}' as kind, '{{ feed.feed }}' as feed,
            '{{ statement.get("namespace", "phone") }}' as namespace, '{{ statement.role }}' as role,
            '{{ statement.basis }}' as basis
        {% if not (loop.last and outer_loop.last) %}union all{% endif %}
        {% endfor %}
        {% endfor %}
    ) as feeds
        on
            sightings.feed = feeds.feed
            and sightings.namespace = feeds.namespace
            and sightings.role = feeds.role
    left join statements
        on
            sightings.connection = statements.connection
            and sightings.feed = statements.feed
            and sightings.record_id = statements.record_id
            and sightings.namespace = statements.namespace
            and sightings.identifier = statements.identifier
            and sightings.role = statements.role
    where
        statements.record_id is null
        and sightings.identifier != ''
        and feeds.basis != 'remark_phone'
),

-- another value seen on the same night or later took its place; one that was newer already when this one came means
-- that an old version arrived late and nobody ever believed it
others as (
    select
        unsaid.connection,
        unsaid.feed,
        unsaid.record_id,
        unsaid.namespace,
        unsaid.identifier,
        unsaid.role,
        min(case when others.first_seen_on >= unsaid.last_seen_on then others.first_seen_on end) as replaced_on,
        max(case
            when
                -- an empty one has the time of its version, a proved number that of its proof
                others.identifier != ''
                and others.first_seen_on <= unsaid.first_seen_on
                and others.first_at > unsaid.last_at
                then 1
            else 0
        end) as was_late
    from unsaid
    inner join sightings as others
        on
            unsaid.connection = others.connection
            and unsaid.feed = others.feed
            and unsaid.record_id = others.record_id
            and unsaid.namespace = others.namespace
            and unsaid.role = others.role
            and unsaid.identifier != others.identifier
    group by 1, 2, 3, 4, 5, 6
),

judged as (
    select
        unsaid.*,
        others.replaced_on
    from unsaid
    left join others
        using (connection, feed, record_id, namespace, identifier, role)
    where coalesce(others.was_late, 0) = 0
),

-- the few that nothing took the place of, or only something older: a happening's newest version came without it; a
-- state, exported again every night, is taken to have changed on the night after it was last said
missed as (
    select
        connection,
        feed,
        record_id,
        namespace,
        identifier,
        role,
        last_seen_on
    from judged
    where replaced_on is null
),

delivered as (
    {% for feed in identity_feeds() if feed.feed in identity_happenings() %}
    select
        missed.connection,
        missed.feed,
        missed.record_id,
        missed.namespace,
        missed.identifier,
        missed.role,
        min(named.arrived_on) as missed_on
    from {{ identity_relation(feed, "staging") }} as named
    inner join missed
        on
            missed.feed = '{{ feed.feed }}'
            and named.connection = missed.connection
            and {% for column in feed.record %}named.{{ column }}{% if not loop.last %} || '|' || {% endif %}{% endfor %} = missed.record_id
            and named.arrived_on > missed.last_seen_on
    group by 1, 2, 3, 4, 5, 6
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

final as (
    select
        judged.connection,
        judged.feed,
        judged.record_id,
        judged.namespace,
        judged.identifier,
        judged.role,
        judged.basis,
        judged.feed_kind || '.' || judged.feed || '.' || judged.basis as rule,
        judged.first_seen_on,
        coalesce(
            judged.replaced_on,
            delivered.missed_on,
            case when not {{ identity_is_event("judged.feed") }} then {{ add_days("judged.last_seen_on", 1) }} end
        ) as until_on,
        coalesce(judged.first_at, cast(judged.first_seen_on as timestamp)) as first_at,
        coalesce(judged.last_at, cast(judged.first_seen_on as timestamp)) as last_at
    from judged
    left join delivered
        using (connection, feed, record_id, namespace, identifier, role)
)

select *
from final
where until_on > first_seen_on
