-- Grain: one row per member and place of a usual item.
{{ config(materialized="view") }}

with

items as (

    select * from {{ ref('int_usual_items') }}

),

rule as (

    select rule_hash from {{ source('ops', 'rule_metrics') }}

)

select
    items.member_id,
    items.place,
    items.item_name,
    items.sku,
    items.times,
    items.last_bought_on,
    items.gap_days,
    items.next_due_on,
    rule.rule_hash
from items
cross join rule
