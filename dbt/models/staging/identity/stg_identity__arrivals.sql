-- Records of which tonight's batches bring a version, whichever is the newest. Grain: record.
{{ config(incremental_strategy="replaced", unique_key=none) }}

with arrived as (
    select distinct connection, kind, feed, record_id
    from (
        {{ identity_records("raw") }}
    ) as brought
    {% if is_incremental() %}
    where record_id is not null
    {% else %}
    -- the first build looks at everything and asks nobody what is new
    where false
    {% endif %}
)

select
    connection,
    kind,
    feed,
    record_id,
    {{ record_key("arrived") }} as record_key
from arrived
