-- Grain: one row per line of a till order, with what was returned of it.
-- A return names products, not lines: it is taken from the lines of that product in their order.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key="record_no",
    meta={"affected": "int_touched_sales"},
) }}

with

sales as (

    select *
    from {{ ref('int_sales_netted') }}
    where
        is_listed
        and channel = 'pos'
        and {{ touched_rows('record_no', ref('int_touched_sales')) }}

),

lines as {{ read_in_place() }} (

    select * from {{ ref('stg_pos__ticket_lines') }}

),

products as (

    select * from {{ ref('stg_pos__products') }}

),

returns as (

    select *
    from {{ ref('int_pos_returns_linked') }}
    where
        kind = 'return'
        and not is_voided
        and origin_kind = 'sale'
        and origin_record_key in (select record_key from sales)

),

returned as (

    select
        returns.origin_record_key,
        lines.sku,
        sum(lines.amount_fen) as returned_fen
    from returns
    inner join lines
        on returns.connection = lines.connection
        and returns.store_code = lines.store_code
        and returns.ticket_id = lines.ticket_id
    where {{ touched_rows('lines.sale_no', 'returns', 'record_no') }}
    group by returns.origin_record_key, lines.sku

),

sold as (

    select
        sales.record_key,
        sales.record_no,
        sales.order_key,
        sales.order_no,
        sales.business_date,
        sales.status,
        sales.connection,
        lines.line_no,
        lines.sku,
        lines.item_name,
        lines.category,
        lines.category_l1,
        lines.qty,
        lines.amount_fen,
        lines.price_fen,
        lines.discount_fen,
        coalesce(lines.is_gift, false) as is_gift
    from sales
    inner join lines
        on sales.connection = lines.connection
        and sales.store_code = lines.store_code
        and sales.source_order_id = lines.ticket_id
    where {{ touched_rows('lines.sale_no', ref('int_touched_sales'), 'record_no') }}

),

-- of a product that came back: what of it the lines before this one already gave
given_back as (

    select
        sold.record_key,
        sold.line_no,
        returned.returned_fen
        - coalesce(
            sum(sold.amount_fen) over (
                partition by sold.record_key, sold.sku
                order by sold.line_no
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as left_fen
    from sold
    inner join returned
        on sold.record_key = returned.origin_record_key
        and sold.sku = returned.sku

)

select
    sold.record_key,
    sold.record_no,
    sold.order_key,
    sold.order_no,
    sold.business_date,
    sold.line_no,
    sold.sku,
    coalesce(sold.item_name, products.item_name) as item_name,
    coalesce(sold.category, products.category) as category,
    coalesce(sold.category_l1, products.category_l1) as category_l1,
    case when sold.status = 'unlinked_return' then cast(0 as decimal(18, 3)) else sold.qty end as qty,
    case when sold.status = 'unlinked_return' then 0 else sold.amount_fen end as amount_fen,
    case
        when sold.status in ('voided', 'unlinked_return') then sold.amount_fen
        else cast(greatest(0, least(sold.amount_fen, coalesce(given_back.left_fen, 0))) as bigint)
    end as refunded_fen,
    sold.price_fen,
    -- a till that tells no discount of a line shows it by the price; a fen is rounding
    cast(case
        when sold.status = 'unlinked_return' then 0
        when sold.discount_fen is not null then abs(sold.discount_fen)
        when {{ fen_times('sold.qty', 'sold.price_fen') }} - sold.amount_fen > 1
            then {{ fen_times('sold.qty', 'sold.price_fen') }} - sold.amount_fen
        else 0
    end as bigint) as discount_fen,
    sold.is_gift,
    case
        when sold.status = 'unlinked_return' then 0
        else {{ fen_times('sold.qty', 'products.cost_fen') }}
    end as cost_fen
from sold
left join given_back
    on sold.record_key = given_back.record_key
    and sold.line_no = given_back.line_no
left join products
    on sold.connection = products.connection
    and sold.sku = products.sku
