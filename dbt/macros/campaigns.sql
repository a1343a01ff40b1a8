{# What the night and the afternoon decide in the same way: of whom a campaign wants, who gets it and how. #}

{#  CTEs from `recent` to `final`: one row per row of the CTE `triggered` (campaign_id, member_id, lapse_key, subject,
    business_date, due_on), with one outcome. Reads the CTEs `campaigns` (ops.rule_campaigns), `members`, `reach`
    (int_member_reach) and `touches` (int_member_touches).  #}
{% macro decided_candidates() -%}
recent as (

    select
        triggered.campaign_id,
        triggered.member_id,
        count(*) as recent_messages
    from triggered
    inner join campaigns
        on triggered.campaign_id = campaigns.campaign_id
    inner join touches
        on triggered.member_id = touches.member_id
    where touches.sent_on > {{ add_days('triggered.due_on', '-campaigns.frequency_days') }}
    group by 1, 2

),

prepared as (

    select
        triggered.business_date,
        triggered.campaign_id,
        triggered.member_id,
        triggered.lapse_key,
        triggered.subject,
        campaigns.frequency_messages,
        campaigns.frequency_days,
        campaigns.daily_cap,
        campaigns.rule_hash,
        campaigns.offer_json is not null as has_offer,
        {{ at_clock('triggered.due_on', 'campaigns.planned_time') }} as planned_at,
        case
            when {{ hash_bucket('triggered.campaign_id', 'triggered.member_id') }} < campaigns.holdout_percent
                then 'holdout'
            else 'treatment'
        end as arm,
        members.consent_marketing,
        coalesce(reach.has_wecom, false)
        and {{ position_of("'wecom'", 'campaigns.channel_order') }} > 0 as can_wecom,
        coalesce(reach.has_groupbuy_account, false)
        and campaigns.offer_json is not null
        and {{ position_of("'groupbuy_coupon'", 'campaigns.channel_order') }} > 0 as can_coupon,
        members.phone_masked is not null
        and {{ position_of("'call'", 'campaigns.channel_order') }} > 0 as can_call,
        {{ position_of("'wecom'", 'campaigns.channel_order') }}
        < {{ position_of("'groupbuy_coupon'", 'campaigns.channel_order') }} as prefers_wecom,
        coalesce(recent.recent_messages, 0) as recent_messages
    from triggered
    inner join campaigns
        on triggered.campaign_id = campaigns.campaign_id
    inner join members
        on triggered.member_id = members.member_id
    left join reach
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
            when not can_wecom and not can_coupon and not can_call then 'unreachable'
        end as refusal
    from prepared

),

-- several campaigns may want the same member: the first by name gets her
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
            -- a person phones, nothing is pushed
            when not can_wecom and not can_coupon then 'awaiting_staff'
            -- the night decides while messages must rest; the push takes it from here
            else 'quiet_hours'
        end as outcome
    from budgeted

),

final as (

    select
        campaign_id,
        business_date,
        member_id,
        arm,
        case
            when outcome = 'awaiting_staff' then 'call'
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
            when 'awaiting_staff' then '等店长打电话'
            else '计划 ' || {{ format_minute('planned_at') }} || ' 推送'
        end as detail,
        lapse_key,
        case
            when outcome = 'quiet_hours' and has_offer
                then {{ coupon_code('campaign_id', 'member_id', 'lapse_key') }}
        end as coupon_code,
        planned_at,
        rule_hash,
        subject
    from decided

)
{%- endmacro %}


{#  Whether a campaign may choose a member again. `earlier`: what is known of its earlier decisions on her (last_on, and
    has_key: one of them was for the same key); `bought_on`: her last purchase, where the trigger asks for one since.
    A late record moves the date of the last purchase, and with it the key of the lapse, to a day before the decision:
    that is still the lapse it was made for.  #}
{% macro may_choose_again(once, every_days, earlier, as_of, bought_on) -%}
case
        when {{ earlier }}.last_on is null and not coalesce({{ earlier }}.has_key, false) then true
        when {{ once }} = 'ever' then false
        when {{ once }} = 'every_days'
            then {{ earlier }}.last_on <= {{ add_days(as_of, '-' ~ every_days) }}
        when {{ earlier }}.has_key then false
        else {{ bought_on }} is null or {{ earlier }}.last_on is null or {{ bought_on }} > {{ earlier }}.last_on
    end
{%- endmacro %}


{# Whether a stock count belongs to the afternoon of its day (`rule`: ops.rule_markdown). #}
{% macro is_afternoon_count(snapshot_at, rule) -%}
{{ snapshot_at }} between
        {{ add_minutes(at_clock('cast(' ~ snapshot_at ~ ' as date)', rule ~ '.count_at'), '-' ~ rule ~ '.count_tolerance_minutes') }}
        and {{ add_minutes(at_clock('cast(' ~ snapshot_at ~ ' as date)', rule ~ '.count_at'), rule ~ '.count_tolerance_minutes') }}
{%- endmacro %}


{#  Hash of what a push hands over to set a tag on a relation, as the journal has it: of JSON with its keys in order, without
    spaces. chr(92) is the backslash, which engines write differently.  #}
{% macro tag_payload_hash(userid, external_userid, tag) -%}
    {%- set text = namespace(sql="'{\"add_tag\":[\"'") -%}
    {%- for value, after in [(tag, '"],"external_userid":"'), (external_userid, '","userid":"'), (userid, '"}')] -%}
        {%- set escaped = "replace(replace(" ~ value ~ ", chr(92), chr(92) || chr(92)), '\"', chr(92) || '\"')" -%}
        {%- set text.sql = text.sql ~ " || " ~ escaped ~ " || '" ~ after ~ "'" -%}
    {%- endfor -%}
    {{ sha256_hex(text.sql) }}
{%- endmacro %}
