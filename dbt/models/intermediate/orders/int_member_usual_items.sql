-- Grain: one row per member with a purchase of a named item: the one bought most often, of several the latest.

with

bought as (

    select
        purchases.member_id,
        lines.item_name,
        count(distinct purchases.order_key) as times,
        max(purchases.ordered_at) as last_at
    from {{ ref('int_member_purchases') }} as purchases
    inner join {{ ref('order_lines') }} as lines
        on purchases.order_key = lines.order_key
    where
        lines.item_name is not null
        and lines.amount_fen - lines.refunded_fen > 0
    group by purchases.member_id, lines.item_name

)

select
    member_id,
    item_name as usual_item
from bought
qualify row_number() over (partition by member_id order by times desc, last_at desc, item_name) = 1
