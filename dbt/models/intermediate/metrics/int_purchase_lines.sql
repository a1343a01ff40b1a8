-- Grain: one row per line of a purchase with something left of it: of the days that rules look back, and of a high-margin
-- category ever. Purchases of strangers are here too: they tell what was on offer.

with

orders as (

    select
        order_key, order_no, member_no, channel, store_code, ordered_at, business_date
    from {{ ref('int_orders') }}
    where is_listed and is_purchase

),

lines as (

    select * from {{ ref('order_lines') }} where amount_fen - refunded_fen > 0

),

categories as (

    select category from {{ source('ops', 'high_margin_categories') }}

),

rule as (

    select greatest(365, usual_days, price_days) as most_days from {{ source('ops', 'rule_metrics') }}

),

run_context as (

    select as_of_date from {{ source('ops', 'run_context') }}

),

final as (

    select
        orders.order_no,
        lines.line_no,
        orders.member_no,
        orders.channel,
        orders.store_code,
        orders.ordered_at,
        orders.business_date,
        {{ days_between('orders.business_date', 'run_context.as_of_date') }} as days_ago,
        lines.sku,
        lines.item_name,
        coalesce(lines.category, '') as category,
        coalesce(lines.category_l1, '') as category_l1,
        lines.qty,
        lines.amount_fen,
        cast(lines.amount_fen - lines.refunded_fen as bigint) as kept_fen,
        lines.is_discounted,
        lines.is_gift,
        coalesce(
            lines.category in (select category from categories)
            or lines.category_l1 in (select category from categories),
            false
        ) as is_high_margin
    from lines
    cross join run_context
    inner join orders
        on lines.order_key = orders.order_key
    where orders.business_date <= run_context.as_of_date

)

select final.*
from final
cross join rule
where final.days_ago < rule.most_days or final.is_high_margin
