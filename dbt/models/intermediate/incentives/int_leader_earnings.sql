-- Grain: one row per order that is credited to a leader, and entry: 0 earns on what was paid, in the month of the order;
-- each later day of refunds takes back, in the month of the refund.
-- A group-buy order is its leader's. A counter sale is that of the leader of the member's newest group-buy purchase with
-- one at or before it, for as many days as the rule says.

with

leaders as (

    select
        connection,
        leader_id,
        store_code
    from {{ ref('stg_groupbuy__leaders') }}

),

refunds as (

    select order_no, business_date, amount_fen from {{ ref('int_refunds') }} where amount_fen <> 0

),

rule as (

    select * from {{ source('ops', 'rule_commission') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

-- staff and tests earn nobody anything
sales as {{ read_in_place() }} (

    select *
    from {{ ref('int_orders') }}
    where
        is_listed
        and net_fen > 0
        and not is_test
        and not is_staff
        and business_date <= (select as_of_date from run_context)

),

of_leaders as (

    select sales.*
    from sales
    inner join leaders
        on sales.connection = leaders.connection
        and sales.leader_id = leaders.leader_id
    where sales.channel = 'groupbuy'

),

bonds as (

    select
        member_no,
        ordered_at,
        business_date,
        connection,
        leader_id,
        row_number() over (partition by member_no order by ordered_at, order_key) as bond_no
    from of_leaders
    where is_purchase and member_no is not null

),

-- how many bonds there were by the time of each counter sale: the newest has that number
counter as (

    select
        order_no,
        member_no,
        business_date,
        is_bond,
        cast(sum(case when is_bond then 1 else 0 end) over (
            partition by member_no
            order by ordered_at, is_bond desc
            rows between unbounded preceding and current row
        ) as bigint) as bond_no
    from (
        select
            member_no,
            cast(null as bigint) as order_no,
            ordered_at,
            business_date,
            true as is_bond
        from bonds

        union all

        select
            member_no,
            order_no,
            ordered_at,
            business_date,
            false
        from sales
        where channel = 'pos' and member_no in (select member_no from bonds)
    ) as both_channels

),

bindings as (

    select
        counter.order_no,
        bonds.connection,
        bonds.leader_id
    from counter
    cross join rule
    inner join bonds
        on counter.member_no = bonds.member_no
        and counter.bond_no = bonds.bond_no
    where
        not counter.is_bond
        and {{ days_between('bonds.business_date', 'counter.business_date') }} <= rule.leader_bind_days

),

leaders_of_sales as (

    select order_no, connection, leader_id from of_leaders

    union all

    select order_no, connection, leader_id from bindings

),

credited as (

    select
        sales.order_key,
        sales.order_no,
        sales.channel,
        leaders_of_sales.connection,
        leaders_of_sales.leader_id,
        sales.store_code,
        sales.member_id,
        sales.business_date,
        sales.net_fen,
        sales.spend_fen,
        sales.is_purchase
    from sales
    inner join leaders_of_sales
        on sales.order_no = leaders_of_sales.order_no

),

given_back as (

    select
        order_no,
        business_date,
        sum(amount_fen) as amount_fen
    from refunds
    where order_no in (select order_no from credited)
    group by order_no, business_date

),

left_over as (

    select
        credited.*,
        given_back.business_date as refunded_on,
        given_back.amount_fen as refund_fen,
        sum(given_back.amount_fen) over (
            partition by credited.order_no
            order by given_back.business_date
            rows between unbounded preceding and current row
        ) as back_fen,
        row_number() over (partition by credited.order_no order by given_back.business_date) as entry_no
    from credited
    inner join given_back
        on credited.order_no = given_back.order_no

),

entries as (

    select
        order_key,
        0 as entry_no,
        business_date,
        channel,
        connection,
        leader_id,
        store_code,
        member_id,
        is_purchase,
        spend_fen,
        net_fen as sales_fen,
        0 as refund_fen,
        net_fen as left_fen,
        0 as left_before_fen
    from credited

    union all

    select
        order_key,
        entry_no,
        refunded_on,
        channel,
        connection,
        leader_id,
        store_code,
        member_id,
        false,
        0,
        0,
        refund_fen,
        greatest(net_fen - back_fen, 0),
        greatest(net_fen - back_fen + refund_fen, 0)
    from left_over

),

rated as (

    select
        entries.*,
        case when entries.channel = 'pos' then rule.leader_counter_bp else rule.leader_groupbuy_bp end as rate_bp
    from entries
    cross join rule

)

select
    order_key,
    cast(entry_no as integer) as entry_no,
    business_date,
    {{ month_text('business_date') }} as month,
    channel,
    connection,
    leader_id,
    store_code,
    member_id,
    is_purchase,
    cast(spend_fen as bigint) as spend_fen,
    cast(sales_fen as bigint) as sales_fen,
    cast(refund_fen as bigint) as refund_fen,
    {{ half_up('left_fen', 'rate_bp') }} - {{ half_up('left_before_fen', 'rate_bp') }} as amount_fen
from rated
