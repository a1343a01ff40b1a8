-- Grain: one row per refund of an order that counts: a return or void at the till, a refund, closing, or what the
-- order's own figure says beyond the list.
{{ config(materialized="view") }}

with

refunds as (

    select * from {{ ref('int_refunds') }} where amount_fen <> 0

),

orders as (

    select record_no, member_id from {{ ref('int_orders') }}

)

select
    refunds.refund_key,
    refunds.order_key,
    refunds.line_no,
    refunds.business_date,
    refunds.refunded_at,
    refunds.channel,
    refunds.store_code,
    orders.member_id,
    refunds.kind,
    refunds.amount_fen
from refunds
inner join orders
    on refunds.record_no = orders.record_no
