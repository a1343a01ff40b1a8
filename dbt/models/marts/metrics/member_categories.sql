-- Grain: one row per member and category bought in 365 days; category '' is the whole top category.

{% set windows = [7, 30, 90, 365] %}

with

lines as (

    select
        order_no, member_no, business_date, days_ago, category_l1, category, kept_fen
    from {{ ref('int_purchase_lines') }}
    where member_no is not null and days_ago < 365

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
        min(days_ago) as days_ago,
        sum(kept_fen) as spend_fen
    from lines
    group by member_no, order_no, category_l1, category

),

tops as (

    select
        member_no,
        order_no,
        category_l1,
        min(days_ago) as days_ago,
        sum(spend_fen) as spend_fen
    from categories
    group by member_no, order_no, category_l1

),

bought as (

    select member_no, category_l1, '' as category, days_ago, spend_fen from tops

    union all

    -- what has no category is in the whole already
    select member_no, category_l1, category, days_ago, spend_fen from categories where category <> ''

),

sums as (

    select
        member_no,
        category_l1,
        category,
        {% for days in windows %}
        cast(count(*) filter (where days_ago < {{ days }}) as integer) as orders_{{ days }}d,
        cast(coalesce(sum(spend_fen) filter (where days_ago < {{ days }}), 0) as bigint) as spend_{{ days }}d_fen,
        {% endfor %}
        min(days_ago) as days_ago
    from bought
    group by member_no, category_l1, category

),

totals as (

    select
        member_no,
        sum(spend_90d_fen) as spend_90d_fen
    from sums
    where category = ''
    group by member_no

),

run_context as (

    select as_of_date from {{ source('ops', 'run_context') }}

)

select
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
    {{ add_days('run_context.as_of_date', '-sums.days_ago') }} as last_bought_on
from sums
cross join run_context
inner join totals
    on sums.member_no = totals.member_no
inner join members
    on sums.member_no = members.member_no
