-- Grain: one row per campaign and arm. A member counts once, by her first lapse: what the message did to her decides
-- about the next. Whose ids stood in both arms is in neither, and counted beside them.

with

assignments as (

    select * from {{ ref('int_campaign_assignments') }}

),

campaigns as (

    select campaign_id, holdout_percent from {{ source('ops', 'rule_campaigns') }}

),

first_lapses as (

    select *
    from assignments
    where not is_contaminated
    qualify row_number() over (partition by campaign_id, member_id order by assigned_on, lapse_key) = 1

),

left_out as (

    select campaign_id, count(distinct member_id) as contaminated
    from assignments
    where is_contaminated
    group by campaign_id

),

counted as (

    select
        campaign_id,
        arm,
        count(*) as assigned,
        count(reached_on) as delivered,
        sum(case when is_returned then 1 else 0 end) as converted,
        sum(spend_fen) as spend_fen
    from first_lapses
    group by campaign_id, arm

),

final as (

    select
        counted.campaign_id,
        counted.arm,
        cast(counted.assigned as integer) as assigned,
        cast(counted.delivered as integer) as delivered,
        cast(counted.converted as integer) as converted,
        cast(counted.spend_fen as bigint) as spend_fen,
        cast(coalesce(left_out.contaminated, 0) as integer) as contaminated,
        campaigns.holdout_percent
    from counted
    left join left_out
        on counted.campaign_id = left_out.campaign_id
    left join campaigns
        on counted.campaign_id = campaigns.campaign_id

)

select * from final
