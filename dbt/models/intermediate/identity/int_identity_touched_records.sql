-- Records that the night may have said something new about: they arrived, or something else that a member is made of
-- changed. Grain: record.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

with changes as (
    select * from {{ ref("int_identity_changes") }}
),

first_hand as (
    select connection, kind, feed, record_id
    from {{ ref("stg_identity__arrivals") }}
    union
    select connection, kind, feed, record_id
    from changes
    where record_id is not null
    union
    select connection, kind, feed, record_id
    from {{ ref("stg_identity__sightings") }}
    where identifier_key in (select identifier_key from changes where identifier_key is not null)
),

-- a complaint that names nobody depends on the order and on the ticket it may mean: whoever touches one of the three
-- has to bring all of them together
{{ tied_records("first_hand", "second_hand") }},

{{ tied_records("second_hand", "final") }}

select
    connection,
    kind,
    feed,
    record_id,
    {{ record_key("final") }} as record_key
from final
