-- Grain: one row per line with something left of it, of a purchase of a member whose figures are made tonight: of the days
-- that rules look back, and of a high-margin category ever.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

with

orders as (

    select
        record_no, order_no, member_no, ordered_at
    from {{ ref('int_orders') }}
    where
        is_listed
        and is_purchase
        and member_no is not null
        and business_date <= (select as_of_date from {{ source('ops', 'run_context') }})
        and {{ touched_rows('member_no', ref('int_stale_members')) }}

),

lines as (

    select * from {{ ref('int_order_lines') }} where amount_fen - refunded_fen > 0

),

categories as (

    select category from {{ source('ops', 'high_margin_categories') }}

),

rule as (

    select greatest(365, usual_days) as most_days from {{ source('ops', 'rule_metrics') }}

),

run_context as (

    select as_of_date from {{ source('ops', 'run_context') }}

),

final as (

    select
        orders.order_no,
        lines.line_no,
        orders.member_no,
        orders.ordered_at,
        lines.business_date,
        {{ days_between('lines.business_date', 'run_context.as_of_date') }} as days_ago,
        lines.sku,
        lines.item_name,
        coalesce(lines.category, '') as category,
        coalesce(lines.category_l1, '') as category_l1,
        lines.qty,
        cast(lines.amount_fen - lines.refunded_fen as bigint) as kept_fen,
        coalesce(
            lines.category in (select category from categories)
            or lines.category_l1 in (select category from categories),
            false
        ) as is_high_margin
    from lines
    cross join run_context
    inner join orders
        on lines.record_no = orders.record_no

)

select final.*
from final
cross join rule
where final.days_ago < rule.most_days or final.is_high_margin
