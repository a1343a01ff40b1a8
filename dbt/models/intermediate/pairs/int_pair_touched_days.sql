-- Days of which purchases are counted again tonight: touched ones, and those that have come since the last green build
-- (an order may have been dated ahead). Empty in a build of everything. Grain: day.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

with

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

come as (

    select distinct orders.business_date
    from {{ ref('int_orders') }} as orders
    cross join run_context
    where
        orders.business_date > run_context.previous_as_of
        and orders.business_date <= run_context.as_of_date

),

final as (

    select business_date from {{ ref('int_touched_sale_days') }}

    union

    select business_date from come

)

select * from final
{%- if not is_incremental() %}
where false
{%- endif %}
