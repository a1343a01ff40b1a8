-- Grain: one row per item and item that goes with it.

with

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

rule as (

    select * from {{ source('ops', 'rule_pairs') }}

),

pair_days as (

    select pair_days.*
    from {{ ref('int_pair_days') }} as pair_days
    cross join run_context
    cross join rule
    where
        pair_days.business_date <= run_context.as_of_date
        and pair_days.business_date > {{ add_days('run_context.as_of_date', '-rule.days') }}

),

counted as (

    select
        item_a_no,
        item_b_no,
        cast(sum(orders) as bigint) as orders,
        min(item_name) as item_name
    from pair_days
    group by item_a_no, item_b_no

),

alone as (

    select item_a_no as item_no, item_name, orders from counted where item_a_no = item_b_no and item_a_no <> 0

),

everything as (

    select orders from counted where item_a_no = 0 and item_b_no = 0

),

both_ways as (

    select item_a_no, item_b_no, orders from counted where item_a_no <> item_b_no

    union all

    select item_b_no, item_a_no, orders from counted where item_a_no <> item_b_no

),

-- whole numbers decide, so that a pair at the threshold is in
lifted as (

    select
        both_ways.item_a_no,
        both_ways.item_b_no,
        a.item_name as item_a,
        b.item_name as item_b,
        a.orders as orders_a,
        b.orders as orders_b,
        both_ways.orders as together,
        everything.orders as orders_all,
        rule.per_item,
        rule.rule_hash
    from both_ways
    cross join everything
    cross join rule
    inner join alone as a
        on both_ways.item_a_no = a.item_no
    inner join alone as b
        on both_ways.item_b_no = b.item_no
    where
        both_ways.orders >= rule.min_orders
        and both_ways.orders * 1000000 >= everything.orders * cast(rule.min_support_ppm as bigint)
        and both_ways.orders * everything.orders * 1000 >= a.orders * b.orders * cast(rule.min_lift_permille as bigint)

),

ranked as (

    select
        lifted.*,
        -- of one item the lift goes with together / orders_b
        row_number() over (
            partition by item_a_no
            order by cast(together as double) / orders_b desc, together desc, item_b
        ) as place
    from lifted

),

final as (

    select
        item_a,
        item_b,
        cast(orders_a as integer) as orders_a,
        cast(orders_b as integer) as orders_b,
        cast(together as integer) as together,
        cast(orders_all as integer) as orders_all,
        cast(together as double) / orders_all as support,
        cast(together as double) / orders_a as confidence,
        cast(together * orders_all as double) / (orders_a * orders_b) as lift,
        cast(place as integer) as place,
        rule_hash
    from ranked
    where place <= per_item

)

select * from final
