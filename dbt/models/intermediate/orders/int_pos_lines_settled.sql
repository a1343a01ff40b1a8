-- Grain: one row per line of a till order, with what was returned of it.
-- A return names products, not lines: it is taken from the lines of that product in their order.

with

tickets as (

    select * from {{ ref('int_pos_tickets_settled') }} where is_listed

),

lines as (

    select * from {{ ref('stg_pos__ticket_lines') }}

),

products as (

    select * from {{ ref('stg_pos__products') }}

),

returned as (

    select
        returns.origin_record_key,
        lines.sku,
        sum(lines.amount_fen) as returned_fen
    from {{ ref('int_pos_returns_linked') }} as returns
    inner join lines
        on returns.connection = lines.connection
        and returns.store_code = lines.store_code
        and returns.ticket_id = lines.ticket_id
    where returns.kind = 'return' and not returns.is_voided and returns.origin_kind = 'sale'
    group by returns.origin_record_key, lines.sku

),

sold as (

    select
        tickets.record_key,
        tickets.status,
        tickets.connection,
        lines.line_no,
        lines.sku,
        lines.item_name,
        lines.category,
        lines.category_l1,
        lines.qty,
        lines.amount_fen,
        lines.price_fen,
        lines.discount_fen,
        coalesce(lines.is_gift, false) as is_gift,
        coalesce(
            sum(lines.amount_fen) over (
                partition by tickets.record_key, lines.sku
                order by lines.line_no
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as earlier_fen
    from tickets
    inner join lines
        on tickets.connection = lines.connection
        and tickets.store_code = lines.store_code
        and tickets.source_order_id = lines.ticket_id

)

select
    sold.record_key,
    sold.line_no,
    sold.sku,
    coalesce(sold.item_name, products.item_name) as item_name,
    coalesce(sold.category, products.category) as category,
    coalesce(sold.category_l1, products.category_l1) as category_l1,
    case when sold.status = 'unlinked_return' then cast(0 as decimal(18, 3)) else sold.qty end as qty,
    case when sold.status = 'unlinked_return' then 0 else sold.amount_fen end as amount_fen,
    case
        when sold.status in ('voided', 'unlinked_return') then sold.amount_fen
        else cast(
            greatest(0, least(sold.amount_fen, coalesce(returned.returned_fen, 0) - sold.earlier_fen)) as bigint
        )
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
left join returned
    on sold.record_key = returned.origin_record_key
    and sold.sku = returned.sku
left join products
    on sold.connection = products.connection
    and sold.sku = products.sku
