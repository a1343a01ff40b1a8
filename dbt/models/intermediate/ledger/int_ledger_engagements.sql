-- Grain: one row per coupon event or entry of points that a person had a hand in, as its record says it.
{{ config(materialized="view") }}

with

pos_coupons as (

    select connection, record_id, record_key, event, template_id, occurred_at, first_arrived_on, amount_fen
    from {{ ref('stg_pos__coupon_events') }}

),

groupbuy_coupons as (

    select connection, record_id, record_key, event, template_id, occurred_at, first_arrived_on, amount_fen
    from {{ ref('stg_groupbuy__coupon_events') }}

),

entries as (

    select * from {{ ref('int_point_entries') }} where is_listed and kind in ('earn', 'spend')

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
    {{ key_hash('record_key') }} as record_no,
    occurred_at,
    first_arrived_on,
    channel,
    template_id as ref,
    amount_fen,
    cast(null as decimal(18, 3)) as points,
    cast(null as varchar) as member_id
from coupons
where event in ('issued', 'redeemed', 'expired')

union all

select
    case kind when 'earn' then 'points_earned' else 'points_spent' end,
    connection,
    feed,
    record_id,
    record_no,
    occurred_at,
    first_arrived_on,
    channel,
    ref,
    cast(null as bigint),
    abs(points),
    member_id
from entries
where points <> 0 or kind = 'spend'
