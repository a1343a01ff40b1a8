-- Every record of the islands that the night touched: what members are made from anew. Grain: record.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

{% if is_incremental() %}
with of_islands as (
    select connection, kind, feed, record_id
    from {{ ref("int_identity_bonds") }}
    where identifier_key in (select identifier_key from {{ ref("int_identity_affected_keys") }})
    union
    select connection, kind, feed, record_id
    from {{ ref("int_identity_touched_records") }}
),

-- a return that names nobody goes with its sale
{{ tied_records("of_islands", "records") }}

{% else %}
-- depends_on: {{ ref("int_identity_affected_keys") }} {{ ref("int_identity_bonds") }} {{ ref("int_identity_touched_records") }} {{ ref("int_identity_record_ties") }}
with records as (
    {{ identity_records() }}
)

{% endif %}
select
    connection,
    kind,
    feed,
    record_id,
    {{ record_key("records") }} as record_key
from records
