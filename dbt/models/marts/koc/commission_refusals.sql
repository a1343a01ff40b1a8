-- Grain: one row per order, level and reason: what somebody would have earned, and did not.

with

referrals as (

    select * from {{ ref('int_referrals') }}

),

answers as (

    select * from {{ ref('int_koc_answers') }} where eligible = 'no'

),

rule as (

    select koc_require_koc, rule_hash from {{ source('ops', 'rule_commission') }}

),

refused as (

    select
        order_key,
        level,
        beneficiary_member_id,
        reason,
        evidence
    from referrals
    where reason is not null

    union all

    select
        referrals.order_key,
        referrals.level,
        referrals.beneficiary_member_id,
        'not_koc' as reason,
        coalesce(referrals.invite_code || ',', '') || cast(answers.asked_on as varchar)
        || ',' || {{ yuan_text('answers.spend_30d_fen') }}
        || ',' || cast(answers.shares_30d as varchar)
        || ',' || cast(answers.complaints as varchar) as evidence
    from referrals
    cross join rule
    inner join answers
        on referrals.beneficiary_member_id = answers.member_id
        and referrals.business_date = {{ add_days('answers.asked_on', 1) }}
    where referrals.reason is null and rule.koc_require_koc

)

select
    refused.order_key,
    cast(refused.level as integer) as level,
    refused.beneficiary_member_id,
    refused.reason,
    refused.evidence,
    rule.rule_hash
from refused
cross join rule
