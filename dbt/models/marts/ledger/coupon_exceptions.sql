-- Grain: one row per thing that is wrong with one event of a coupon.

with

events as (

    select * from {{ ref('int_coupon_events') }}

),

codes as (

    select * from {{ ref('int_coupon_codes') }}

),

uses as (

    select * from {{ ref('int_coupon_uses') }} where not is_released

),

rules as (

    select * from {{ source('ops', 'rule_ledger') }}

),

counted as (

    select
        coupon_code,
        ledger_id,
        channel,
        member_id
    from uses
    where is_counted

),

wrong as (

    select
        uses.*, 'redeemed_twice' as kind, counted.member_id as other_member_id,
        case when uses.channel = counted.channel then 'one_channel,' else 'both_channels,' end || counted.ledger_id
            as beside,
        cast(null as varchar) as decided_by
    from uses
    inner join counted
        on uses.coupon_code = counted.coupon_code
    where not uses.is_counted

    union all

    select uses.*, 'never_issued', cast(null as varchar), cast(null as varchar), cast(null as varchar)
    from uses
    where uses.is_never_issued

    union all

    select uses.*, 'before_issue', cast(null as varchar), codes.issue_ledger_id, cast(null as varchar)
    from uses
    inner join codes
        on uses.coupon_code = codes.coupon_code
    where uses.is_before_issue

    union all

    -- by its template's validity, when the source's own end is later or not told
    select
        uses.*, 'after_expiry', cast(null as varchar),
        case when codes.expired_at <= codes.expires_at then codes.expiry_ledger_id else codes.issue_ledger_id end,
        case when codes.expired_at <= codes.expires_at then cast(null as varchar) else codes.template_rule_hash end
    from uses
    inner join codes
        on uses.coupon_code = codes.coupon_code
    where uses.is_after_expiry

    union all

    select uses.*, 'after_void', cast(null as varchar), codes.void_ledger_id, cast(null as varchar)
    from uses
    inner join codes
        on uses.coupon_code = codes.coupon_code
    where uses.is_after_void

    union all

    select uses.*, 'other_member', codes.holder_member_id, codes.holder_ledger_id, cast(null as varchar)
    from uses
    inner join codes
        on uses.coupon_code = codes.coupon_code
    where uses.is_other_member

    union all

    select uses.*, 'holder_unknown', cast(null as varchar), codes.issue_ledger_id, cast(null as varchar)
    from uses
    inner join codes
        on uses.coupon_code = codes.coupon_code
    where uses.is_holder_unknown

    union all

    select uses.*, 'use_not_posted', cast(null as varchar), cast(null as varchar), cast(null as varchar)
    from uses
    where uses.is_derived

),

-- two people were given the same code
issued_twice as (

    select
        events.coupon_code,
        'issued_twice' as kind,
        events.ledger_id,
        events.business_date,
        events.member_id,
        codes.holder_member_id as other_member_id,
        codes.holder_ledger_id as beside,
        coalesce(events.amount_fen, codes.template_amount_fen) as amount_fen,
        cast(null as varchar) as decided_by
    from events
    inner join codes
        on events.coupon_code = codes.coupon_code
    where events.event = 'issued' and events.member_id <> codes.holder_member_id

),

exceptions as (

    select coupon_code, kind, ledger_id, business_date, member_id, other_member_id, beside, amount_fen, decided_by
    from wrong

    union all

    select coupon_code, kind, ledger_id, business_date, member_id, other_member_id, beside, amount_fen, decided_by
    from issued_twice

)

select
    exceptions.coupon_code || '|' || exceptions.kind || '|' || exceptions.ledger_id as exception_id,
    exceptions.coupon_code,
    exceptions.kind,
    exceptions.business_date,
    exceptions.member_id,
    exceptions.other_member_id,
    coalesce(exceptions.beside || ',', '') || exceptions.ledger_id as evidence,
    exceptions.amount_fen,
    coalesce(exceptions.decided_by, rules.rule_hash) as rule_hash
from exceptions
cross join rules
