-- Grain: one row per purchase of a known member up to the night that is published.

with

orders as (

    select * from {{ ref('orders') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

categories as (

    select category from {{ source('ops', 'high_margin_categories') }}

),

high_margin as (

    select distinct order_key
    from {{ ref('order_lines') }}
    where
        amount_fen - refunded_fen > 0
        and (
            category in (select category from categories)
            or category_l1 in (select category from categories)
        )

)

select
    orders.order_key,
    orders.member_id,
    orders.channel,
    orders.store_code,
    orders.ordered_at,
    orders.business_date,
    orders.spend_fen,
    {{ days_between('orders.business_date', 'run_context.as_of_date') }} as days_ago,
    high_margin.order_key is not null as is_high_margin
from orders
cross join run_context
left join high_margin
    on orders.order_key = high_margin.order_key
where
    orders.is_purchase
    and orders.member_id is not null
    and orders.business_date <= run_context.as_of_date
