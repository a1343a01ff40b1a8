-- What products of which shop and day the sales had that were made again. Grain: product × shop × day. Empty in a build of
-- everything.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

with

sales as (

    select order_no, store_code, business_date from {{ ref('int_touched_orders') }}

),

lines as (

    select order_no, sku from {{ ref('int_order_lines') }}

)

select distinct
    coalesce(lines.sku, 'unknown') as sku,
    coalesce(sales.store_code, 'unknown') as store_code,
    sales.business_date
from lines
inner join sales
    on lines.order_no = sales.order_no
{%- if not is_incremental() %}
where false
{%- endif %}
