-- What holds records together: sightings, but for numbers that bind nobody because they were known to be nobody's own
-- before. What somebody decided upon binds in any case. Grain: record × identifier × role.
{{ config(materialized="view") }}

with decided as (
    {{ decided_records(source("ops", "identity_decisions")) }}
)

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
        or sightings.record_key in (select {{ record_key("decided") }} from decided)
    )
