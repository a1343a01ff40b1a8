-- Grain: one row per lapse that a campaign ended: the member got a message and bought again within the
-- days of the rule.

with

reached as (

    select
        coalesce(redirects.member_id, candidates.member_id) as member_id,
        candidates.lapse_key,
        -- a night's messages are sent the day after
        {{ add_days('min(candidates.business_date)', 1) }} as reached_on
    from {{ ref('campaign_candidates') }} as candidates
    left join {{ ref('int_identity_redirects') }} as redirects
        on candidates.member_id = redirects.retired_member_id
    where
        candidates.arm = 'treatment'
        and candidates.outcome in ('sent', 'delivered')
        -- the other triggers answer to something else than a lapse, which is named by a date
        and candidates.lapse_key like '____-__-__%'
    group by 1, 2

),

rule as (

    select recall_days from {{ source('ops', 'rule_churn') }}

),

returns as (

    select
        reached.member_id,
        reached.lapse_key,
        reached.reached_on,
        purchases.store_code,
        purchases.business_date
    from reached
    cross join rule
    inner join {{ ref('int_member_purchases') }} as purchases
        on reached.member_id = purchases.member_id
    where
        purchases.business_date >= reached.reached_on
        and {{ days_between('reached.reached_on', 'purchases.business_date') }} <= rule.recall_days
    qualify row_number() over (
        partition by reached.member_id, reached.lapse_key
        order by purchases.ordered_at, purchases.order_key
    ) = 1

)

select * from returns
