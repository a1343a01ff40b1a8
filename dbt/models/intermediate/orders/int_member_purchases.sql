-- Grain: one row per purchase of a known member up to the night that is published.
{{ config(materialized="view") }}

with

orders as (

    select * from {{ ref('int_orders') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

)

select
    orders.order_key,
    orders.member_id,
    orders.store_code,
    orders.ordered_at,
    orders.business_date
from orders
cross join run_context
where
    orders.is_listed
    and orders.is_purchase
    and orders.member_id is not null
    and orders.business_date <= run_context.as_of_date
