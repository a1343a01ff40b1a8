-- Grain: one row per product, shop and business date with a purchase or a refund. Lines without a product code stand
-- under 'unknown'. A night makes the days anew that it touched, and of sales that changed hands their products' days.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key=["sku", "store_code", "business_date"],
    meta={"affected": "int_touched_product_days", "days": "int_touched_sale_days"},
    on_schema_change="fail",
) }}

{% set touched = ref('int_touched_product_days') %}
{% set keys = ['sku', 'store_code', 'business_date'] %}

with

purchases as (

    select
        order_no,
        member_no,
        coalesce(store_code, 'unknown') as store_code
    from {{ ref('int_orders') }}
    where is_purchase

),

lines as (

    select
        order_no,
        coalesce(sku, 'unknown') as sku,
        business_date,
        qty,
        amount_fen - refunded_fen as kept_fen,
        cost_fen,
        is_discounted
    from {{ ref('int_order_lines') }}
    where
        amount_fen - refunded_fen > 0
        and {{ touched_day_rows(["coalesce(sku, 'unknown')", 'business_date'], touched, ['sku', 'business_date']) }}

),

given_back as (

    select *
    from {{ ref('int_product_refunds') }}
    where {{ touched_day_rows(keys, touched, keys) }}

),

sold as (

    select
        lines.sku,
        purchases.store_code,
        lines.business_date,
        count(distinct lines.order_no) as orders,
        sum(lines.kept_fen) as net_fen,
        count(distinct purchases.member_no) as buyers,
        sum(lines.qty) as items,
        sum(case when lines.is_discounted then lines.kept_fen else 0 end) as discounted_fen,
        sum(case when lines.cost_fen is not null then lines.kept_fen - lines.cost_fen end) as margin_fen
    from lines
    inner join purchases
        on lines.order_no = purchases.order_no
    where {{ touched_day_rows(['lines.sku', 'purchases.store_code', 'lines.business_date'], touched, keys) }}
    group by lines.sku, purchases.store_code, lines.business_date

),

final as (

    select
        coalesce(sold.sku, given_back.sku) as sku,
        coalesce(sold.store_code, given_back.store_code) as store_code,
        coalesce(sold.business_date, given_back.business_date) as business_date,
        {{ day_figures('sold', 'given_back') }}
    from sold
    full outer join given_back
        on sold.sku = given_back.sku
        and sold.store_code = given_back.store_code
        and sold.business_date = given_back.business_date

)

select * from final
