-- Grain: one row per member, as of the night that is published. 30 days are the day itself and the 29 before it.

with

members as (

    select member_id from {{ ref('members') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

sums as (

    select
        member_id,
        count(*) filter (where days_ago < 30) as orders_30d,
        count(*) filter (where days_ago < 90) as orders_90d,
        sum(case when days_ago < 7 then spend_fen else 0 end) as spend_7d_fen,
        sum(case when days_ago < 30 then spend_fen else 0 end) as spend_30d_fen,
        sum(case when days_ago < 90 then spend_fen else 0 end) as spend_90d_fen,
        min(days_ago) as days_since_purchase,
        count(distinct case when days_ago < 30 then channel end) as channels_30d,
        count(*) as orders_total,
        count(*) filter (where channel = 'pos') as pos_orders_total,
        count(*) filter (where channel = 'groupbuy') as groupbuy_orders_total,
        sum(case when days_ago < 30 and channel = 'pos' then spend_fen else 0 end) as counter_spend_30d_fen,
        sum(case when days_ago < 30 and channel = 'groupbuy' then spend_fen else 0 end) as groupbuy_spend_30d_fen,
        count(*) filter (where is_high_margin) as high_margin_orders_total,
        min(business_date) as first_purchase_on,
        max(business_date) as last_purchase_on
    from {{ ref('int_member_purchases') }}
    group by member_id

),

-- among those who ever bought; everybody else scores 1
scores as (

    select
        member_id,
        {{ quintile('days_since_purchase desc') }} as rfm_r,
        {{ quintile('orders_90d') }} as rfm_f,
        {{ quintile('spend_90d_fen') }} as rfm_m
    from sums

),

group_joins as (

    select group_joins.*
    from {{ ref('int_member_group_joins') }} as group_joins
    cross join run_context
    where group_joins.joined_group_on <= run_context.as_of_date

)

select
    run_context.as_of_date,
    members.member_id,
    cast(coalesce(sums.orders_30d, 0) as integer) as orders_30d,
    cast(coalesce(sums.orders_90d, 0) as integer) as orders_90d,
    cast(coalesce(sums.spend_7d_fen, 0) as bigint) as spend_7d_fen,
    cast(coalesce(sums.spend_30d_fen, 0) as bigint) as spend_30d_fen,
    cast(coalesce(sums.spend_90d_fen, 0) as bigint) as spend_90d_fen,
    sums.days_since_purchase,
    coalesce(scores.rfm_r, 1) as rfm_r,
    coalesce(scores.rfm_f, 1) as rfm_f,
    coalesce(scores.rfm_m, 1) as rfm_m,
    cast(coalesce(sums.channels_30d, 0) as integer) as channels_30d,
    cast(coalesce(sums.orders_total, 0) as integer) as orders_total,
    cast(coalesce(sums.pos_orders_total, 0) as integer) as pos_orders_total,
    cast(coalesce(sums.groupbuy_orders_total, 0) as integer) as groupbuy_orders_total,
    cast(coalesce(sums.counter_spend_30d_fen, 0) as bigint) as counter_spend_30d_fen,
    cast(coalesce(sums.groupbuy_spend_30d_fen, 0) as bigint) as groupbuy_spend_30d_fen,
    cast(coalesce(sums.high_margin_orders_total, 0) as integer) as high_margin_orders_total,
    sums.first_purchase_on,
    sums.last_purchase_on,
    group_joins.joined_group_on,
    (
        coalesce(sums.pos_orders_total, 0) > 0
        and coalesce(sums.groupbuy_orders_total, 0) = 0
        and group_joins.joined_group_on is not null
    ) as is_potential_group_buyer
from members
cross join run_context
left join sums
    on members.member_id = sums.member_id
left join scores
    on members.member_id = scores.member_id
left join group_joins
    on members.member_id = group_joins.member_id
