-- Grain: one row per (campaign_id, business_date, member_id), tonight's and all earlier decisions, those of an afternoon
-- with a stock count among them, each with what became of it as far as the push journal and the vendor tell.

with

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

-- what the journal of decisions does not carry follows from the same rule as on its night
earlier as (

    select
        history.campaign_id,
        history.business_date,
        history.member_id,
        history.arm,
        history.channel,
        history.outcome,
        history.detail,
        history.lapse_key,
        case
            when history.outcome = 'quiet_hours' and coalesce(campaigns.offer_json is not null, true)
                then {{ coupon_code('history.campaign_id', 'history.member_id', 'history.lapse_key') }}
        end as coupon_code,
        {{ at_clock('coalesce(history.due_on, ' ~ add_days('history.business_date', 1) ~ ')', 'campaigns.planned_time') }}
            as planned_at,
        history.rule_hash,
        history.subject
    from {{ source('ops', 'candidate_history') }} as history
    cross join run_context
    left join {{ source('ops', 'rule_campaigns') }} as campaigns
        on history.campaign_id = campaigns.campaign_id
    where
        history.business_date < run_context.as_of_date
        -- an afternoon decides what is due on the same day, and the night of that day finds it decided
        or history.due_on = history.business_date

),

-- decided just now; a later run finds them in the history
this_afternoon as (

    select decided.*
    from {{ ref('int_markdown_candidates_decided') }} as decided
    inner join run_context
        on decided.business_date = run_context.stock_on

),

decisions as (

    select
        campaign_id,
        business_date,
        member_id,
        arm,
        channel,
        outcome,
        detail,
        lapse_key,
        coupon_code,
        planned_at,
        rule_hash,
        subject
    from {{ ref('int_campaign_candidates_decided') }}

    union all

    select * from this_afternoon

    union all

    select * from earlier

),

-- of all actions on a candidate the message tells how it went, then the coupon, then a refusal of the push itself
pushed as (

    select
        states.campaign_id,
        states.business_date,
        states.member_id,
        states.action,
        states.state,
        states.vendor_code,
        states.attempt,
        receipts.status as receipt
    from {{ ref('int_push_states') }} as states
    left join {{ ref('int_identity_redirects') }} as redirects
        on states.member_id = redirects.retired_member_id
    left join {{ ref('int_message_receipts') }} as receipts
        on states.action = 'message'
        and states.vendor_ref = receipts.msgid
        and coalesce(redirects.member_id, states.member_id) = receipts.member_id
    where states.action in ('message', 'coupon', 'decide')
    qualify row_number() over (
        partition by states.campaign_id, states.business_date, states.member_id
        order by
            case states.action when 'message' then 1 when 'coupon' then 2 else 3 end,
            states.seq desc,
            states.message_id
    ) = 1

),

told as (

    select
        pushed.*,
        case
            when state like 'skipped:%' then substr(state, 9)
            when state = 'accepted' and action = 'coupon' then 'sent'
            when state = 'accepted' and receipt = 1 then 'delivered'
            when state = 'accepted' and receipt = 2 then 'unreachable'
            when state = 'accepted' and receipt = 3 then 'capped'
            when state = 'accepted' then 'awaiting_staff'
            when state in ('rejected', 'uncertain') then state
            -- announced, and no answer was ever written down
            when state = 'intent' and attempt > 0 and vendor_code is null then 'uncertain'
        end as outcome
    from pushed

)

select
    decisions.campaign_id,
    decisions.business_date,
    decisions.member_id,
    decisions.arm,
    case
        when told.outcome is null or told.action = 'decide' then decisions.channel
        when told.action = 'message' then 'wecom'
        else 'groupbuy_coupon'
    end as channel,
    coalesce(told.outcome, decisions.outcome) as outcome,
    case
        when told.outcome is null then decisions.detail
        when told.outcome = 'sent' then '券已交给拼团系统'
        when told.outcome = 'awaiting_staff' then '已交给企业微信，等店员确认发送'
        when told.outcome = 'delivered' then '店员已发送，企业微信确认送达'
        when told.outcome = 'rejected' then '对方系统拒绝，代码 ' || coalesce(told.vendor_code, '无')
        when told.outcome = 'uncertain' then '发出后没有收到回应，不确定是否到达'
        when told.receipt = 2 then '企业微信：客户已不是好友'
        when told.receipt = 3 then '企业微信：客户当天接收已达上限'
        else '推送时复核：' || case told.outcome
            when 'opted_out' then '已拒绝营销消息'
            when 'no_consent' then '没有营销授权'
            when 'capped' then '已达频次上限'
            when 'unreachable' then '没有可用的触达渠道'
            when 'over_budget' then '超过发送上限'
            when 'superseded' then '已不符合活动条件'
            when 'quiet_hours' then '不在允许发送的时段'
            else told.outcome
        end
    end as detail,
    decisions.lapse_key,
    decisions.coupon_code,
    decisions.planned_at,
    decisions.rule_hash,
    decisions.subject
from decisions
left join told
    on decisions.campaign_id = told.campaign_id
    and decisions.business_date = told.business_date
    and decisions.member_id = told.member_id
