-- Grain: one row per month and place; an order is worth what is left of it, in its own month.

with

commissions as (

    select * from {{ ref('commissions') }}

),

statements as (

    select * from {{ ref('commission_statements') }}

),

members as (

    select member_id, home_store_code from {{ ref('members') }}

),

rule as (

    select rule_hash from {{ source('ops', 'rule_commission') }}

),

orders as (

    select
        order_key,
        beneficiary_member_id as member_id,
        min(case when entry_no = 0 then month end) as month,
        sum(base_fen) as left_fen
    from commissions
    where level = 1
    group by order_key, beneficiary_member_id

),

brought as (

    select
        month,
        member_id,
        count(*) as orders,
        sum(left_fen) as left_fen
    from orders
    where left_fen > 0
    group by month, member_id

)

select
    brought.month,
    cast(row_number() over (
        partition by brought.month
        order by brought.left_fen desc, brought.orders desc, brought.member_id
    ) as integer) as place,
    brought.member_id,
    cast(brought.orders as integer) as brought_orders,
    cast(brought.left_fen as bigint) as brought_fen,
    statements.level1_fen + statements.level2_fen + statements.clawed_back_fen as commission_fen,
    members.home_store_code as store_code,
    rule.rule_hash
from brought
cross join rule
inner join statements
    on brought.month = statements.month
    and brought.member_id = statements.beneficiary_member_id
left join members
    on brought.member_id = members.member_id
