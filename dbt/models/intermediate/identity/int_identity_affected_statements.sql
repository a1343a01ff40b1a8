-- Statements of the records that members are made from anew tonight. Grain: record × identifier × role.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

-- depends_on: {{ ref("int_identity_affected_records") }}
select statements.*
from {{ ref("int_identity_statements") }} as statements
{% if is_incremental() %}
-- two records that share a number lie on one island: it knows them by that number
where record_key in (select record_key from {{ ref("int_identity_affected_records") }})
{% endif %}
