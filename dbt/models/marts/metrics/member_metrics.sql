-- Grain: one row per member, as of the night that is published. 30 days are the day itself and the 29 before it.

{% set windows = window_lengths() %}
{% set scores = {'rfm_r': 'days_since_purchase', 'rfm_f': 'orders_90d', 'rfm_m': 'spend_90d_fen'} %}

with

members as (

    select member_id, home_store_code from {{ ref('members') }}

),

run_context as (

    select as_of_date from {{ source('ops', 'run_context') }}

),

sums as (

    select
        windows.*,
        {{ days_between('windows.last_purchase_on', 'run_context.as_of_date') }} as days_since_purchase
    from {{ ref('int_member_windows') }} as windows
    cross join run_context

),

goods as (

    select * from {{ ref('int_member_goods') }}

),

prices as (

    select * from {{ ref('int_member_prices') }}

),

categories as {{ read_in_place() }} (

    select * from {{ ref('member_categories') }} where orders_90d > 0

),

usual_items as (

    select * from {{ ref('member_usual_items') }} where place = 1

),

refunds as (

    select member_id, business_date, amount_fen from {{ ref('refunds') }} where member_id is not null

),

engagements as (

    select
        member_id, kind, business_date
    from {{ ref('engagements') }}
    where member_id is not null and is_counted and kind in ('share', 'complaint')

),

balances as (

    select member_id, balance from {{ ref('points_balances') }}

),

coupons as (

    select member_id from {{ ref('coupons') }} where member_id is not null and status = 'issued'

),

staff as (

    select distinct member_id from {{ ref('record_members') }} where feed = 'staff' and member_id is not null

),

locations as (

    select * from {{ ref('int_member_locations') }}

),

pickups as (

    select * from {{ ref('int_member_pickups') }}

),

group_joins as (

    select * from {{ ref('int_member_group_joins') }}

),

stores as (

    select store_code, lng, lat from {{ source('ops', 'stores') }}

),

feeds as (

    select * from {{ source('ops', 'available_feeds') }}

),

rule as (

    select * from {{ source('ops', 'rule_metrics') }}

),

koc_rule as (

    select silent_share_days from {{ source('ops', 'rule_koc') }}

),

-- fifths among those who ever bought; everybody else scores 1
{% for score, measure in scores.items() %}
{{ score }} as (

    select
        {{ measure }} as measure,
        {{ fifth_of(measure ~ (' desc' if score == 'rfm_r' else '')) }} as fifth
    from sums
    group by {{ measure }}

),

{% endfor %}
tastes as (

    select
        member_id,
        cast(count(*) filter (where category <> '') as integer) as categories_90d
    from categories
    group by member_id

),

favourites as (

    select
        member_id, category_l1, share_90d
    from categories
    where category = '' and category_l1 <> ''
    qualify row_number() over (
        partition by member_id
        order by spend_90d_fen desc, orders_90d desc, category_l1
    ) = 1

),

refunded as (

    select
        refunds.member_id,
        sum(refunds.amount_fen) as refund_90d_fen
    from refunds
    cross join run_context
    where {{ days_between('refunds.business_date', 'run_context.as_of_date') }} between 0 and 89
    group by refunds.member_id

),

-- nobody knows who shares when no file of shares ever came, or none for long
share_feed as (

    select coalesce(
        max({{ days_between('feeds.last_night', 'run_context.as_of_date') }} < koc_rule.silent_share_days), false
    ) as is_available
    from feeds
    cross join run_context
    cross join koc_rule
    where feeds.kind = 'groupbuy' and feeds.feed = 'shares'

),

engaged as (

    select
        engagements.member_id,
        count(*) filter (
            where
                engagements.kind = 'share'
                and {{ in_window('engagements.business_date', 'run_context.as_of_date', koc_days()) }}
        ) as shares_30d,
        count(*) filter (where engagements.kind = 'complaint') as complaints
    from engagements
    cross join run_context
    where engagements.business_date <= run_context.as_of_date
    group by engagements.member_id

),

open_coupons as (

    select
        member_id,
        count(*) as coupons
    from coupons
    group by member_id

),

joined as (

    select group_joins.*
    from group_joins
    cross join run_context
    where group_joins.joined_group_on <= run_context.as_of_date

),

homes as (

    select
        members.member_id,
        round({{ distance_km('locations.lng', 'locations.lat', 'stores.lng', 'stores.lat') }}, 3) as distance_km
    from members
    inner join locations
        on members.member_id = locations.member_id
    inner join stores
        on members.home_store_code = stores.store_code
    where stores.lng is not null and stores.lat is not null

),

-- who buys again before she lapses shows up that long after the first day we have; before, nobody can tell who is new
begun as (

    select
        sums.member_no,
        {{ days_between('min(sums.first_purchase_on) over ()', 'sums.first_purchase_on') }} >= rule.lapsed_days as was_new
    from sums
    cross join rule

),

lives as (

    select
        sums.member_no,
        case
            when sums.days_since_purchase >= rule.lapsed_days then 'lapsed'
            when
                begun.was_new
                and {{ days_between('sums.first_purchase_on', 'run_context.as_of_date') }} < rule.new_days
                then 'new'
            when {{ days_between('sums.regained_on', 'run_context.as_of_date') }} < rule.regained_days then 'regained'
            else 'active'
        end as lifecycle,
        {{ add_days('sums.last_purchase_on', 'rule.lapsed_days') }} as lapsed_on,
        -- neither new nor regained any more
        greatest(
            case
                when begun.was_new then {{ add_days('sums.first_purchase_on', 'rule.new_days') }}
                else sums.first_purchase_on
            end,
            coalesce({{ add_days('sums.regained_on', 'rule.regained_days') }}, sums.first_purchase_on)
        ) as settled_on,
        case
            when sums.orders_90d > 0
                then {{ int_div('2 * sums.spend_90d_fen + sums.orders_90d', '2 * sums.orders_90d') }}
        end as basket_90d_fen
    from sums
    cross join rule
    cross join run_context
    inner join begun
        on sums.member_no = begun.member_no

)

