-- Grain: one row per business date and unordered pair of items (item_a_no <= item_b_no) of one purchase: in how many
-- purchases of that day both were. An item paired with itself is the purchases with that item, and names it; the pair
-- (0, 0) is all of them. A night counts the days it touched.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key="business_date",
    meta={"affected": "int_pair_touched_days"},
) }}

-- depends_on: {{ ref('int_pair_touched_days') }}

with

orders as (

    select order_no, business_date
    from {{ ref('int_orders') }}
    where is_listed and is_purchase

),

order_lines as (

    select order_no, item_name, amount_fen, refunded_fen, business_date
    from {{ ref('int_order_lines') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

rule as (

    select * from {{ source('ops', 'rule_pairs') }}

),

items as (

    select distinct
        orders.business_date,
        orders.order_no,
        {{ key_hash('order_lines.item_name') }} as item_no,
        order_lines.item_name
    from orders
    cross join run_context
    cross join rule
    inner join order_lines
        on orders.order_no = order_lines.order_no
    where
        orders.business_date <= run_context.as_of_date
        and orders.business_date > {{ add_days('run_context.as_of_date', '-rule.days') }}
        and {{ touched_rows('orders.business_date', ref('int_pair_touched_days')) }}
        and {{ touched_rows('order_lines.business_date', ref('int_pair_touched_days')) }}
        and order_lines.item_name is not null
        and order_lines.amount_fen - order_lines.refunded_fen > 0

),

final as (

    select
        a.business_date,
        a.item_no as item_a_no,
        b.item_no as item_b_no,
        count(*) as orders,
        min(case when a.item_no = b.item_no then a.item_name end) as item_name
    from items as a
    inner join items as b
        on a.order_no = b.order_no
        and a.item_no <= b.item_no
    group by a.business_date, a.item_no, b.item_no

    union all

    select
        business_date,
        cast(0 as bigint),
        cast(0 as bigint),
        count(distinct order_no),
        cast(null as varchar)
    from items
    group by business_date

)

select * from final
