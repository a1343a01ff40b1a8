-- Grain: one row per member and place of a usual item.
{{ config(materialized="view") }}

with

items as (

    select * from {{ ref('int_usual_items') }}

)

select
    member_id,
    place,
    item_name,
    sku,
    times,
    last_bought_on,
    gap_days,
    next_due_on
from items
