-- Grain: one row per recall campaign, member and lapse, of those who got a message and of those who were left alone.

with

assignments as (

    select * from {{ ref('int_campaign_assignments') }}

),

campaigns as (

    select * from {{ source('ops', 'rule_campaigns') }}

),

members as (

    select member_id, home_store_code from {{ ref('members') }}

),

final as (

    select
        assignments.campaign_id,
        assignments.member_id,
        assignments.lapse_key,
        assignments.arm,
        campaigns.tier,
        assignments.assigned_on,
        assignments.reached_on,
        assignments.returned_on,
        assignments.is_returned,
        assignments.spend_fen,
        members.home_store_code as store_code,
        assignments.is_contaminated,
        assignments.recall_days,
        assignments.rule_hash
    from assignments
    left join campaigns
        on assignments.campaign_id = campaigns.campaign_id
    left join members
        on assignments.member_id = members.member_id
    -- of a campaign without a rule its key tells: that of a lapse is a date
    where
        assignments.lapse_key <> 'first_group_order'
        and assignments.lapse_key not like '%:%'
        and coalesce(campaigns.trigger, 'churn_tier') = 'churn_tier'

)

select * from final
