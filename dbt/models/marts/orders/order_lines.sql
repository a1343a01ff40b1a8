-- Grain: one row per line of an order.

with

orders as (

    select order_key, record_key, business_date from {{ ref('int_purchases_netted') }}

),

lines as (

    select * from {{ ref('int_pos_lines_settled') }}

    union all

    select * from {{ ref('int_groupbuy_lines_settled') }}

)

select
    orders.order_key,
    lines.line_no,
    orders.business_date,
    lines.sku,
    lines.item_name,
    lines.category,
    lines.category_l1,
    lines.qty,
    lines.amount_fen,
    lines.refunded_fen,
    lines.price_fen,
    lines.discount_fen,
    lines.is_gift,
    lines.discount_fen > 0 as is_discounted,
    lines.cost_fen
from orders
inner join lines
    on orders.record_key = lines.record_key
