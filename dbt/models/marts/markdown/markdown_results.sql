-- Grain: one row per shop, business date and product of the evening list, told from the night of that day on: what was
-- sold until the shop closed, beside what is usually sold in those hours. A night tells the days again that it touched.
{{ config(
    materialized="incremental",
    incremental_strategy="delete+insert",
    unique_key="business_date",
    on_schema_change="fail",
) }}

-- depends_on: {{ ref('int_touched_days') }}

with

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

rule as (

    select * from {{ source('ops', 'rule_markdown') }}

),

listed as (

    select listed.*
    from {{ ref('markdown_plan') }} as listed
    inner join run_context
        on listed.business_date <= run_context.as_of_date

),

stock as {{ read_in_place() }} (

    select * from {{ ref('stg_pos__stock') }}

),

orders as (

    select * from {{ ref('int_orders') }} where is_listed

),

lines as (

    select * from {{ ref('int_order_lines') }}

),

weeks as (

    {% for week in range(1, 53) %}
    select {{ week }} as week{% if not loop.last %}

    union all
    {% endif %}
    {% endfor %}

),

{% if is_incremental() %}
touched as (

    select business_date
    from {{ ref('int_touched_days') }}
    where fact in ('orders', 'order_lines')

),

{% endif %}
plan as (

    select * from listed
    {%- if is_incremental() %}
    where
        business_date not in (select business_date from {{ this }})
        or business_date in (select cast(snapshot_at as date) from stock where {{ arrived_tonight() }})
        or business_date in (select business_date from touched)
        -- a day tells what is usual for the same weekday of the weeks after it
        or business_date in (
            select {{ add_days('touched.business_date', '7 * weeks.week') }}
            from touched
            cross join weeks
            cross join rule
            where weeks.week <= rule.usual_weeks
        )
        or exists (select 1 from touched where business_date is null)
    {%- endif %}

),

-- the newest count of the afternoon, also one that came, or was corrected, after the list was made
counted as (

    select
        plan.store_code,
        plan.business_date,
        plan.sku,
        stock.on_hand_qty
    from plan
    cross join rule
    inner join stock
        on plan.store_code = stock.store_code
        and plan.sku = stock.sku
        and plan.business_date = cast(stock.snapshot_at as date)
    where {{ is_afternoon_count('stock.snapshot_at', 'rule') }}
    qualify row_number() over (
        partition by plan.store_code, plan.business_date, plan.sku
        order by stock.snapshot_at desc, stock.connection
    ) = 1

),

-- the evenings that matter: those of the lists, and the same weekday of the weeks before
evenings as (

    select
        store_code,
        sku,
        business_date as list_date,
        business_date as sold_on
    from plan

    union all

    select
        plan.store_code,
        plan.sku,
        plan.business_date,
        {{ add_days('plan.business_date', '-7 * weeks.week') }}
    from plan
    cross join rule
    inner join weeks
        on weeks.week <= rule.usual_weeks

),

till as (

    select
        orders.order_no,
        orders.store_code,
        orders.business_date,
        orders.ordered_at >= {{ at_clock('orders.business_date', 'rule.start_at') }} as is_evening
    from orders
    cross join rule
    where
        orders.channel = 'pos'
        and not orders.is_test
        and orders.business_date in (select sold_on from evenings)

),

-- a day on which the till is silent says nothing of what is usual
open_days as (

    select distinct store_code, business_date from till

),

sold as (

    select
        till.store_code,
        till.business_date,
        lines.sku,
        sum(lines.qty) as qty,
        sum(lines.amount_fen - lines.refunded_fen) as amount_fen
    from till
    inner join lines
        on till.order_no = lines.order_no
    where
        till.is_evening
        and lines.sku in (select sku from plan)
        and lines.business_date in (select sold_on from evenings)
        -- what came back whole was not sold
        and (lines.refunded_fen = 0 or lines.amount_fen > lines.refunded_fen)
    group by till.store_code, till.business_date, lines.sku

),

usual as (

    select
        evenings.store_code,
        evenings.sku,
        evenings.list_date,
        -- in thousandths, so that the mean of two is exact
        {{ median_of('cast(coalesce(sold.qty, 0) * 1000 as bigint)') }} as thousandths
    from evenings
    inner join open_days
        on evenings.store_code = open_days.store_code
        and evenings.sold_on = open_days.business_date
    left join listed
        on evenings.store_code = listed.store_code
        and evenings.sku = listed.sku
        and evenings.sold_on = listed.business_date
    left join sold
        on evenings.store_code = sold.store_code
        and evenings.sku = sold.sku
        and evenings.sold_on = sold.business_date
    where
        evenings.sold_on < evenings.list_date
        and listed.sku is null
    group by evenings.store_code, evenings.sku, evenings.list_date

),

told as (

    select
        plan.store_code,
        plan.business_date,
        plan.sku,
        plan.markdown_fen,
        coalesce(counted.on_hand_qty, plan.on_hand_qty) as left_qty,
        cast(coalesce(sold.qty, 0) as decimal(18, 3)) as sold_qty,
        cast(coalesce(sold.amount_fen, 0) as bigint) as sold_fen,
        cast(round(usual.thousandths, 0) / 1000 as decimal(18, 3)) as usual_qty
    from plan
    left join counted
        on plan.store_code = counted.store_code
        and plan.business_date = counted.business_date
        and plan.sku = counted.sku
    left join sold
        on plan.store_code = sold.store_code
        and plan.business_date = sold.business_date
        and plan.sku = sold.sku
    left join usual
        on plan.store_code = usual.store_code
        and plan.business_date = usual.list_date
        and plan.sku = usual.sku

),

final as (

    select
        store_code,
        business_date,
        sku,
        left_qty,
        sold_qty,
        sold_fen,
        usual_qty,
        case
            when usual_qty is not null then cast(greatest(left_qty - usual_qty, 0) as decimal(18, 3))
        end as would_be_wasted_qty,
        cast(greatest(left_qty - sold_qty, 0) as decimal(18, 3)) as wasted_qty,
        case
            when usual_qty is not null then {{ fen_times('greatest(sold_qty - usual_qty, 0)', 'markdown_fen') }}
        end as saved_fen,
        rule.rule_hash
    from told
    cross join rule

)

select * from final
