-- Grain: one row per group-buy order, paid or not; is_listed says whether it is our revenue.
-- After the first build, tonight's part only.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

with

all_orders as {{ read_in_place() }} (

    select * from {{ ref('stg_groupbuy__orders') }}

),

orders as (

    select *
    from all_orders
    where {{ touched_rows('sale_no', ref('int_touched_sales'), 'record_no') }}

),

leaders as (

    select distinct leader_id from {{ ref('stg_groupbuy__leaders') }}

),

leader_stores as (

    select connection, leader_id, store_code from {{ ref('stg_groupbuy__leaders') }}

),

activities as (

    select connection, activity_id, store_code from {{ ref('stg_groupbuy__activities') }}

),

refunds as (

    select
        connection,
        order_id,
        sum(amount_fen) as refund_fen
    from {{ ref('int_groupbuy_refunds_done') }}
    group by connection, order_id

),

staff_phones as (

    select distinct phone_token
    from {{ ref('stg_pos__staff') }}
    where {{ is_linkable_phone('phone_kind') }}

),

placeholder_phones as (

    select distinct phone_token from {{ source('ops', 'placeholder_phones') }}

),

helper_twins as (

    select distinct order_id
    from all_orders
    where seller_role = 'helper'

),

-- help-sell: the helper's copy is never revenue; the supplier's is, unless the helper is one of ours
revenue as (

    select
        orders.*,
        coalesce(orders.seller_role, 'direct') = 'direct'
        or (
            orders.seller_role = 'supplier'
            and leaders.leader_id is null
            and helper_twins.order_id is null
        ) as is_listed
    from orders
    left join leaders
        on orders.leader_id = leaders.leader_id
    left join helper_twins
        on orders.order_id = helper_twins.order_id

),

-- what was paid: nothing when unpaid, nor when closed before any payment
paid as (

    select
        revenue.*,
        case
            when status = 'unpaid' then 0
            when status = 'closed' and paid_at is null then 0
            else order_amount_fen
        end as net_fen
    from revenue

),

final as (

    select
        paid.connection,
        paid.record_id,
        paid.record_key,
        paid.sale_no as record_no,
        paid.order_id as source_order_id,
        coalesce(paid.store_code, activities.store_code, leader_stores.store_code) as store_code,
        paid.leader_id,
        paid.invite_code,
        paid.coupon_code,
        paid.status,
        paid.created_at as ordered_at,
        paid.net_fen,
        -- the order's own figure and the refund list may each lag behind the other
        case
            when paid.net_fen = 0 then 0
            when paid.status = 'closed' then paid.net_fen
            else greatest(coalesce(refunds.refund_fen, 0), coalesce(paid.refund_amount_fen, 0))
        end as refund_fen,
        (
            coalesce(paid.receiver_name_is_test, false)
            or coalesce(paid.buyer_phone_kind = 'placeholder', false)
            or placeholder_phones.phone_token is not null
            or (staff_phones.phone_token is not null and {{ is_linkable_phone('paid.buyer_phone_kind') }})
            or (paid.order_amount_fen = 0 and paid.coupon_code is null)
        ) as is_test,
        paid.is_listed,
        coalesce(paid.seller_role, 'direct') as seller_role,
        paid.activity_id,
        paid.pickup_site,
        case
            when paid.sharer_openid is not null
                then coalesce(paid.appid, paid.connection) || ':' || paid.sharer_openid
        end as sharer,
        paid.paid_at,
        paid.updated_at,
        coalesce(paid.freight_fen, 0) as freight_fen,
        paid.points_earned,
        paid.points_spent,
        (
            staff_phones.phone_token is not null and {{ is_linkable_phone('paid.buyer_phone_kind') }}
        ) as is_staff
    from paid
    left join activities
        on paid.connection = activities.connection
        and paid.activity_id = activities.activity_id
    left join leader_stores
        on paid.connection = leader_stores.connection
        and paid.leader_id = leader_stores.leader_id
    left join refunds
        on paid.connection = refunds.connection
        and paid.order_id = refunds.order_id
    left join staff_phones
        on paid.buyer_phone_token = staff_phones.phone_token
    left join placeholder_phones
        on paid.buyer_phone_token = placeholder_phones.phone_token

)

select
    connection,
    record_id,
    record_key,
    record_no,
    source_order_id,
    store_code,
    leader_id,
    invite_code,
    coupon_code,
    status,
    ordered_at,
    cast(net_fen as bigint) as net_fen,
    cast(refund_fen as bigint) as refund_fen,
    is_test,
    is_listed,
    seller_role,
    activity_id,
    pickup_site,
    sharer,
    paid_at,
    updated_at,
    freight_fen,
    points_earned,
    points_spent,
    is_staff
from final
