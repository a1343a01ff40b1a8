-- Grain: one row per campaign, member and lapse that was ever decided on, with what the member bought in the days after.
-- Who was merged since is the member of tonight. A hold-out gets no message: its days begin when one would have been due.

with

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

rule as (

    select
        recall_days,
        rule_hash
    from {{ source('ops', 'rule_churn') }}

),

decisions as (

    select
        candidates.campaign_id,
        coalesce(redirects.member_id, candidates.member_id) as member_id,
        candidates.lapse_key,
        candidates.arm,
        candidates.business_date,
        coalesce(cast(candidates.planned_at as date), {{ add_days('candidates.business_date', 1) }}) as due_on,
        candidates.outcome in ('sent', 'delivered') as is_reached
    from {{ ref('campaign_candidates') }} as candidates
    left join {{ ref('int_identity_redirects') }} as redirects
        on candidates.member_id = redirects.retired_member_id

),

contaminated as (

    select
        campaign_id,
        member_id
    from decisions
    group by campaign_id, member_id
    having count(distinct arm) > 1

),

assigned as (

    select
        campaign_id,
        member_id,
        lapse_key,
        min(arm) as arm,
        min(business_date) as assigned_on,
        min(due_on) as due_on,
        min(case when is_reached then due_on end) as reached_on
    from decisions
    group by campaign_id, member_id, lapse_key

),

purchases as (

    select
        member_id,
        channel,
        business_date,
        spend_fen
    from {{ ref('int_orders') }}
    where is_purchase and member_id in (select member_id from assigned)

),

-- who was asked for a first group order answers by one
answered as (

    select
        assigned.campaign_id,
        assigned.member_id,
        assigned.lapse_key,
        min(
            case when assigned.lapse_key <> 'first_group_order' or purchases.channel = 'groupbuy' then purchases.business_date end
        ) as returned_on,
        sum(
            case
                when {{ days_between('assigned.due_on', 'purchases.business_date') }} <= rule.recall_days then purchases.spend_fen
                else 0
            end
        ) as spend_fen
    from assigned
    cross join run_context
    cross join rule
    inner join purchases
        on assigned.member_id = purchases.member_id
        and purchases.business_date >= assigned.due_on
        and purchases.business_date <= run_context.as_of_date
    group by assigned.campaign_id, assigned.member_id, assigned.lapse_key

),

final as (

    select
        assigned.campaign_id,
        assigned.member_id,
        assigned.lapse_key,
        assigned.arm,
        assigned.assigned_on,
        assigned.due_on,
        assigned.reached_on,
        answered.returned_on,
        case
            when {{ days_between('assigned.due_on', 'answered.returned_on') }} <= rule.recall_days then true
            when {{ days_between('assigned.due_on', 'run_context.as_of_date') }} >= rule.recall_days then false
        end as is_returned,
        cast(coalesce(answered.spend_fen, 0) as bigint) as spend_fen,
        contaminated.member_id is not null as is_contaminated,
        rule.recall_days,
        rule.rule_hash
    from assigned
    cross join run_context
    cross join rule
    left join answered
        on assigned.campaign_id = answered.campaign_id
        and assigned.member_id = answered.member_id
        and assigned.lapse_key = answered.lapse_key
    left join contaminated
        on assigned.campaign_id = contaminated.campaign_id
        and assigned.member_id = contaminated.member_id

)

select * from final
