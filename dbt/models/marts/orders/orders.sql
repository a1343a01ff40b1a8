-- Grain: one row per order of either channel.

with

purchases as (

    select * from {{ ref('int_purchases_netted') }}

),

record_members as (

    select * from {{ ref('record_members') }}

)

select
    purchases.order_key,
    purchases.channel,
    purchases.connection,
    purchases.source_order_id,
    purchases.store_code,
    record_members.member_id,
    purchases.ordered_at,
    purchases.business_date,
    purchases.net_fen,
    purchases.refund_fen,
    purchases.discount_fen,
    purchases.is_test,
    purchases.leader_id,
    purchases.invite_code,
    purchases.status,
    purchases.is_purchase,
    purchases.spend_fen,
    purchases.cashier_id,
    purchases.coupon_code
from purchases
left join record_members
    on {{ same_record('purchases', 'record_members') }}
