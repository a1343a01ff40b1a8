-- Grain: one row per shop and business date with a purchase. Group-buy orders without a shop stand under 'unknown'.

with

purchases as (

    select
        coalesce(store_code, 'unknown') as store_code,
        business_date,
        channel,
        member_id,
        spend_fen
    from {{ ref('orders') }}
    where is_purchase

),

first_purchases as (

    select
        coalesce(store_code, 'unknown') as store_code,
        business_date,
        count(*) as new_members
    from (
        select store_code, business_date
        from {{ ref('orders') }}
        where is_purchase and member_id is not null
        qualify row_number() over (partition by member_id order by ordered_at, order_key) = 1
    ) as firsts
    group by 1, 2

),

recalls as (

    select
        coalesce(store_code, 'unknown') as store_code,
        business_date,
        count(distinct member_id) as recalled
    from {{ ref('int_recalls') }}
    group by 1, 2

),

days as (

    select
        store_code,
        business_date,
        count(*) as orders,
        sum(spend_fen) as net_fen,
        count(member_id) as identified_orders,
        sum(case when channel = 'pos' then spend_fen else 0 end) as counter_fen,
        count(*) filter (where channel = 'groupbuy') as groupbuy_orders,
        sum(case when channel = 'groupbuy' then spend_fen else 0 end) as groupbuy_fen
    from purchases
    group by store_code, business_date

)

select
    days.store_code,
    days.business_date,
    cast(days.orders as integer) as orders,
    cast(days.net_fen as bigint) as net_fen,
    cast(days.identified_orders as integer) as identified_orders,
    days.identified_orders / cast(days.orders as double) as recognition_rate,
    cast(coalesce(first_purchases.new_members, 0) as integer) as new_members,
    cast(days.counter_fen as bigint) as counter_fen,
    cast(days.groupbuy_orders as integer) as groupbuy_orders,
    cast(days.groupbuy_fen as bigint) as groupbuy_fen,
    cast(days.groupbuy_fen as double) / cast(days.net_fen as double) as groupbuy_share,
    cast(coalesce(recalls.recalled, 0) as integer) as recalled
from days
left join first_purchases
    on days.store_code = first_purchases.store_code
    and days.business_date = first_purchases.business_date
left join recalls
    on days.store_code = recalls.store_code
    and days.business_date = recalls.business_date
