-- Grain: one row per member and place of a usual item.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key="member_id",
    meta={"affected": "int_stale_members", "number": "member_no"},
) }}
-- depends_on: {{ ref('int_stale_members') }}

with

rule as (

    select usual_min_times, usual_days, usual_items from {{ source('ops', 'rule_metrics') }}

),

lines as (

    select
        lines.order_no, lines.line_no, lines.member_no, lines.business_date, lines.ordered_at, lines.item_name, lines.sku
    from {{ ref('int_purchase_lines') }} as lines
    cross join rule
    where lines.item_name is not null and lines.days_ago < rule.usual_days

),

members as (

    select member_no, member_id from {{ ref('int_member_windows') }}

),

-- most items are bought too seldom: fewer lines than that are fewer purchases
often as (

    select
        lines.member_no,
        lines.item_name
    from lines
    cross join rule
    group by lines.member_no, lines.item_name, rule.usual_min_times
    having count(*) >= rule.usual_min_times

),

purchases as (

    select
        lines.member_no,
        lines.item_name,
        lines.order_no,
        lines.sku,
        lines.business_date,
        lines.ordered_at
    from lines
    inner join often
        on lines.member_no = often.member_no
        and lines.item_name = often.item_name
    qualify row_number() over (
        partition by lines.member_no, lines.item_name, lines.order_no
        order by lines.line_no desc
    ) = 1

),

in_order as (

    select
        *,
        lag(business_date) over (partition by member_no, item_name order by business_date) as previous_on,
        row_number() over (partition by member_no, item_name order by ordered_at desc, order_no desc) as from_last
    from purchases

),

items as (

    select
        in_order.member_no,
        in_order.item_name,
        cast(count(*) as integer) as times,
        max(in_order.sku) filter (where in_order.from_last = 1) as sku,
        max(in_order.ordered_at) as last_at,
        max(in_order.business_date) as last_bought_on,
        {{ median_of('nullif(' ~ days_between('in_order.previous_on', 'in_order.business_date') ~ ', 0)') }} as gap_days
    from in_order
    cross join rule
    group by in_order.member_no, in_order.item_name, rule.usual_min_times
    having count(*) >= rule.usual_min_times

),

placed as (

    select
        *,
        row_number() over (partition by member_no order by times desc, last_at desc, item_name) as place
    from items

)

select
    placed.member_no,
    members.member_id,
    cast(placed.place as integer) as place,
    placed.item_name,
    placed.sku,
    placed.times,
    placed.last_bought_on,
    placed.gap_days,
    -- half a day is the next one
    {{ add_days('placed.last_bought_on', 'ceil(placed.gap_days)') }} as next_due_on
from placed
cross join rule
inner join members
    on placed.member_no = members.member_no
where placed.place <= rule.usual_items
