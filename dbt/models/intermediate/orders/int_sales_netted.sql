-- Grain: one row per sale record of either channel, net of the refunds known tonight; whose it is, is not known here.
-- Not listed as orders are returns and voids that changed a sale, top-ups, and the copies of help-sell.
{{ config(materialized="incremental", incremental_strategy="delete+insert", unique_key="record_no") }}

with

pos_orders as (

    select
        'pos' as channel,
        'tickets' as feed,
        connection,
        record_id,
        record_key,
        record_no,
        source_order_id,
        store_code,
        cashier_id,
        cast(null as varchar) as leader_id,
        cast(null as varchar) as invite_code,
        cast(null as varchar) as coupon_code,
        status,
        ordered_at,
        net_fen,
        refund_fen,
        discount_fen,
        false as is_test,
        kind,
        is_listed,
        cast(null as varchar) as seller_role,
        cast(null as varchar) as activity_id,
        cast(null as varchar) as pickup_site,
        cast(null as varchar) as sharer,
        -- a ticket is paid when it is written
        ordered_at as paid_at,
        cast(0 as bigint) as freight_fen,
        stored_value_fen,
        points_earned,
        points_spent,
        is_staff
    from {{ ref('int_pos_tickets_settled') }}

),

groupbuy_orders as (

    select
        'groupbuy' as channel,
        'orders' as feed,
        connection,
        record_id,
        record_key,
        record_no,
        source_order_id,
        store_code,
        cast(null as varchar) as cashier_id,
        leader_id,
        invite_code,
        coupon_code,
        status,
        ordered_at,
        net_fen,
        refund_fen,
        -- the feed tells none, and lines and freight less the order are none either: where a source shares discounts out to
        -- the lines and counts the freight in, that would be the freight
        cast(0 as bigint) as discount_fen,
        is_test,
        'order' as kind,
        is_listed,
        seller_role,
        activity_id,
        pickup_site,
        sharer,
        paid_at,
        freight_fen,
        cast(0 as bigint) as stored_value_fen,
        points_earned,
        points_spent,
        is_staff
    from {{ ref('int_groupbuy_orders_settled') }}

),

orders as (

    select * from pos_orders

    union all

    select * from groupbuy_orders

),

stores as (

    select * from {{ source('ops', 'stores') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

judged as (

    select
        orders.*,
        orders.channel || '|' || orders.connection || '|' || orders.record_id as order_key,
        {{ business_date('orders.ordered_at', 'coalesce(stores.cutover_minutes, run_context.cutover_minutes)') }}
            as business_date,
        (orders.is_listed and orders.net_fen - orders.refund_fen > 0 and not orders.is_test) as is_purchase
    from orders
    cross join run_context
    left join stores
        on orders.store_code = stores.store_code

)

select
    order_key,
    {{ key_hash('order_key') }} as order_no,
    channel,
    connection,
    feed,
    record_id,
    record_key,
    record_no,
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
    case when is_purchase then net_fen - refund_fen else 0 end as spend_fen,
    kind,
    is_listed,
    seller_role,
    activity_id,
    pickup_site,
    sharer,
    paid_at,
    freight_fen,
    stored_value_fen,
    points_earned,
    points_spent,
    is_staff
from judged
