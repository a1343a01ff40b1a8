-- Identifiers of the islands that the night touched: links of theirs are written anew. Grain: identifier.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

select distinct
    namespace,
    identifier
from {{ ref("int_identity_affected_sightings") }}
where
    identifier_key in (select identifier_key from {{ ref("int_identity_affected_keys") }})
    {% if not is_incremental() %}
    -- the first build has nothing to write anew
    and false
    {% endif %}
