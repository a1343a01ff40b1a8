-- Grain: one row per product, shop and business date with a purchase or a refund. Lines without a product code stand
-- under 'unknown'. A night makes the days anew that it touched.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key="business_date",
    meta={"affected": "int_touched_days"},
    on_schema_change="fail",
) }}

with

purchases as (

    select
        order_key,
        order_no,
        member_no,
        coalesce(store_code, 'unknown') as shop,
        business_date
    from {{ ref('int_orders') }}
    where
        is_purchase
        and {{ touched_rows('business_date', ref('int_touched_days')) }}

),

lines as (

    select
        order_key,
        coalesce(sku, 'unknown') as sku,
        qty,
        amount_fen - refunded_fen as kept_fen,
        cost_fen,
        is_discounted
    from {{ ref('order_lines') }}
    where
        amount_fen - refunded_fen > 0
        and {{ touched_rows('business_date', ref('int_touched_days')) }}

),

given_back as (

    select *
    from {{ ref('int_product_refunds') }}
    where {{ touched_rows('business_date', ref('int_touched_days')) }}

),

sold as (

    select
        lines.sku,
        purchases.shop,
        purchases.business_date,
        count(distinct purchases.order_no) as orders,
        sum(lines.kept_fen) as net_fen,
        count(distinct purchases.member_no) as buyers,
        sum(lines.qty) as items,
        sum(case when lines.is_discounted then lines.kept_fen else 0 end) as discounted_fen,
        sum(case when lines.cost_fen is not null then lines.kept_fen - lines.cost_fen end) as margin_fen
    from purchases
    inner join lines
        on purchases.order_key = lines.order_key
    group by lines.sku, purchases.shop, purchases.business_date

),

final as (

    select
        coalesce(sold.sku, given_back.sku) as sku,
        coalesce(sold.shop, given_back.store_code) as store_code,
        coalesce(sold.business_date, given_back.business_date) as business_date,
        {{ day_figures('sold', 'given_back') }}
    from sold
    full outer join given_back
        on sold.sku = given_back.sku
        and sold.shop = given_back.store_code
        and sold.business_date = given_back.business_date

)

select * from final
