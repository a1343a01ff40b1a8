-- Grain: one row per (campaign_id, member_id) whom tonight's facts trigger, as often as the campaign's `once` allows.
-- subject: what the message may name, an item on offer or one that goes with what she bought.

with

campaigns as (

    select * from {{ source('ops', 'rule_campaigns') }}

),

-- the night of a day is run early on the next one, and that is when its messages are due
run_context as (

    select
        as_of_date,
        {{ add_days('as_of_date', 1) }} as due_on
    from {{ source('ops', 'run_context') }}

),

tiers as (

    select * from {{ ref('churn_tiers') }}

),

metrics as (

    select * from {{ ref('member_metrics') }}

),

segment_members as (

    select * from {{ ref('segment_members') }}

),

offered as (

    select * from {{ ref('int_member_offers') }}

),

goes_with as (

    select * from {{ ref('int_order_companions') }}

),

lapsed as (

    select
        campaigns.campaign_id,
        tiers.member_id,
        tiers.lapse_key,
        tiers.last_purchase_on as bought_on,
        offered.item_name as subject
    from tiers
    inner join campaigns
        on campaigns.trigger = 'churn_tier'
        and tiers.tier = campaigns.tier
    left join offered
        on tiers.member_id = offered.member_id
    where campaigns.wanted is null or offered.item_name is not null

),

-- the night of the day of joining decides, the message leaves the next day
joined as (

    select
        campaigns.campaign_id,
        metrics.member_id,
        'first_group_order' as lapse_key,
        cast(null as date) as bought_on,
        cast(null as varchar) as subject
    from metrics
    inner join campaigns
        on campaigns.trigger = 'potential_group_buyer'
    where
        metrics.is_potential_group_buyer
        and metrics.joined_group_on <= metrics.as_of_date

),

listed as (

    select
        campaigns.campaign_id,
        segment_members.member_id,
        'segment:' || coalesce(cast(metrics.last_purchase_on as varchar), 'never') as lapse_key,
        -- who never bought has no lapse to begin anew
        coalesce(metrics.last_purchase_on, cast('1970-01-01' as date)) as bought_on,
        offered.item_name as subject
    from segment_members
    inner join campaigns
        on campaigns.trigger = 'segment'
        and segment_members.segment_id = campaigns.segment_id
    inner join metrics
        on segment_members.member_id = metrics.member_id
    left join offered
        on segment_members.member_id = offered.member_id
    where campaigns.wanted is null or offered.item_name is not null

),

-- every order is an occasion of its own
ordered as (

    select
        campaigns.campaign_id,
        goes_with.member_id,
        'order:' || goes_with.order_key as lapse_key,
        cast(null as date) as bought_on,
        goes_with.item_name as subject
    from goes_with
    inner join campaigns
        on campaigns.trigger = 'after_order'

),

triggered as (

    select * from lapsed

    union all

    select * from joined

    union all

    select * from listed

    union all

    select * from ordered

),

-- members may have been merged since they were chosen; whom a cap or the budget kept waiting is asked again
decided_before as (

    select
        history.campaign_id,
        coalesce(redirects.member_id, history.member_id) as member_id,
        history.lapse_key,
        history.business_date
    from {{ source('ops', 'candidate_history') }} as history
    left join {{ ref('int_identity_redirects') }} as redirects
        on history.member_id = redirects.retired_member_id
    where coalesce(history.outcome, '') not in ('capped', 'over_budget')

),

earlier as (

    select
        triggered.campaign_id,
        triggered.member_id,
        max(decided_before.business_date) as last_on,
        max(case when decided_before.lapse_key = triggered.lapse_key then 1 else 0 end) = 1 as has_key
    from triggered
    inner join decided_before
        on triggered.campaign_id = decided_before.campaign_id
        and triggered.member_id = decided_before.member_id
    group by triggered.campaign_id, triggered.member_id

),

final as (

    select
        triggered.campaign_id,
        triggered.member_id,
        case
            -- each time is an occasion, with a coupon of its own
            when campaigns.once = 'every_days'
                then triggered.lapse_key || '+' || cast(run_context.as_of_date as varchar)
            else triggered.lapse_key
        end as lapse_key,
        triggered.subject,
        run_context.as_of_date as business_date,
        run_context.due_on
    from triggered
    cross join run_context
    inner join campaigns
        on triggered.campaign_id = campaigns.campaign_id
    left join earlier
        on triggered.campaign_id = earlier.campaign_id
        and triggered.member_id = earlier.member_id
    where {{ may_choose_again('campaigns.once', 'campaigns.every_days', 'earlier', 'run_context.as_of_date', 'triggered.bought_on') }}

)

select * from final
