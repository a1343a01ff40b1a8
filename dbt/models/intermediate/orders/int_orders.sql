-- Grain: one row per sale record of either channel, with the member it belongs to tonight and the numbers to join by.

with

sales as (

    select * from {{ ref('int_sales_netted') }}

),

record_members as (

    select * from {{ ref('record_members') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

)

select
    sales.order_key,
    {{ key_hash('sales.order_key') }} as order_no,
    sales.channel,
    sales.connection,
    sales.feed,
    sales.record_id,
    {{ key_hash('sales.record_key') }} as record_no,
    sales.record_key,
    sales.kind,
    sales.is_listed,
    sales.source_order_id,
    sales.store_code,
    sales.cashier_id,
    sales.leader_id,
    sales.activity_id,
    sales.pickup_site,
    sales.invite_code,
    sales.sharer,
    sales.coupon_code,
    sales.seller_role,
    sales.status,
    sales.ordered_at,
    sales.paid_at,
    sales.business_date,
    {{ hour_of('sales.ordered_at') }} as hour_of_day,
    {{ iso_weekday('sales.business_date') }} as weekday,
    sales.net_fen,
    sales.refund_fen,
    sales.discount_fen,
    sales.freight_fen,
    sales.stored_value_fen,
    sales.points_earned,
    sales.points_spent,
    sales.is_test,
    sales.is_staff,
    sales.is_purchase,
    sales.spend_fen,
    record_members.member_id,
    {{ key_hash('record_members.member_id') }} as member_no,
    cast(null as varchar) as was_member_id,
    cast(null as date) as was_business_date,
    run_context.run_seq as touched_run
from sales
cross join run_context
left join record_members
    on sales.connection = record_members.connection
    and sales.feed = record_members.feed
    and sales.record_id = record_members.record_id
