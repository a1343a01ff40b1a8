-- What holds records together: sightings, but for numbers that bind nobody because they were known to be nobody's own
-- before. What somebody decided upon binds in any case. Grain: record × identifier × role.
{{ config(materialized="view") }}

select sightings.*
from {{ ref("stg_identity__sightings") }} as sightings
left join {{ ref("int_identity_phone_guards") }} as guards
    on sightings.namespace = 'phone' and sightings.identifier = guards.phone
where
    sightings.identifier != ''
    and (
        guards.phone is null
        -- it linked people until it was found out: the replay of events knows those links
        or sightings.first_seen_on < guards.flagged_on
        or exists (
            select 1
            from {{ source("ops", "identity_decisions") }} as decisions
            where
                (
                    sightings.connection = decisions.connection_a
                    and sightings.feed = decisions.feed_a
                    and sightings.record_id = decisions.record_id_a
                )
                or (
                    sightings.connection = decisions.connection_b
                    and sightings.feed = decisions.feed_b
                    and sightings.record_id = decisions.record_id_b
                )
        )
    )
