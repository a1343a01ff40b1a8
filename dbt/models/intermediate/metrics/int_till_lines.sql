-- Grain: one row per line with something left of it, no gift, of a purchase at the till within the days of price sensitivity;
-- of strangers too: they tell what was on offer.
{{ config(materialized="view") }}

with

rule as (

    select price_days from {{ source('ops', 'rule_metrics') }}

),

run_context as (

    select as_of_date from {{ source('ops', 'run_context') }}

),

orders as (

    select
        orders.record_no, orders.member_no, orders.store_code
    from {{ ref('int_orders') }} as orders
    cross join rule
    cross join run_context
    where
        orders.is_listed
        and orders.is_purchase
        and orders.channel = 'pos'
        and orders.business_date > {{ add_days('run_context.as_of_date', '-rule.price_days') }}
        and orders.business_date <= run_context.as_of_date

),

lines as (

    select * from {{ ref('int_order_lines') }} where amount_fen - refunded_fen > 0 and not is_gift

)

select
    orders.member_no,
    orders.store_code,
    lines.business_date,
    coalesce(lines.category, '') as category,
    lines.amount_fen,
    lines.is_discounted
from lines
inner join orders
    on lines.record_no = orders.record_no