select
    run_context.as_of_date,
    members.member_id,
    coalesce(sums.orders_30d, 0) as orders_30d,
    coalesce(sums.orders_90d, 0) as orders_90d,
    coalesce(sums.spend_7d_fen, 0) as spend_7d_fen,
    coalesce(sums.spend_30d_fen, 0) as spend_30d_fen,
    coalesce(sums.spend_90d_fen, 0) as spend_90d_fen,
    sums.days_since_purchase,
    coalesce(rfm_r.fifth, 1) as rfm_r,
    coalesce(rfm_f.fifth, 1) as rfm_f,
    coalesce(rfm_m.fifth, 1) as rfm_m,
    case when sums.pos_orders_30d > 0 then 1 else 0 end
    + case when sums.groupbuy_orders_30d > 0 then 1 else 0 end as channels_30d,
    coalesce(sums.orders_total, 0) as orders_total,
    coalesce(sums.pos_orders_total, 0) as pos_orders_total,
    coalesce(sums.groupbuy_orders_total, 0) as groupbuy_orders_total,
    coalesce(sums.pos_spend_30d_fen, 0) as counter_spend_30d_fen,
    coalesce(sums.groupbuy_spend_30d_fen, 0) as groupbuy_spend_30d_fen,
    coalesce(goods.high_margin_orders_total, 0) as high_margin_orders_total,
    sums.first_purchase_on,
    sums.last_purchase_on,
    joined.joined_group_on,
    (
        coalesce(sums.pos_orders_total, 0) > 0
        and coalesce(sums.groupbuy_orders_total, 0) = 0
        and joined.joined_group_on is not null
    ) as is_potential_group_buyer,
    {% for column in ['orders_7d', 'orders_365d'] %}
    coalesce(sums.{{ column }}, 0) as {{ column }},
    {% endfor %}
    coalesce(sums.spend_365d_fen, 0) as spend_365d_fen,
    {% for days in windows %}
    coalesce(sums.pos_orders_{{ days }}d, 0) as pos_orders_{{ days }}d,
    coalesce(sums.pos_spend_{{ days }}d_fen, 0) as pos_spend_{{ days }}d_fen,
    coalesce(sums.groupbuy_orders_{{ days }}d, 0) as groupbuy_orders_{{ days }}d,
    {% if days != 30 %}
    coalesce(sums.groupbuy_spend_{{ days }}d_fen, 0) as groupbuy_spend_{{ days }}d_fen,
    {% endif %}
    {% endfor %}
    coalesce(sums.visit_days_30d, 0) as visit_days_30d,
    coalesce(sums.visit_days_90d, 0) as visit_days_90d,
    lives.basket_90d_fen,
    coalesce(goods.items_90d, 0) as items_90d,
    coalesce(tastes.categories_90d, 0) as categories_90d,
    sums.gap_days,
    sums.newest_gap_days,
    prices.discount_share as discount_share_90d,
    prices.discount_index as discount_index_90d,
    coalesce(prices.price_sensitivity, 'unknown') as price_sensitivity,
    favourites.category_l1 as top_category_l1,
    favourites.share_90d as top_category_share,
    usual_items.item_name as usual_item,
    usual_items.gap_days as usual_item_gap_days,
    usual_items.next_due_on as usual_item_due_on,
    sums.busy_hour,
    sums.busy_weekday,
    homes.distance_km as home_distance_km,
    pickups.pickup_site,
    pickups.pickup_distance_km,
    coalesce(lives.lifecycle, 'none') as lifecycle,
    case lives.lifecycle
        when 'lapsed' then lives.lapsed_on
        when 'new' then sums.first_purchase_on
        when 'regained' then sums.regained_on
        when 'active' then lives.settled_on
    end as lifecycle_since,
    sums.regained_on,
    coalesce(sums.groupbuy_orders_total >= rule.groupbuy_star_orders, false) as is_groupbuy_star,
    sums.groupbuy_first_on,
    case when sums.orders_total > 0 then coalesce(goods.high_margin_orders_total, 0) = 0 end as never_high_margin,
    cast(coalesce(refunded.refund_90d_fen, 0) as bigint) as refund_90d_fen,
    case when share_feed.is_available then cast(coalesce(engaged.shares_30d, 0) as integer) end as shares_30d,
    cast(coalesce(engaged.complaints, 0) as integer) as complaints,
    balances.balance as points_balance,
    cast(coalesce(open_coupons.coupons, 0) as integer) as open_coupons,
    staff.member_id is not null as is_staff,
    rule.rule_hash
from members
cross join run_context
cross join rule
cross join share_feed
left join sums
    on members.member_id = sums.member_id
{% for of_buyers in ['lives', 'goods', 'prices', 'pickups'] %}
left join {{ of_buyers }}
    on sums.member_no = {{ of_buyers }}.member_no
{% endfor %}
{% for score, measure in scores.items() %}
left join {{ score }}
    on sums.{{ measure }} = {{ score }}.measure
{% endfor %}
{% for beside in ['tastes', 'favourites', 'usual_items', 'refunded', 'engaged', 'balances', 'open_coupons', 'joined', 'homes', 'staff'] %}
left join {{ beside }}
    on members.member_id = {{ beside }}.member_id
{% endfor %}
