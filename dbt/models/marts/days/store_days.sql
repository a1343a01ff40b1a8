-- Grain: one row per shop and business date with a purchase, a refund or a top-up. Orders that name no shop stand
-- under 'unknown'.

with

sales as {{ read_in_place() }} (

    select
        *,
        coalesce(store_code, 'unknown') as shop
    from {{ ref('int_orders') }}

),

purchases as {{ read_in_place() }} (

    select * from sales where is_purchase

),

items as (

    select * from {{ ref('int_order_items') }}

),

firsts as (

    select * from {{ ref('int_member_first_purchases') }}

),

refunds as (

    select * from {{ ref('refunds') }}

),

coupons as (

    select order_key from {{ ref('coupons') }} where status = 'redeemed'

),

recalls as (

    select
        coalesce(store_code, 'unknown') as shop,
        business_date,
        count(distinct member_id) as recalled
    from {{ ref('int_recalls') }}
    group by 1, 2

),

sold as (

    select
        purchases.shop,
        purchases.business_date,
        count(*) as orders,
        sum(purchases.spend_fen) as net_fen,
        count(purchases.member_no) as identified_orders,
        sum(case when purchases.order_no = firsts.first_order_no then 1 else 0 end) as new_members,
        sum(case when purchases.channel = 'pos' then purchases.spend_fen else 0 end) as counter_fen,
        sum(case when purchases.channel = 'groupbuy' then 1 else 0 end) as groupbuy_orders,
        sum(case when purchases.channel = 'groupbuy' then purchases.spend_fen else 0 end) as groupbuy_fen,
        count(distinct purchases.member_no) as buyers,
        count(distinct case when firsts.first_on < purchases.business_date then purchases.member_no end)
            as returning_buyers,
        sum(coalesce(items.items, 0)) as items,
        sum(purchases.discount_fen) as discount_fen,
        sum(purchases.stored_value_fen) as stored_value_fen,
        sum(items.margin_fen) as margin_fen,
        sum(coalesce(purchases.points_earned, 0)) as points_earned
    from purchases
    left join firsts
        on purchases.member_no = firsts.member_no
    left join items
        on purchases.order_no = items.order_no
    group by purchases.shop, purchases.business_date

),

-- a refund of a test order is none, and its own day is what counts
given_back as (

    select
        sales.shop,
        refunds.business_date,
        sum(refunds.amount_fen) as refund_fen
    from refunds
    inner join sales
        on refunds.order_key = sales.order_key
    where not sales.is_test
    group by sales.shop, refunds.business_date

),

topped_up as (

    select
        shop,
        business_date,
        sum(net_fen) as recharge_fen
    from sales
    where kind = 'recharge' and status = 'sold'
    group by shop, business_date

),

used as (

    select
        purchases.shop,
        purchases.business_date,
        count(*) as coupons_redeemed
    from coupons
    inner join purchases
        on coupons.order_key = purchases.order_key
    group by purchases.shop, purchases.business_date

),

days as (

    select shop, business_date from sold

    union

    select shop, business_date from given_back

    union

    select shop, business_date from topped_up

),

final as (

    select
        days.shop as store_code,
        days.business_date,
        cast(coalesce(sold.orders, 0) as integer) as orders,
        cast(coalesce(sold.net_fen, 0) as bigint) as net_fen,
        cast(coalesce(sold.identified_orders, 0) as integer) as identified_orders,
        cast(sold.identified_orders as double) / sold.orders as recognition_rate,
        cast(coalesce(sold.new_members, 0) as integer) as new_members,
        cast(coalesce(sold.counter_fen, 0) as bigint) as counter_fen,
        cast(coalesce(sold.groupbuy_orders, 0) as integer) as groupbuy_orders,
        cast(coalesce(sold.groupbuy_fen, 0) as bigint) as groupbuy_fen,
        cast(sold.groupbuy_fen as double) / cast(sold.net_fen as double) as groupbuy_share,
        cast(coalesce(recalls.recalled, 0) as integer) as recalled,
        cast(coalesce(sold.buyers, 0) as integer) as buyers,
        cast(coalesce(sold.returning_buyers, 0) as integer) as returning_buyers,
        cast(coalesce(sold.items, 0) as decimal(18, 3)) as items,
        cast(coalesce(sold.discount_fen, 0) as bigint) as discount_fen,
        cast(coalesce(given_back.refund_fen, 0) as bigint) as refund_fen,
        cast(coalesce(topped_up.recharge_fen, 0) as bigint) as recharge_fen,
        cast(coalesce(sold.stored_value_fen, 0) as bigint) as stored_value_fen,
        cast(sold.margin_fen as bigint) as margin_fen,
        cast(coalesce(sold.points_earned, 0) as decimal(18, 3)) as points_earned,
        cast(coalesce(used.coupons_redeemed, 0) as integer) as coupons_redeemed
    from days
    left join sold
        on days.shop = sold.shop
        and days.business_date = sold.business_date
    left join given_back
        on days.shop = given_back.shop
        and days.business_date = given_back.business_date
    left join topped_up
        on days.shop = topped_up.shop
        and days.business_date = topped_up.business_date
    left join used
        on days.shop = used.shop
        and days.business_date = used.business_date
    left join recalls
        on days.shop = recalls.shop
        and days.business_date = recalls.business_date

)

select * from final
