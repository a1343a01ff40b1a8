-- Grain: one row per month, kind of party and party. Sales stand in the month of the order, refunds in that of the refund,
-- commission in that of its entry. Orders without a shop stand under 'unknown'.

with

orders as (

    select
        orders.order_no,
        coalesce(orders.store_code, 'unknown') as store_code,
        orders.business_date,
        orders.net_fen,
        orders.is_test or orders.business_date > run_context.as_of_date as is_outside
    from {{ ref('int_orders') }} as orders
    cross join {{ source('ops', 'run_context') }} as run_context
    where orders.is_listed

),

refunds as (

    select * from {{ ref('int_refunds') }} where amount_fen <> 0

),

commissions as (

    select * from {{ ref('commissions') }}

),

earnings as {{ read_in_place() }} (

    select * from {{ ref('int_leader_earnings') }}

),

incentives as (

    select * from {{ ref('staff_incentives') }}

),

rule as (

    select rule_hash from {{ source('ops', 'rule_commission') }}

),

leaders as (

    select * from {{ ref('stg_groupbuy__leaders') }}

),

sold as (

    select
        business_date,
        store_code,
        sum(net_fen) as sales_fen
    from orders
    where not is_outside
    group by business_date, store_code

),

-- month, party, sales, refunds, commission, incentives
of_shops as (

    select
        {{ month_text('business_date') }} as month,
        store_code,
        sales_fen,
        0 as refund_fen,
        0 as commission_fen,
        0 as incentive_fen
    from sold

    union all

    select
        {{ month_text('business_date') }},
        coalesce(store_code, 'unknown'),
        0,
        sum(amount_fen),
        0,
        0
    from refunds
    where order_no not in (select order_no from orders where is_outside)
    group by {{ month_text('business_date') }}, coalesce(store_code, 'unknown')

    union all

    select
        month,
        coalesce(store_code, 'unknown'),
        0,
        0,
        sum(amount_fen),
        0
    from commissions
    group by month, coalesce(store_code, 'unknown')

    union all

    select
        month,
        coalesce(store_code, 'unknown'),
        0,
        0,
        sum(amount_fen),
        0
    from earnings
    group by month, coalesce(store_code, 'unknown')

    union all

    select
        month,
        coalesce(store_code, 'unknown'),
        0,
        0,
        0,
        sum(amount_fen)
    from incentives
    group by month, coalesce(store_code, 'unknown')

),

shops as (

    select
        month,
        'shop' as party_kind,
        store_code as party_id,
        store_code,
        sum(sales_fen) as sales_fen,
        sum(refund_fen) as refund_fen,
        sum(commission_fen) as commission_fen,
        sum(incentive_fen) as incentive_fen,
        sum(sales_fen) - sum(refund_fen) - sum(commission_fen) - sum(incentive_fen) as due_fen
    from of_shops
    group by month, store_code

),

-- a leader is due the commission; what was sold is told of group-buy, counter sales are the shop's
of_leaders as (

    select
        earnings.month,
        'leader' as party_kind,
        earnings.connection || ':' || earnings.leader_id as party_id,
        min(leaders.store_code) as store_code,
        sum(case when earnings.channel = 'groupbuy' then earnings.sales_fen else 0 end) as sales_fen,
        sum(case when earnings.channel = 'groupbuy' then earnings.refund_fen else 0 end) as refund_fen,
        sum(earnings.amount_fen) as commission_fen,
        0 as incentive_fen,
        sum(earnings.amount_fen) as due_fen
    from earnings
    inner join leaders
        on earnings.connection = leaders.connection
        and earnings.leader_id = leaders.leader_id
    group by earnings.month, earnings.connection, earnings.leader_id

),

parties as (

    select * from shops

    union all

    select * from of_leaders

)

select
    month,
    party_kind,
    party_id,
    store_code,
    cast(sales_fen as bigint) as sales_fen,
    cast(refund_fen as bigint) as refund_fen,
    cast(sales_fen - refund_fen as bigint) as net_fen,
    cast(commission_fen as bigint) as commission_fen,
    cast(incentive_fen as bigint) as incentive_fen,
    cast(due_fen as bigint) as due_fen,
    rule.rule_hash
from parties
cross join rule
