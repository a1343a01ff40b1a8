-- What the touched records tie together, as numbers: a record and an identifier it names, or two records. Grain: tie.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

-- depends_on: {{ ref("int_identity_touched_records") }}
with bonds as (
    select * from {{ ref("int_identity_bonds") }}
    {% if is_incremental() %}
    where record_key in (select record_key from {{ ref("int_identity_touched_records") }})
    {% endif %}
),

-- few records are tied to others: all of them, every night
record_ties as (
    select * from {{ ref("int_identity_record_ties") }}
),

changes as (
    select * from {{ ref("int_identity_changes") }}
)

select
    record_key,
    identifier_key as tied_key,
    false as is_record
from bonds
union all
select
    {{ key_hash("connection || '|' || feed || '|' || record_id") }},
    {{ key_hash("other_connection || '|' || other_feed || '|' || other_record_id") }},
    true
from record_ties
union all
-- a number that was found out binds nobody any more, but the members it made are to be looked at again
select
    identifier_key,
    identifier_key,
    false
from changes
where identifier_key is not null
