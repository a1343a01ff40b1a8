-- Grain: one row per coupon code of the chain's one pool.

with

codes as (

    select * from {{ ref('int_coupon_codes') }}

),

counted as (

    select * from {{ ref('int_coupon_uses') }} where is_counted

),

exceptions as (

    select
        coupon_code,
        count(*) as exceptions
    from {{ ref('coupon_exceptions') }}
    group by coupon_code

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

)

select
    codes.coupon_code,
    codes.template_id,
    codes.holder_member_id as member_id,
    case
        when counted.ledger_id is not null then 'redeemed'
        when codes.voided_at <= coalesce(codes.expires_at, codes.voided_at) then 'voided'
        when codes.expired_at is not null then 'expired'
        -- nobody posts the end of what a template promises
        when {{ business_date('codes.expires_at', 'run_context.cutover_minutes') }} <= run_context.as_of_date then 'expired'
        when codes.voided_at is not null then 'voided'
        when codes.is_locked then 'locked'
        else 'issued'
    end as status,
    codes.issued_at,
    codes.expires_at,
    counted.occurred_at as redeemed_at,
    counted.channel,
    codes.issued_channel,
    counted.order_key,
    counted.amount_fen,
    codes.campaign_id,
    cast(coalesce(exceptions.exceptions, 0) as integer) as exceptions,
    codes.template_rule_hash as rule_hash
from codes
cross join run_context
left join counted
    on codes.coupon_code = counted.coupon_code
left join exceptions
    on codes.coupon_code = exceptions.coupon_code
