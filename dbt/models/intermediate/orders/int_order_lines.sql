-- Grain: one row per line of an order of either channel, with the numbers to join by.
{{ config(materialized="view") }}

with

lines as (

    select * from {{ ref('int_pos_lines_settled') }}

    union all

    select * from {{ ref('int_groupbuy_lines_settled') }}

)

select
    order_key,
    order_no,
    record_no,
    business_date,
    line_no,
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
    discount_fen > 0 as is_discounted,
    cost_fen
from lines
