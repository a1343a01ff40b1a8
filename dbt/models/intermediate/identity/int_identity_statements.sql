-- What every record says about whom it is: its newest version, and of a state what it said before and for how long.
-- Grain: record × identifier × role. A saying that was corrected leaves no trace here, so everything after is as if
-- it had never been made; one that held for a while and was replaced ends (a person changed the number).
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key=["connection", "feed", "record_id"],
    meta={"affected": "stg_identity__arrivals", "number": "record_key"},
) }}

with stated as (
    {{ identity_statements("arrived" if is_incremental() else "staging") }}
),

allowed as (
    select *
    from stated
    where
        basis != 'remark_phone'
        or (select use_wecom_remark from {{ source("ops", "rule_identity") }})
),

newest as (
    select
        connection,
        kind,
        feed,
        record_id,
        namespace,
        identifier,
        role,
        basis,
        precedence,
        min(masked) as masked
    from allowed
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
),

-- depends_on: {{ ref("stg_identity__arrivals") }}
sightings as (
    select sightings.*
    from {{ ref("stg_identity__sightings") }} as sightings
    {% if is_incremental() %}
    where record_key in (select record_key from {{ ref("stg_identity__arrivals") }})
    {% endif %}
),

-- records of a state that were seen with more than one value, or whose one value is only hidden now
states as (
    select
        sightings.*,
        states.basis,
        states.precedence,
        count(*) over (
            partition by sightings.connection, sightings.feed, sightings.record_id, sightings.namespace, sightings.role
        ) as values_seen
    from sightings
    inner join {{ identity_states() }}
        on
            sightings.feed = states.feed
            and sightings.namespace = states.namespace
            and sightings.role = states.role
),

replaced as (
    select
        former.connection,
        former.kind,
        former.feed,
        former.record_id,
        former.namespace,
        former.identifier,
        former.role,
        former.basis,
        former.precedence,
        min(later.first_at) as ended_at,
        min(later.first_seen_on) as gone_on
    from states as former
    inner join states as later
        on
            former.connection = later.connection
            and former.feed = later.feed
            and former.record_id = later.record_id
            and former.namespace = later.namespace
            and former.role = later.role
            and former.last_at < later.first_at
    where former.values_seen > 1 and former.identifier != ''
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
),

former as (
    select
        connection, kind, feed, record_id, namespace, identifier, role, basis, precedence, ended_at, gone_on
    from replaced
    union all
    select
        connection, kind, feed, record_id, namespace, identifier, role, basis, precedence,
        cast(null as timestamp),
        cast(null as date)
    from states
    where values_seen = 1 and identifier != ''
),

sayings as (
    select
        newest.*,
        cast(null as timestamp) as ended_at,
        cast(null as date) as gone_on
    from newest
    union all
    select
        former.connection,
        former.kind,
        former.feed,
        former.record_id,
        former.namespace,
        former.identifier,
        former.role,
        former.basis,
        former.precedence,
        cast(null as varchar) as masked,
        former.ended_at,
        former.gone_on
    from former
    left join newest
        on
            former.connection = newest.connection
            and former.feed = newest.feed
            and former.record_id = newest.record_id
            and former.namespace = newest.namespace
            and former.identifier = newest.identifier
            and former.role = newest.role
    where newest.record_id is null
)

select
    sayings.*,
    {{ record_key("sayings") }} as record_key,
    sightings.first_seen_on,
    coalesce(sightings.first_at, cast(sightings.first_seen_on as timestamp)) as first_at,
    coalesce(sightings.last_at, cast(sightings.first_seen_on as timestamp)) as last_at
from sayings
left join sightings
    using (connection, feed, record_id, namespace, identifier, role)
where
    sayings.ended_at is null
    -- what stood for a few days only was a slip of the hand
    or {{ days_between("cast(sightings.first_at as date)", "cast(sayings.ended_at as date)") }}
    >= (select former_link_min_days from {{ source("ops", "rule_identity") }})
