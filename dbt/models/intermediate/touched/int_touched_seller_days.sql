-- Who sold in which shop on which day the sales that were made again: leaders and cashiers. Grain: seller × shop × day.
-- Empty in a build of everything.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

with

sales as (

    select leader_id, cashier_id, store_code, business_date from {{ ref('int_touched_orders') }}

),

sellers as (

    select leader_id as seller_id, store_code, business_date from sales where leader_id is not null

    union

    select cashier_id, store_code, business_date from sales where cashier_id is not null

)

select distinct
    seller_id,
    coalesce(store_code, 'unknown') as store_code,
    business_date
from sellers
{%- if not is_incremental() %}
where false
{%- endif %}
