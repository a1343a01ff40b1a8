-- Grain: one row per business date, shop and member: who was to be told of an evening list, as it was decided that day.

with

kept as (

    select * from {{ source('ops', 'markdown_kept_audience') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

near as (

    select * from {{ ref('int_markdown_near') }}

),

final as (

    select
        business_date,
        store_code,
        member_id,
        distance_km,
        orders_30d,
        rule_hash
    from kept

    union all

    select
        near.business_date,
        near.store_code,
        near.member_id,
        near.distance_km,
        near.orders_30d,
        near.rule_hash
    from near
    inner join run_context
        on near.business_date = run_context.stock_on

)

select * from final
