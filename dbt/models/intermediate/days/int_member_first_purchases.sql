-- Grain: one row per member who ever bought: the day and the order of the first purchase. A late earlier order moves both.

with

purchases as (

    select
        member_no,
        order_no,
        order_key,
        ordered_at,
        business_date
    from {{ ref('int_orders') }}
    where is_purchase and member_no is not null

),

earliest as (

    select
        member_no,
        min(ordered_at) as ordered_at,
        min(business_date) as first_on
    from purchases
    group by member_no

),

-- only who bought twice in the same instant has two rows here
final as (

    select
        earliest.member_no,
        earliest.first_on,
        purchases.order_no as first_order_no
    from earliest
    inner join purchases
        on earliest.member_no = purchases.member_no
        and earliest.ordered_at = purchases.ordered_at
    qualify row_number() over (partition by earliest.member_no order by purchases.order_key) = 1

)

select * from final
