-- Grain: one row per coupon: by whom and to whom it was issued, and when it ends.

with

events as (

    select * from {{ ref('int_coupon_events') }}

),

templates as (

    select * from {{ source('ops', 'rule_coupon_templates') }}

),

-- the first issue counts; a later row of another system tells of the same one
issues as (

    select
        *,
        row_number() over (partition by coupon_code order by occurred_at, ledger_id) as place,
        row_number() over (
            partition by coupon_code
            order by case when member_id is null then 2 else 1 end, occurred_at, ledger_id
        ) as holder_place
    from events
    where event = 'issued'

),

holders as (

    select * from issues where holder_place = 1

),

named_templates as (

    select
        coupon_code,
        template_id
    from events
    where template_id is not null
    qualify row_number() over (
        partition by coupon_code
        order by case event when 'issued' then 1 else 2 end, occurred_at, ledger_id
    ) = 1

),

expiries as (

    select
        coupon_code,
        ledger_id,
        occurred_at
    from events
    where event = 'expired'
    qualify row_number() over (partition by coupon_code order by occurred_at, ledger_id) = 1

),

voids as (

    select
        coupon_code,
        ledger_id,
        occurred_at
    from events
    where event = 'voided'
    qualify row_number() over (partition by coupon_code order by occurred_at, ledger_id) = 1

),

sums as (

    select
        coupon_code,
        max(campaign_id) as campaign_id,
        sum(case event when 'locked' then 1 when 'released' then -1 else 0 end) as locks
    from events
    group by coupon_code

),

final as (

    select
        sums.coupon_code,
        issues.ledger_id as issue_ledger_id,
        issues.occurred_at as issued_at,
        issues.channel as issued_channel,
        holders.ledger_id as holder_ledger_id,
        holders.member_id as holder_member_id,
        named_templates.template_id,
        templates.amount_fen as template_amount_fen,
        templates.rule_hash as template_rule_hash,
        sums.campaign_id,
        expiries.ledger_id as expiry_ledger_id,
        expiries.occurred_at as expired_at,
        -- valid to the end of what its template promises, and no longer than the source says
        least(
            expiries.occurred_at,
            {{ add_minutes('issues.occurred_at', '60 * templates.valid_hours') }}
        ) as expires_at,
        voids.ledger_id as void_ledger_id,
        voids.occurred_at as voided_at,
        sums.locks > 0 as is_locked
    from sums
    left join issues
        on sums.coupon_code = issues.coupon_code
        and issues.place = 1
    left join holders
        on sums.coupon_code = holders.coupon_code
    left join named_templates
        on sums.coupon_code = named_templates.coupon_code
    left join templates
        on named_templates.template_id = templates.template_id
    left join expiries
        on sums.coupon_code = expiries.coupon_code
    left join voids
        on sums.coupon_code = voids.coupon_code

)

select * from final
