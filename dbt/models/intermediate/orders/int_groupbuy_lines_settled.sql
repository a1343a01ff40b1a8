-- Grain: one row per line of a group-buy order that is our revenue, with what was refunded of it.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key="record_no",
    meta={"affected": "int_touched_sales"},
) }}

with

orders as (

    select *
    from {{ ref('int_sales_netted') }}
    where
        is_listed
        and channel = 'groupbuy'
        and {{ touched_rows('record_no', ref('int_touched_sales')) }}

),

lines as (

    select *
    from {{ ref('stg_groupbuy__order_lines') }}
    where {{ touched_rows('sale_no', ref('int_touched_sales'), 'record_no') }}

),

refunded as (

    select
        connection,
        order_id,
        line_no,
        sum(amount_fen) as refund_fen
    from {{ ref('int_groupbuy_refunds_done') }}
    where line_no is not null
    group by connection, order_id, line_no

),

-- the group-buy system knows no product groups; the till's product list does
products as (

    select *
    from {{ ref('stg_pos__products') }}
    qualify row_number() over (partition by sku order by connection) = 1

)

select
    orders.record_key,
    orders.record_no,
    orders.order_key,
    orders.order_no,
    orders.business_date,
    lines.line_no,
    lines.sku,
    lines.item_name,
    coalesce(lines.category, products.category) as category,
    products.category_l1,
    lines.qty,
    lines.amount_fen,
    case
        when orders.status = 'closed' and orders.net_fen > 0 then lines.amount_fen
        else cast(greatest(coalesce(lines.refunded_fen, 0), coalesce(refunded.refund_fen, 0)) as bigint)
    end as refunded_fen,
    -- the group-buy system tells neither a price nor what was taken off
    cast(null as bigint) as price_fen,
    cast(0 as bigint) as discount_fen,
    false as is_gift,
    {{ fen_times('lines.qty', 'products.cost_fen') }} as cost_fen
from orders
inner join lines
    on orders.connection = lines.connection
    and orders.source_order_id = lines.order_id
left join refunded
    on lines.connection = refunded.connection
    and lines.order_id = refunded.order_id
    and lines.line_no = refunded.line_no
left join products
    on lines.sku = products.sku
