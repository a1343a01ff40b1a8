-- Grain: one row per coupon event or entry of points that a person had a hand in, as its source posted it.

with

pos_coupons as (

    select connection, record_id, event, template_id, occurred_at, first_arrived_on, amount_fen
    from {{ ref('stg_pos__coupon_events') }}

),

groupbuy_coupons as (

    select connection, record_id, event, template_id, occurred_at, first_arrived_on, amount_fen
    from {{ ref('stg_groupbuy__coupon_events') }}

),

points as (

    select * from {{ ref('stg_pos__points') }}

),

coupons as (

    select 'pos' as channel, * from pos_coupons

    union all

    select 'groupbuy' as channel, * from groupbuy_coupons

)

select
    'coupon_' || event as kind,
    connection,
    'coupon_events' as feed,
    record_id,
    occurred_at,
    first_arrived_on,
    channel,
    template_id as ref,
    amount_fen,
    cast(null as decimal(18, 3)) as points
from coupons
where event in ('issued', 'redeemed', 'expired')

union all

-- sources write what was spent with either sign
select
    case kind when 'earn' then 'points_earned' else 'points_spent' end,
    connection,
    'points',
    record_id,
    occurred_at,
    first_arrived_on,
    'pos',
    ref_id,
    cast(null as bigint),
    abs(points)
from points
where kind = 'spend' or (kind = 'earn' and points > 0)
