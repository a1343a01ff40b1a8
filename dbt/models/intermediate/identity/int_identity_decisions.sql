-- What people decided of two records, as pairs of the identifiers that the records are known by; of a phone its
-- owner at the time of the record is meant. Grain: decision.
{{ config(materialized="table") }}

with decisions as (
    select *
    from {{ source("ops", "identity_decisions") }}
    -- one for a night to come waits for it
    where since is null or since <= (select as_of_date from {{ source("ops", "run_context") }})
),

tenures as (
    select * from {{ ref("int_identity_phone_tenures") }}
),

decided as (
    {{ decided_records("decisions") }}
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
    from {{ ref("int_identity_affected_statements") }}
    inner join decided using (connection, feed, record_id)
    where role in ('own', 'said', 'payer') and ended_at is null
),

-- the phone stands second, as in every link, so that its owner at the time of its record is meant
sided as (
    select
        decisions.*,
        coalesce(a.namespace = 'phone' and b.namespace != 'phone', false) as is_turned
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
)

select
    sided.decision,
    sided.line,
    a.namespace as namespace_a,
    a.identifier as identifier_a,
    coalesce(turn_a.segment, '') as segment_a,
    b.namespace as namespace_b,
    b.identifier as identifier_b,
    coalesce(turn_b.segment, '') as segment_b,
    greatest(a.first_seen_on, b.first_seen_on, coalesce(sided.since, a.first_seen_on)) as first_seen_on,
    sided.since,
    case when b.namespace = 'phone' then b.first_at else least(a.first_at, b.first_at) end as first_at,
    case when b.namespace = 'phone' then b.last_at else greatest(a.last_at, b.last_at) end as last_at,
    sided.connection_a || '|' || sided.feed_a || '|' || sided.record_id_a as record
from sided
inner join anchors as a
    on
        case when sided.is_turned then sided.connection_b else sided.connection_a end = a.connection
        and case when sided.is_turned then sided.feed_b else sided.feed_a end = a.feed
        and case when sided.is_turned then sided.record_id_b else sided.record_id_a end = a.record_id
        and a.place = 1
inner join anchors as b
    on
        case when sided.is_turned then sided.connection_a else sided.connection_b end = b.connection
        and case when sided.is_turned then sided.feed_a else sided.feed_b end = b.feed
        and case when sided.is_turned then sided.record_id_a else sided.record_id_b end = b.record_id
        and b.place = 1
{% for side in ("a", "b") %}
left join tenures as turn_{{ side }}
    on
        {{ side }}.namespace = 'phone'
        and {{ side }}.identifier = turn_{{ side }}.phone
        and (turn_{{ side }}.valid_from is null or turn_{{ side }}.valid_from <= {{ side }}.last_at)
        and (turn_{{ side }}.valid_to is null or {{ side }}.last_at < turn_{{ side }}.valid_to)
{% endfor %}
where
    a.namespace != b.namespace
    or a.identifier != b.identifier
    or coalesce(turn_a.segment, '') != coalesce(turn_b.segment, '')
