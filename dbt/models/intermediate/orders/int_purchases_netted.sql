-- Grain: one row per order of either channel, net of the refunds known tonight; whose it is, is not known here.
{{ config(materialized="view") }}

select
    order_key,
    channel,
    connection,
    feed,
    record_id,
    record_key,
    source_order_id,
    store_code,
    cashier_id,
    leader_id,
    invite_code,
    coupon_code,
    status,
    ordered_at,
    business_date,
    net_fen,
    refund_fen,
    discount_fen,
    is_test,
    is_purchase,
    spend_fen
from {{ ref('int_sales_netted') }}
where is_listed
