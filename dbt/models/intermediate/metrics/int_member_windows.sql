-- Grain: one row per member with a purchase up to the night that is published. Days ago count from that night, which is 0; what
-- moves every night for everybody is not kept here.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key="member_id",
    meta={"affected": "int_stale_members", "number": "member_no"},
) }}

{% set windows = window_lengths() %}

with

orders as (

    select
        member_no, member_id, channel, business_date, hour_of_day, weekday, spend_fen
    from {{ ref('int_orders') }}
    where is_listed and is_purchase and member_no is not null and {{ touched_rows('member_no', ref('int_stale_members')) }}

),

rule as (

    select lapsed_days from {{ source('ops', 'rule_metrics') }}

),

run_context as (

    select as_of_date from {{ source('ops', 'run_context') }}

),

-- a day is told apart from the purchase before it, so that several on one day are one visit
purchases as (

    select
        orders.*,
        {{ days_between('orders.business_date', 'run_context.as_of_date') }} as days_ago,
        lag(orders.business_date) over (partition by orders.member_no order by orders.business_date) as previous_on
    from orders
    cross join run_context
    where orders.business_date <= run_context.as_of_date

),

visits as (

    select
        purchases.*,
        purchases.previous_on is distinct from purchases.business_date as is_new_day,
        nullif({{ days_between('purchases.previous_on', 'purchases.business_date') }}, 0) as gap_days,
        rule.lapsed_days
    from purchases
    cross join rule

),

sums as (

    select
        member_no,
        min(member_id) as member_id,
        {% for days in windows %}
        cast(count(*) filter (where days_ago < {{ days }}) as integer) as orders_{{ days }}d,
        cast(coalesce(sum(spend_fen) filter (where days_ago < {{ days }}), 0) as bigint) as spend_{{ days }}d_fen,
        {% for channel in ['pos', 'groupbuy'] %}
        cast(count(*) filter (where days_ago < {{ days }} and channel = '{{ channel }}') as integer)
            as {{ channel }}_orders_{{ days }}d,
        cast(coalesce(sum(spend_fen) filter (where days_ago < {{ days }} and channel = '{{ channel }}'), 0) as bigint)
            as {{ channel }}_spend_{{ days }}d_fen,
        {% endfor %}
        {% endfor %}
        cast(count(*) as integer) as orders_total,
        cast(count(*) filter (where channel = 'pos') as integer) as pos_orders_total,
        cast(count(*) filter (where channel = 'groupbuy') as integer) as groupbuy_orders_total,
        cast(count(*) filter (where is_new_day and days_ago < 30) as integer) as visit_days_30d,
        cast(count(*) filter (where is_new_day and days_ago < 90) as integer) as visit_days_90d,
        min(business_date) as first_purchase_on,
        max(business_date) as last_purchase_on,
        min(business_date) filter (where channel = 'groupbuy') as groupbuy_first_on,
        {{ median_of('gap_days') }} as gap_days,
        -- the newest day before the last one
        max(previous_on) filter (where is_new_day) as previous_day_on,
        max(business_date) filter (where gap_days >= lapsed_days) as regained_on,
        -- a count and the value it belongs to in one number: the greatest is the most frequent, of several the smallest
        greatest(
            {% for hour in range(24) %}
            count(*) filter (where hour_of_day = {{ hour }}) * 24 + {{ 23 - hour }}{{ ',' if not loop.last }}
            {% endfor %}
        ) as busiest_hour,
        greatest(
            {% for weekday in range(1, 8) %}
            count(*) filter (where weekday = {{ weekday }}) * 8 + {{ 7 - weekday }}{{ ',' if not loop.last }}
            {% endfor %}
        ) as busiest_weekday
    from visits
    group by member_no

)

select
    member_no,
    member_id,
    {% for days in windows %}
    orders_{{ days }}d,
    spend_{{ days }}d_fen,
    pos_orders_{{ days }}d,
    pos_spend_{{ days }}d_fen,
    groupbuy_orders_{{ days }}d,
    groupbuy_spend_{{ days }}d_fen,
    {% endfor %}
    orders_total,
    pos_orders_total,
    groupbuy_orders_total,
    visit_days_30d,
    visit_days_90d,
    first_purchase_on,
    last_purchase_on,
    groupbuy_first_on,
    gap_days,
    {{ days_between('previous_day_on', 'last_purchase_on') }} as newest_gap_days,
    regained_on,
    cast(23 - busiest_hour % 24 as integer) as busy_hour,
    cast(7 - busiest_weekday % 8 as integer) as busy_weekday
from sums
