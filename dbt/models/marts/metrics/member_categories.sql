-- Grain: one row per member and category bought in 365 days; category '' is the whole top category.
{{ config(materialized="view") }}

with

categories as (

    select * from {{ ref('int_member_categories') }}

)

select
    member_id,
    category_l1,
    category,
    orders_7d,
    orders_30d,
    orders_90d,
    orders_365d,
    spend_7d_fen,
    spend_30d_fen,
    spend_90d_fen,
    spend_365d_fen,
    share_90d,
    last_bought_on
from categories
