-- Grain: one row per thing that happened to a coupon.

with

events as (

    select * from {{ ref('int_coupon_events') }}

),

codes as (

    select * from {{ ref('int_coupon_codes') }}

),

uses as (

    select * from {{ ref('int_coupon_uses') }} where is_counted

),

coupons as (

    select * from {{ ref('coupons') }}

),

-- orders that let the coupon go again
released as (

    select
        coupon_code,
        order_key
    from events
    where event = 'released'

)

select
    events.ledger_id,
    events.coupon_code,
    events.event,
    events.occurred_at,
    events.business_date,
    events.member_id,
    events.channel,
    events.connection,
    events.ref,
    events.amount_fen,
    events.is_derived,
    case events.event
        when 'issued' then events.ledger_id = codes.issue_ledger_id
        when 'redeemed' then uses.ledger_id is not null
        when 'expired' then coupons.status = 'expired' and events.ledger_id = codes.expiry_ledger_id
        when 'voided' then coupons.status = 'voided' and events.ledger_id = codes.void_ledger_id
        when 'locked' then coupons.status = 'locked' and released.order_key is null
        else false
    end as is_counted
from events
inner join codes
    on events.coupon_code = codes.coupon_code
inner join coupons
    on events.coupon_code = coupons.coupon_code
left join uses
    on events.ledger_id = uses.ledger_id
left join released
    on events.coupon_code = released.coupon_code
    and events.order_key = released.order_key
