-- Grain: one row per member and category bought in 365 days; category '' is the whole top category.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key="member_id",
    meta={"affected": "int_stale_members", "number": "member_no"},
) }}
-- depends_on: {{ ref('int_stale_members') }}

{% set windows = window_lengths() %}

with

lines as (

    select
        order_no, member_no, business_date, days_ago, category_l1, category, kept_fen
    from {{ ref('int_purchase_lines') }}
    where days_ago < 365

),

members as (

    select member_no, member_id from {{ ref('int_member_windows') }}

),

-- lines of one purchase first, so that it counts once
categories as (

    select
        member_no,
        order_no,
        category_l1,
        category,
        min(business_date) as business_date,
        min(days_ago) as days_ago,
        cast(sum(kept_fen) as bigint) as spend_fen
    from lines
    group by member_no, order_no, category_l1, category

),

tops as (

    select
        member_no,
        order_no,
        category_l1,
        min(business_date) as business_date,
        min(days_ago) as days_ago,
        cast(sum(spend_fen) as bigint) as spend_fen
    from categories
    group by member_no, order_no, category_l1

),

{% for relation, key in [('tops', "''"), ('categories', 'category')] %}
{{ relation }}_by_member as (

    select
        member_no,
        category_l1,
        {{ key }} as category,
        {% for days in windows %}
        cast(count(*) filter (where days_ago < {{ days }}) as integer) as orders_{{ days }}d,
        cast(coalesce(sum(spend_fen) filter (where days_ago < {{ days }}), 0) as bigint) as spend_{{ days }}d_fen,
        {% endfor %}
        max(business_date) as last_bought_on
    from {{ relation }}
    -- what has no category is in the whole of its top category
    {{ "where category <> ''" if relation == 'categories' }}
    group by member_no, category_l1{{ ', category' if relation == 'categories' }}

),

{% endfor %}
totals as (

    select
        member_no,
        sum(spend_90d_fen) as spend_90d_fen
    from tops_by_member
    group by member_no

),

sums as (

    select * from tops_by_member

    union all

    select * from categories_by_member

)

select
    sums.member_no,
    members.member_id,
    sums.category_l1,
    sums.category,
    {% for days in windows %}
    sums.orders_{{ days }}d,
    {% endfor %}
    {% for days in windows %}
    sums.spend_{{ days }}d_fen,
    {% endfor %}
    case
        when totals.spend_90d_fen > 0 then cast(sums.spend_90d_fen as double) / cast(totals.spend_90d_fen as double)
    end as share_90d,
    sums.last_bought_on
from sums
inner join totals
    on sums.member_no = totals.member_no
inner join members
    on sums.member_no = members.member_no
