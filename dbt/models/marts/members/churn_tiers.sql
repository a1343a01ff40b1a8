-- Grain: one row per member who ever bought, as of the night that is published.

with

metrics as (

    select
        as_of_date,
        member_id,
        last_purchase_on,
        days_since_purchase,
        usual_item
    from {{ ref('member_metrics') }}

),

rule as (

    select * from {{ source('ops', 'rule_churn') }}

),

tiers as (

    select
        metrics.as_of_date,
        metrics.member_id,
        metrics.last_purchase_on,
        metrics.days_since_purchase as days_since,
        case
            when metrics.days_since_purchase >= rule.l3_days then 'L3'
            when metrics.days_since_purchase >= rule.l2_days then 'L2'
            when metrics.days_since_purchase >= rule.l1_days then 'L1'
            else 'active'
        end as tier,
        case
            when metrics.days_since_purchase >= rule.l3_days then rule.l3_days
            when metrics.days_since_purchase >= rule.l2_days then rule.l2_days
            when metrics.days_since_purchase >= rule.l1_days then rule.l1_days
            else 0
        end as tier_days,
        -- the list is called from and messages name it: never what tells of health, pregnancy or children
        case when not {{ is_sensitive('metrics.usual_item') }} then metrics.usual_item end as usual_item,
        rule.rule_hash
    from metrics
    cross join rule
    where metrics.days_since_purchase is not null

)

select
    tiers.as_of_date,
    tiers.member_id,
    tiers.last_purchase_on,
    tiers.days_since,
    tiers.tier,
    {{ add_days('tiers.last_purchase_on', 'tiers.tier_days') }} as entered_on,
    tiers.usual_item,
    -- a lapse is named by the purchase it began with
    cast(tiers.last_purchase_on as varchar) as lapse_key,
    tiers.rule_hash
from tiers
