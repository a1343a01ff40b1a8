-- Grain: one row per line of an order.
{{ config(materialized="view") }}

with

lines as (

    select * from {{ ref('int_order_lines') }}

)

select
    order_key,
    line_no,
    business_date,
    sku,
    item_name,
    category,
    category_l1,
    qty,
    amount_fen,
    refunded_fen,
    price_fen,
    discount_fen,
    is_gift,
    is_discounted,
    cost_fen
from lines
