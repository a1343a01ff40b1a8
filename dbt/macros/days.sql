{# What one kind of seller sold and got back, per seller, shop and business date: `seller` is a column of int_orders. Of a
   return whose sale is unknown nobody knows who sold it. A night makes the days anew that it touched, and of sales that
   changed hands those of their sellers. #}

{% macro seller_days(seller) %}
{% set touched = ref('int_touched_seller_days') %}
{% set theirs = ['seller_id', 'store_code', 'business_date'] %}
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key=[seller, "store_code", "business_date"],
    meta={
        "affected": "int_touched_seller_days",
        "affected_columns": ["seller_id", "store_code", "business_date"],
        "days": "int_touched_sale_days",
    },
    on_schema_change="fail",
) }}

with

sales as (

    select
        *,
        coalesce(store_code, 'unknown') as shop
    from {{ ref('int_orders') }}
    where is_listed and not is_test and status is distinct from 'unlinked_return' and {{ seller }} is not null

),

items as (

    select * from {{ ref('int_order_items') }}

),

refunds as (

    select * from {{ ref('refunds') }}

),

sold as (

    select
        sales.{{ seller }},
        sales.shop,
        sales.business_date,
        count(*) as orders,
        sum(sales.spend_fen) as net_fen,
        count(distinct sales.member_no) as buyers,
        sum(coalesce(items.items, 0)) as items,
        sum(coalesce(items.discounted_fen, 0)) as discounted_fen,
        sum(items.margin_fen) as margin_fen
    from sales
    left join items
        on sales.order_no = items.order_no
    where
        sales.is_purchase
        and {{ touched_day_rows(['sales.' ~ seller, 'sales.shop', 'sales.business_date'], touched, theirs) }}
    group by sales.{{ seller }}, sales.shop, sales.business_date

),

given_back as (

    select
        sales.{{ seller }},
        sales.shop,
        refunds.business_date,
        sum(refunds.amount_fen) as refund_fen
    from refunds
    inner join sales
        on refunds.order_key = sales.order_key
    where {{ touched_day_rows(['sales.' ~ seller, 'sales.shop', 'refunds.business_date'], touched, theirs) }}
    group by sales.{{ seller }}, sales.shop, refunds.business_date

),

final as (

    select
        coalesce(sold.{{ seller }}, given_back.{{ seller }}) as {{ seller }},
        coalesce(sold.shop, given_back.shop) as store_code,
        coalesce(sold.business_date, given_back.business_date) as business_date,
        {{ day_figures('sold', 'given_back') }}
    from sold
    full outer join given_back
        on sold.{{ seller }} = given_back.{{ seller }}
        and sold.shop = given_back.shop
        and sold.business_date = given_back.business_date

)

select * from final
{% endmacro %}


{# The figures of a day in the types of their contract; a day with refunds only sold nothing. #}
{% macro day_figures(sold, given_back) -%}
        cast(coalesce({{ sold }}.orders, 0) as integer) as orders,
        cast(coalesce({{ sold }}.net_fen, 0) as bigint) as net_fen,
        cast(coalesce({{ sold }}.buyers, 0) as integer) as buyers,
        cast(coalesce({{ sold }}.items, 0) as decimal(18, 3)) as items,
        cast(coalesce({{ given_back }}.refund_fen, 0) as bigint) as refund_fen,
        cast(coalesce({{ sold }}.discounted_fen, 0) as bigint) as discounted_fen,
        cast({{ sold }}.margin_fen as bigint) as margin_fen
{%- endmacro %}
