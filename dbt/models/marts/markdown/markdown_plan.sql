-- Grain: one row per shop, business date and product on the evening list, as it was decided that day.

with

kept as (

    select * from {{ source('ops', 'markdown_kept_plan') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

listed as (

    select * from {{ ref('int_markdown_listed') }}

),

near as (

    select store_code, business_date, count(*) as members
    from {{ ref('int_markdown_near') }}
    group by store_code, business_date

),

final as (

    select
        store_code,
        business_date,
        sku,
        item_name,
        category,
        unit,
        on_hand_qty,
        received_qty,
        left_ratio,
        snapshot_at,
        price_fen,
        markdown_fen,
        price_factor,
        audience_size,
        rule_hash
    from kept

    union all

    select
        listed.store_code,
        listed.business_date,
        listed.sku,
        listed.item_name,
        listed.category,
        listed.unit,
        listed.on_hand_qty,
        listed.received_qty,
        listed.left_ratio,
        listed.snapshot_at,
        listed.price_fen,
        listed.markdown_fen,
        listed.price_factor,
        cast(coalesce(near.members, 0) as integer),
        listed.rule_hash
    from listed
    -- decided just now; a later run finds it kept
    inner join run_context
        on listed.business_date = run_context.stock_on
    left join near
        on listed.store_code = near.store_code
        and listed.business_date = near.business_date

)

select * from final
