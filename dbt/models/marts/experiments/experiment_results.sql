-- Grain: one row per campaign and arm, as of the night that is published.

with

run_context as (

    select as_of_date from {{ source('ops', 'run_context') }}

),

rule as (

    select
        recall_days,
        rule_hash
    from {{ source('ops', 'rule_churn') }}

),

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

statistics as (

    select * from {{ ref('int_experiment_statistics') }}

),

final as (

    select
        arms.campaign_id,
        run_context.as_of_date,
        arms.arm,
        arms.assigned,
        arms.delivered,
        arms.converted,
        arms.spend_fen,
        statistics.lift,
        statistics.ci_low,
        statistics.ci_high,
        statistics.srm_p,
        statistics.always_valid_p,
        arms.contaminated,
        rule.recall_days,
        rule.rule_hash
    from arms
    cross join run_context
    cross join rule
    inner join statistics
        on arms.campaign_id = statistics.campaign_id
        and arms.arm = statistics.arm

)

select * from final
