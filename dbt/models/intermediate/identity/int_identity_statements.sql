-- What the newest version of every record says about whom it is. Grain: record × identifier × role.
-- A withdrawn statement leaves no trace here, so everything after is as if it had never been made.
{{ config(materialized="table") }}

with stated as (
    {{ identity_statements("staging") }}
),

allowed as (
    select *
    from stated
    where
        basis != 'remark_phone'
        or (select use_wecom_remark from {{ source("ops", "rule_identity") }})
),

current_statements as (
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
)

select
    current_statements.*,
    sightings.first_seen_on
from current_statements
left join {{ ref("stg_identity__sightings") }} as sightings
    using (connection, feed, record_id, namespace, identifier, role)
