-- Grain: one row per month, connection and leader with an order or a refund.

with

earnings as (

    select * from {{ ref('int_leader_earnings') }}

),

leaders as (

    select * from {{ ref('stg_groupbuy__leaders') }}

),

rule as (

    select rule_hash from {{ source('ops', 'rule_commission') }}

),

counted as (

    select
        month,
        connection,
        leader_id,
        count(distinct case when is_purchase then member_id end) as members,
        sum(case when is_purchase and channel = 'groupbuy' then 1 else 0 end) as groupbuy_orders,
        sum(case when channel = 'groupbuy' then spend_fen else 0 end) as groupbuy_fen,
        sum(case when channel = 'groupbuy' then refund_fen else 0 end) as refund_fen,
        sum(case when is_purchase and channel = 'pos' then 1 else 0 end) as counter_orders,
        sum(case when channel = 'pos' then spend_fen else 0 end) as counter_fen,
        sum(case when channel = 'groupbuy' then amount_fen else 0 end) as commission_fen,
        sum(case when channel = 'pos' then amount_fen else 0 end) as counter_commission_fen
    from earnings
    group by month, connection, leader_id

)

select
    counted.month,
    counted.connection,
    counted.leader_id,
    leaders.store_code,
    cast(counted.members as integer) as members,
    cast(counted.groupbuy_orders as integer) as groupbuy_orders,
    cast(counted.groupbuy_fen as bigint) as groupbuy_fen,
    cast(counted.refund_fen as bigint) as refund_fen,
    cast(counted.counter_orders as integer) as counter_orders,
    cast(counted.counter_fen as bigint) as counter_fen,
    cast(counted.commission_fen as bigint) as commission_fen,
    cast(counted.counter_commission_fen as bigint) as counter_commission_fen,
    rule.rule_hash
from counted
cross join rule
inner join leaders
    on counted.connection = leaders.connection
    and counted.leader_id = leaders.leader_id
