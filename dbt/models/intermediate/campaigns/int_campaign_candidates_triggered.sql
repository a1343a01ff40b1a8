-- Grain: one row per (campaign_id, member_id) whom tonight's facts trigger, each lapse once.

with

campaigns as (

    select * from {{ source('ops', 'rule_campaigns') }}

),

lapsed as (

    select
        campaigns.campaign_id,
        tiers.member_id,
        cast(tiers.last_purchase_on as varchar) as lapse_key
    from {{ ref('churn_tiers') }} as tiers
    inner join campaigns
        on campaigns.trigger = 'churn_tier'
        and tiers.tier = campaigns.tier

),

-- the night of the day of joining decides, the message leaves the next day
joined as (

    select
        campaigns.campaign_id,
        metrics.member_id,
        'first_group_order' as lapse_key
    from {{ ref('member_metrics') }} as metrics
    inner join campaigns
        on campaigns.trigger = 'potential_group_buyer'
    where
        metrics.is_potential_group_buyer
        and metrics.joined_group_on <= metrics.as_of_date

),

triggered as (

    select * from lapsed

    union all

    select * from joined

),

-- members may have been merged since they were chosen; whom a cap or the budget kept waiting is asked again
decided_before as (

    select distinct
        history.campaign_id,
        coalesce(redirects.member_id, history.member_id) as member_id,
        history.lapse_key
    from {{ source('ops', 'candidate_history') }} as history
    left join {{ ref('int_identity_redirects') }} as redirects
        on history.member_id = redirects.retired_member_id
    where coalesce(history.outcome, '') not in ('capped', 'over_budget')

)

select
    triggered.campaign_id,
    triggered.member_id,
    triggered.lapse_key
from triggered
left join decided_before
    on triggered.campaign_id = decided_before.campaign_id
    and triggered.member_id = decided_before.member_id
    and triggered.lapse_key = decided_before.lapse_key
where decided_before.campaign_id is null
