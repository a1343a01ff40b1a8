-- Identifiers, as numbers, of every island that the night touched. Grain: identifier.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

-- depends_on: {{ ref("int_identity_ties") }}
select identifier_key
from {{ ref("int_identity_islands") }}
{% if is_incremental() %}
where island_key in (
    select islands.island_key
    from {{ ref("int_identity_ties") }} as ties
    inner join {{ ref("int_identity_islands") }} as islands on ties.tied_key = islands.identifier_key
)
{% endif %}
