-- Grain: one row per member who bought on the night's day something with which another thing goes: her newest such order,
-- and of all that goes with it what goes best and is not in it.

with

run_context as (

    select as_of_date from {{ source('ops', 'run_context') }}

),

purchases as (

    select orders.order_key, orders.member_id, orders.ordered_at
    from {{ ref('orders') }} as orders
    inner join run_context
        on orders.business_date = run_context.as_of_date
    where
        orders.is_purchase
        and not orders.is_staff
        and orders.member_id is not null

),

lines as (

    select order_key, item_name
    from {{ ref('order_lines') }}
    where
        order_key in (select order_key from purchases)
        and item_name is not null
        and amount_fen - refunded_fen > 0

),

pairs as (

    select * from {{ ref('item_pairs') }}

),

final as (

    select
        purchases.member_id,
        purchases.order_key,
        pairs.item_b as item_name
    from purchases
    inner join lines
        on purchases.order_key = lines.order_key
    inner join pairs
        on lines.item_name = pairs.item_a
    left join lines as held
        on purchases.order_key = held.order_key
        and pairs.item_b = held.item_name
    where held.order_key is null
    qualify row_number() over (
        partition by purchases.member_id
        order by
            purchases.ordered_at desc,
            purchases.order_key desc,
            pairs.lift desc,
            pairs.together desc,
            pairs.item_b,
            pairs.item_a
    ) = 1

)

select * from final
