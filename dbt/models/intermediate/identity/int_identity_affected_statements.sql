-- Statements of the records that members are made from anew tonight. Grain: record × identifier × role.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

-- depends_on: {{ ref("int_identity_affected_records") }}
select statements.*
from {{ ref("int_identity_statements") }} as statements
{% if is_incremental() %}
where exists (
    select 1
    from {{ ref("int_identity_affected_records") }} as records
    where
        statements.connection = records.connection
        and statements.feed = records.feed
        and statements.record_id = records.record_id
)
{% endif %}
