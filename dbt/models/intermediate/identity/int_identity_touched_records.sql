-- Records that the night may have said something new about: they arrived, or something else that a member is made of
-- changed. Grain: record.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

{% if is_incremental() %}
with changed as (
    select
        coalesce(tonight.kind, before.kind) as kind,
        coalesce(tonight.input, before.input) as input
    from {{ ref("int_identity_inputs") }} as tonight
    full outer join {{ source("ops", "digested_identity_inputs") }} as before
        on tonight.kind = before.kind and tonight.input = before.input
    where tonight.fingerprint is distinct from before.fingerprint
),

records as (
    select
        split_part(input, '|', 1) as connection,
        split_part(input, '|', 2) as kind,
        split_part(input, '|', 3) as feed,
        -- the key of a record may have bars of its own
        substr(
            input,
            length(split_part(input, '|', 1) || split_part(input, '|', 2) || split_part(input, '|', 3)) + 4
        ) as record_id
    from changed
    where kind = 'record'
),

first_hand as (
    select connection, kind, feed, record_id from {{ ref("int_identity_arrivals") }}
    union
    select connection, kind, feed, record_id from records
    union
    select connection, kind, feed, record_id
    from {{ ref("stg_identity__sightings") }}
    where identifier_key in (select {{ identity_key("input") }} from changed where kind = 'identifier')
),

-- a complaint that names nobody depends on the order and on the ticket it may mean: whoever touches one of the three
-- has to bring all of them together
{{ tied_records("first_hand", "second_hand") }},

{{ tied_records("second_hand", "final") }}

select * from final
{% else %}
-- the first build looks at everything and asks nobody what is new
-- depends_on: {{ ref("int_identity_inputs") }} {{ source("ops", "digested_identity_inputs") }} {{ ref("int_identity_record_ties") }} {{ ref("stg_identity__sightings") }}
select connection, kind, feed, record_id
from {{ ref("int_identity_arrivals") }}
where false
{% endif %}
