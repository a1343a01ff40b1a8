-- Grain: one row per order of either channel.
{{ config(materialized="view") }}

with

sales as (

    select * from {{ ref('int_orders') }}

)

select
    order_key,
    channel,
    connection,
    source_order_id,
    store_code,
    member_id,
    ordered_at,
    business_date,
    net_fen,
    refund_fen,
    discount_fen,
    is_test,
    leader_id,
    invite_code,
    status,
    is_purchase,
    spend_fen,
    cashier_id,
    coupon_code,
    is_staff,
    pickup_site,
    hour_of_day,
    paid_at
from sales
where is_listed
