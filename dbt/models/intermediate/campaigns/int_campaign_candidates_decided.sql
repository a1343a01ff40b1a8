-- Grain: one row per (campaign_id, member_id) decided tonight. Goes back into the lake as the memory of later nights,
-- so nothing that happens after the decision shows here.

with

triggered as (

    select * from {{ ref('int_campaign_candidates_triggered') }}

),

-- the night of a day is run early on the next one, and that is when its messages are due
run_context as (

    select
        as_of_date,
        {{ add_days('as_of_date', 1) }} as due_on
    from {{ source('ops', 'run_context') }}

),

touches as (

    select * from {{ ref('int_member_touches') }}

),

recent as (

    select
        triggered.campaign_id,
        triggered.member_id,
        count(*) as recent_messages
    from triggered
    cross join run_context
    inner join {{ source('ops', 'rule_campaigns') }} as campaigns
        on triggered.campaign_id = campaigns.campaign_id
    inner join touches
        on triggered.member_id = touches.member_id
    where touches.sent_on > {{ add_days('run_context.due_on', '-campaigns.frequency_days') }}
    group by 1, 2

),

prepared as (

    select
        run_context.as_of_date as business_date,
        triggered.campaign_id,
        triggered.member_id,
        triggered.lapse_key,
        campaigns.frequency_messages,
        campaigns.frequency_days,
        campaigns.daily_cap,
        campaigns.rule_hash,
        {{ at_clock('run_context.due_on', 'campaigns.planned_time') }} as planned_at,
        case
            when {{ hash_bucket('triggered.campaign_id', 'triggered.member_id') }} < campaigns.holdout_percent
                then 'holdout'
            else 'treatment'
        end as arm,
        members.consent_marketing,
        coalesce(reach.has_wecom, false)
        and {{ position_of("'wecom'", 'campaigns.channel_order') }} > 0 as can_wecom,
        coalesce(reach.has_groupbuy_account, false)
        and {{ position_of("'groupbuy_coupon'", 'campaigns.channel_order') }} > 0 as can_coupon,
        {{ position_of("'wecom'", 'campaigns.channel_order') }}
        < {{ position_of("'groupbuy_coupon'", 'campaigns.channel_order') }} as prefers_wecom,
        coalesce(recent.recent_messages, 0) as recent_messages
    from triggered
    cross join run_context
    inner join {{ source('ops', 'rule_campaigns') }} as campaigns
        on triggered.campaign_id = campaigns.campaign_id
    inner join {{ ref('members') }} as members
        on triggered.member_id = members.member_id
    left join {{ ref('int_member_reach') }} as reach
        on triggered.member_id = reach.member_id
    left join recent
        on triggered.campaign_id = recent.campaign_id
        and triggered.member_id = recent.member_id

),

judged as (

    select
        prepared.*,
        case
            when arm = 'holdout' then 'held_out'
            when consent_marketing = 'N' then 'opted_out'
            when consent_marketing is distinct from 'Y' then 'no_consent'
            when recent_messages >= frequency_messages then 'capped'
            when not can_wecom and not can_coupon then 'unreachable'
        end as refusal
    from prepared

),

-- several campaigns may want the same member tonight: the first by name gets her
capped as (

    select
        judged.*,
        refusal is null
        and recent_messages + sum(case when refusal is null then 1 else 0 end) over (
            partition by member_id
            order by campaign_id
            rows between unbounded preceding and current row
        ) > frequency_messages as is_one_too_many
    from judged

),

budgeted as (

    select
        capped.*,
        refusal is null
        and not is_one_too_many
        and sum(case when refusal is null and not is_one_too_many then 1 else 0 end) over (
            partition by campaign_id
            order by member_id
            rows between unbounded preceding and current row
        ) > daily_cap as is_over_budget
    from capped

),

decided as (

    select
        budgeted.*,
        case
            when refusal is not null then refusal
            when is_one_too_many then 'capped'
            when is_over_budget then 'over_budget'
            -- the night decides while messages must rest; the push takes it from here
            else 'quiet_hours'
        end as outcome
    from budgeted

)

select
    campaign_id,
    business_date,
    member_id,
    arm,
    case
        when outcome <> 'quiet_hours' then 'none'
        when can_wecom and (prefers_wecom or not can_coupon) then 'wecom'
        else 'groupbuy_coupon'
    end as channel,
    outcome,
    case outcome
        when 'held_out' then '对照组，不打扰'
        when 'opted_out' then '已拒绝营销消息'
        when 'no_consent' then '没有营销授权'
        when 'capped'
            then '每 ' || cast(frequency_days as varchar) || ' 天最多 '
                || cast(frequency_messages as varchar) || ' 条营销消息'
        when 'unreachable' then '没有可用的触达渠道'
        when 'over_budget' then '超过活动每日上限 ' || cast(daily_cap as varchar) || ' 人'
        else '计划 ' || {{ format_minute('planned_at') }} || ' 推送'
    end as detail,
    lapse_key,
    case when outcome = 'quiet_hours' then {{ coupon_code('campaign_id', 'member_id', 'lapse_key') }} end
        as coupon_code,
    planned_at,
    rule_hash
from decided
