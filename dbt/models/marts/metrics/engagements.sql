-- Grain: one row per thing a person did with us besides buying, as one source record says.
-- A view: both parts are kept, and none is copied.
{{ config(materialized='view') }}

with

of_records as (

    select * from {{ ref('int_record_engagements') }}

),

current_ones as (

    select * from {{ ref('int_current_engagements') }}

)

select
    engagement_key,
    business_date,
    "at",
    kind,
    member_id,
    channel,
    connection,
    store_code,
    ref,
    amount_fen,
    points,
    is_counted
from of_records

union all

select
    engagement_key,
    business_date,
    "at",
    kind,
    member_id,
    channel,
    connection,
    cast(null as varchar),
    ref,
    cast(null as bigint),
    cast(null as decimal(18, 3)),
    true
from current_ones
