-- Grain: one row per month, connection and staff member who brought somebody; the month is that of the join.

with

joins as (

    select * from {{ ref('int_group_joins') }} where is_first and staff_id is not null

),

record_members as (

    select member_id from {{ ref('record_members') }} where feed in ('staff', 'leaders') and member_id is not null

),

orders as (

    select * from {{ ref('int_orders') }} where channel = 'groupbuy' and is_purchase

),

rule as (

    select * from {{ source('ops', 'rule_commission') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

-- whoever is on the payroll herself is no customer who was brought
brought as (

    select
        joins.*,
        {{ key_hash('joins.member_id') }} as member_no
    from joins
    cross join run_context
    where
        joins.business_date <= run_context.as_of_date
        and joins.member_id not in (select member_id from record_members)

),

first_orders as (

    select
        member_no,
        ordered_at,
        business_date,
        row_number() over (partition by member_no order by ordered_at, order_key) as place
    from orders
    where member_no in (select member_no from brought)

),

judged as (

    select
        brought.business_date,
        brought.staff_connection,
        brought.staff_id,
        brought.store_code,
        {{ days_between('brought.business_date', 'brought.last_seen_on') }} >= rule.cashier_stay_days as has_stayed,
        coalesce(
            {{ days_between('brought.business_date', 'first_orders.business_date') }}
            between 0 and rule.cashier_first_order_days,
            false
        ) as has_ordered
    from brought
    cross join rule
    left join first_orders
        on brought.member_no = first_orders.member_no
        and first_orders.place = 1
    -- who ordered in the group before was not brought by anybody
    where
        first_orders.member_no is null
        or first_orders.ordered_at >= coalesce(brought.joined_at, cast(brought.business_date as timestamp))

),

counted as (

    select
        {{ month_text('business_date') }} as month,
        staff_connection as connection,
        staff_id,
        min(store_code) as store_code,
        count(*) as joined_members,
        sum(case when has_stayed then 1 else 0 end) as stayed_members,
        sum(case when has_ordered then 1 else 0 end) as first_orders
    from judged
    group by {{ month_text('business_date') }}, staff_connection, staff_id

)

select
    counted.month,
    counted.connection,
    counted.staff_id,
    counted.store_code,
    cast(counted.joined_members as integer) as joined_members,
    cast(counted.stayed_members as integer) as stayed_members,
    cast(counted.first_orders as integer) as first_orders,
    cast(
        counted.stayed_members * rule.cashier_join_fen + counted.first_orders * rule.cashier_first_order_fen
        as bigint
    ) as amount_fen,
    rule.rule_hash
from counted
cross join rule
