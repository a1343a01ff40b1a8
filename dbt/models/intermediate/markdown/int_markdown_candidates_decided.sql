-- Grain: one row per (campaign_id, member_id) decided this afternoon of those near a shop with a new evening list. Goes
-- into the lake with the list.

with

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

rule as (

    select campaign_id from {{ source('ops', 'rule_markdown') }}

),

campaigns as (

    select * from {{ source('ops', 'rule_campaigns') }}

),

members as (

    select * from {{ ref('members') }}

),

reach as (

    select * from {{ ref('int_member_reach') }}

),

touches as (

    select * from {{ ref('int_member_touches') }}

),

near as (

    select * from {{ ref('int_markdown_near') }}

),

-- near two shops is told once
told as (

    select distinct
        campaigns.campaign_id,
        near.member_id,
        near.business_date
    from near
    cross join rule
    inner join campaigns
        on rule.campaign_id = campaigns.campaign_id
        and campaigns.trigger = 'markdown'

),

earlier as (

    select
        history.campaign_id,
        coalesce(redirects.member_id, history.member_id) as member_id,
        max(case when coalesce(history.outcome, '') not in ('capped', 'over_budget') then history.business_date end)
            as last_on,
        -- an evening decides once, whatever it decided
        max(case when history.business_date = run_context.stock_on then 1 else 0 end) = 1 as has_key
    from {{ source('ops', 'candidate_history') }} as history
    cross join run_context
    left join {{ ref('int_identity_redirects') }} as redirects
        on history.member_id = redirects.retired_member_id
    group by 1, 2

),

triggered as (

    select
        told.campaign_id,
        told.member_id,
        'markdown:' || cast(told.business_date as varchar) as lapse_key,
        cast(null as varchar) as subject,
        told.business_date,
        told.business_date as due_on
    from told
    inner join campaigns
        on told.campaign_id = campaigns.campaign_id
    left join earlier
        on told.campaign_id = earlier.campaign_id
        and told.member_id = earlier.member_id
    where
        not coalesce(earlier.has_key, false)
        and {{ may_choose_again('campaigns.once', 'campaigns.every_days', 'earlier', 'told.business_date', 'cast(null as date)') }}

),

{{ decided_candidates() }}

select * from final
