-- Grain: one row per product, shop and business date of a refund of orders that count: what was given back of a product
-- on that day. A return tells its products, a refund may tell its line; what a void, closing or refund of a whole order
-- gives back is what the lines say beyond those.

with

orders as (

    select order_key from {{ ref('int_orders') }} where is_listed and not is_test and refund_fen <> 0

),

refunds as (

    select refunds.*
    from {{ ref('refunds') }} as refunds
    inner join orders
        on refunds.order_key = orders.order_key

),

lines as (

    select
        order_key,
        line_no,
        coalesce(sku, 'unknown') as sku,
        refunded_fen
    from {{ ref('order_lines') }}
    where refunded_fen <> 0 and order_key in (select order_key from orders)

),

return_lines as (

    select
        'return|' || returns.connection || '|' || returns.record_id as refund_key,
        coalesce(lines.sku, 'unknown') as sku,
        lines.amount_fen
    from {{ ref('int_pos_returns_linked') }} as returns
    inner join {{ ref('stg_pos__ticket_lines') }} as lines
        on returns.connection = lines.connection
        and returns.store_code = lines.store_code
        and returns.ticket_id = lines.ticket_id
    where returns.kind = 'return'

),

named as (

    select
        refunds.order_key,
        refunds.store_code,
        refunds.business_date,
        return_lines.sku,
        return_lines.amount_fen
    from refunds
    inner join return_lines
        on refunds.refund_key = return_lines.refund_key

    union all

    select
        refunds.order_key,
        refunds.store_code,
        refunds.business_date,
        lines.sku,
        refunds.amount_fen
    from refunds
    inner join lines
        on refunds.order_key = lines.order_key
        and refunds.line_no = lines.line_no

),

named_before as (

    select order_key, sku, sum(amount_fen) as amount_fen
    from named
    group by order_key, sku

),

refunded as (

    select order_key, sku, sum(refunded_fen) as amount_fen
    from lines
    group by order_key, sku

),

-- of several refunds that name no product the last one took the rest
unnamed as (

    select order_key, store_code, business_date
    from refunds
    where kind <> 'return' and line_no is null
    qualify row_number() over (partition by order_key order by refunded_at desc, refund_key desc) = 1

),

given_back as (

    select store_code, business_date, sku, amount_fen from named

    union all

    select
        unnamed.store_code,
        unnamed.business_date,
        refunded.sku,
        refunded.amount_fen - coalesce(named_before.amount_fen, 0)
    from refunded
    inner join unnamed
        on refunded.order_key = unnamed.order_key
    left join named_before
        on refunded.order_key = named_before.order_key
        and refunded.sku = named_before.sku
    where refunded.amount_fen > coalesce(named_before.amount_fen, 0)

),

final as (

    select
        sku,
        coalesce(store_code, 'unknown') as store_code,
        business_date,
        cast(sum(amount_fen) as bigint) as refund_fen
    from given_back
    group by 1, 2, 3

)

select * from final
