-- What the touched records tie together, as numbers: a record and an identifier it names, or two records. Grain: tie.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

-- depends_on: {{ ref("int_identity_inputs") }} {{ source("ops", "digested_identity_inputs") }} {{ ref("int_identity_touched_records") }}
with touched as (
    select * from {{ ref("int_identity_touched_records") }}
),

bonds as (
    select bonds.*
    from {{ ref("int_identity_bonds") }} as bonds
    {% if is_incremental() %}
    where exists (
        select 1
        from touched
        where
            bonds.connection = touched.connection
            and bonds.feed = touched.feed
            and bonds.record_id = touched.record_id
    )
    {% endif %}
),

record_ties as (
    select ties.*
    from {{ ref("int_identity_record_ties") }} as ties
    {% if is_incremental() %}
    where exists (
        select 1
        from touched
        where
            ties.connection = touched.connection
            and ties.feed = touched.feed
            and ties.record_id = touched.record_id
    )
    {% endif %}
)

select distinct
    {{ identity_key("connection || '|' || feed || '|' || record_id") }} as record_key,
    identifier_key as tied_key,
    false as is_record
from bonds
union all
select distinct
    {{ identity_key("connection || '|' || feed || '|' || record_id") }},
    {{ identity_key("other_connection || '|' || other_feed || '|' || other_record_id") }},
    true
from record_ties
{% if is_incremental() %}
union all
-- a number that was found out binds nobody any more, but the members it made are to be looked at again
select
    {{ identity_key("tonight.input") }},
    {{ identity_key("tonight.input") }},
    false
from {{ ref("int_identity_inputs") }} as tonight
left join {{ source("ops", "digested_identity_inputs") }} as before
    on tonight.kind = before.kind and tonight.input = before.input
where tonight.kind = 'identifier' and tonight.fingerprint is distinct from before.fingerprint
{% endif %}
