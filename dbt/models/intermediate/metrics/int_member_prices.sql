-- Grain: one row per member with goods from the till within the days of price sensitivity. What is compared: the share of
-- her amount that was discounted, and the same share of everything sold in the same shop, on the same day, of the same
-- category, in proportion to her own amounts. Gifts cost nothing and say nothing.

with

rule as (

    select * from {{ source('ops', 'rule_metrics') }}

),

lines as (

    select * from {{ ref('int_till_lines') }}

),

-- shares in thousand millionths, so that sums do not depend on their order
offers as (

    select
        store_code,
        business_date,
        category,
        {{ int_div(
            'cast(coalesce(sum(amount_fen) filter (where is_discounted), 0) as bigint) * 1000000000',
            'cast(sum(amount_fen) as bigint)'
        ) }} as share_ppb
    from lines
    group by store_code, business_date, category

),

members as (

    select
        lines.member_no,
        cast(count(*) as integer) as lines,
        cast(sum(lines.amount_fen) as bigint) as amount_fen,
        cast(coalesce(sum(lines.amount_fen) filter (where lines.is_discounted), 0) as bigint) as discounted_fen,
        sum(cast(lines.amount_fen as decimal(38, 0)) * offers.share_ppb) as expected_ppb
    from lines
    inner join offers
        on lines.store_code = offers.store_code
        and lines.business_date = offers.business_date
        and lines.category = offers.category
    where lines.member_no is not null
    group by lines.member_no

),

judged as (

    select
        members.*,
        cast(discounted_fen as decimal(38, 0)) * 1000000000 as own_ppb,
        members.lines >= rule.price_min_lines and members.expected_ppb > 0 as is_known,
        rule.price_sensitive_index_permille,
        rule.quality_index_permille
    from members
    cross join rule

)

select
    member_no,
    lines,
    cast(discounted_fen as double) / amount_fen as discount_share,
    case when is_known then cast(own_ppb as double) / cast(expected_ppb as double) end as discount_index,
    case
        when not is_known then 'unknown'
        when own_ppb * 1000 >= expected_ppb * price_sensitive_index_permille then 'sensitive'
        when own_ppb * 1000 <= expected_ppb * quality_index_permille then 'quality'
        else 'neutral'
    end as price_sensitivity
from judged
