-- What products of which shop and day the sales had that were made again. Grain: product × shop × day. Empty in a build of
-- everything.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

with

sales as (

    select order_no from {{ ref('int_touched_orders') }}

),

orders as (

    select order_no, store_code, business_date
    from {{ ref('int_orders') }}
    where order_no in (select order_no from sales)

),

lines as (

    select order_no, sku
    from {{ ref('int_order_lines') }}
    where order_no in (select order_no from sales)

)

select distinct
    coalesce(lines.sku, 'unknown') as sku,
    coalesce(orders.store_code, 'unknown') as store_code,
    orders.business_date
from lines
inner join orders
    on lines.order_no = orders.order_no
{%- if not is_incremental() %}
where false
{%- endif %}
