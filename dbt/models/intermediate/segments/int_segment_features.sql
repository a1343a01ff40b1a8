-- Grain: one row per member, with every value that the rules' segments ask for. The columns follow the rules.

{% set plan = var('segment_plan') %}

with

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

members as (

    select * from {{ ref('members') }}

),

member_metrics as (

    select * from {{ ref('member_metrics') }}

),

koc as (

    select * from {{ ref('koc') }}

),

churn_tiers as (

    select * from {{ ref('churn_tiers') }}

),

orders as (

    select * from {{ ref('orders') }}

),

order_lines as (

    select * from {{ ref('order_lines') }}

),

engagements as (

    select * from {{ ref('engagements') }}

),

wecom_tags as (

    select * from {{ ref('int_wecom_member_tags') }}

),

usual_items as (

    select * from {{ ref('member_usual_items') }}

),

locations as (

    select * from {{ ref('int_member_locations') }}

),

stores as (

    select store_code, lng, lat from {{ source('ops', 'stores') }} where lng is not null and lat is not null

),

segment_frame as (

    select
        members.member_id
        {%- for column in plan.frame %},
        {%- if column.is_ago %}
        {{ days_between(column.table ~ '.' ~ column.column, 'run_context.as_of_date') }} as {{ column.field }}
        {%- else %}
        {{ column.table }}.{{ column.column }} as {{ column.field }}
        {%- endif %}
        {%- endfor %}
    from members
    cross join run_context
    left join member_metrics
        on members.member_id = member_metrics.member_id
    left join koc
        on members.member_id = koc.member_id
    left join churn_tiers
        on members.member_id = churn_tiers.member_id

),

segment_orders as (

    select
        orders.member_id,
        orders.order_key,
        orders.channel,
        orders.store_code,
        orders.leader_id,
        orders.business_date,
        orders.ordered_at as happened_at,
        orders.spend_fen,
        {{ days_between('orders.business_date', 'run_context.as_of_date') }} as days_ago,
        {{ hour_of('orders.ordered_at') }} as hour_of_day,
        {{ iso_weekday('orders.business_date') }} as weekday
    from orders
    cross join run_context
    where
        orders.is_purchase
        and orders.member_id is not null
        and orders.business_date <= run_context.as_of_date

),

segment_lines as (

    select
        segment_orders.*,
        order_lines.line_no,
        order_lines.sku,
        order_lines.item_name,
        order_lines.category,
        order_lines.category_l1,
        order_lines.qty,
        order_lines.amount_fen - order_lines.refunded_fen as amount_fen,
        order_lines.is_discounted
    from segment_orders
    inner join order_lines
        on segment_orders.order_key = order_lines.order_key
    where order_lines.amount_fen - order_lines.refunded_fen > 0

),

segment_engagements as (

    select
        engagements.member_id,
        engagements.engagement_key,
        engagements.kind,
        engagements.channel,
        engagements.store_code,
        engagements.ref,
        engagements.amount_fen,
        engagements.points,
        engagements.business_date,
        engagements."at" as happened_at,
        {{ days_between('engagements.business_date', 'run_context.as_of_date') }} as days_ago,
        {{ hour_of('engagements."at"') }} as hour_of_day,
        {{ iso_weekday('engagements.business_date') }} as weekday
    from engagements
    cross join run_context
    where
        engagements.is_counted
        and engagements.member_id is not null
        and engagements.business_date <= run_context.as_of_date

),

segment_tags as (

    select
        wecom_tags.member_id,
        wecom_tags.tag,
        wecom_tags.author,
        {{ days_between('wecom_tags.since', 'run_context.as_of_date') }} as days_ago
    from wecom_tags
    cross join run_context

),

segment_usual_items as (

    select
        usual_items.member_id,
        usual_items.item_name,
        {{ days_between('usual_items.last_bought_on', 'run_context.as_of_date') }} as days_ago,
        usual_items.gap_days
    from usual_items
    cross join run_context

),

-- only as far as somebody asks; the box spares most distances, one degree of latitude is 111 km
segment_places as (

    select
        locations.member_id,
        stores.store_code,
        round({{ distance_km('locations.lng', 'locations.lat', 'stores.lng', 'stores.lat') }}, 3) as distance_km
    from locations
    inner join stores
        on stores.lat between locations.lat - {{ plan.reach_km }} / 110.0 and locations.lat + {{ plan.reach_km }} / 110.0

),

final as (

    select * from (
        {{ segment_features(plan, {
            'frame': 'segment_frame',
            'orders': 'segment_orders',
            'lines': 'segment_lines',
            'engagements': 'segment_engagements',
            'tags': 'segment_tags',
            'usual_items': 'segment_usual_items',
            'places': 'segment_places'
        }) }}
    ) as features

)

select * from final
