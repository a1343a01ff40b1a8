-- Sightings of the records that members are made from anew tonight. Grain: record × identifier × role.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

-- depends_on: {{ ref("int_identity_affected_records") }}
select sightings.*
from {{ ref("stg_identity__sightings") }} as sightings
{% if is_incremental() %}
where exists (
    select 1
    from {{ ref("int_identity_affected_records") }} as records
    where
        sightings.connection = records.connection
        and sightings.feed = records.feed
        and sightings.record_id = records.record_id
)
{% endif %}
