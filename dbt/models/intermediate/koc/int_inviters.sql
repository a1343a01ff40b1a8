-- Grain: one row per member who was brought by somebody we know: by the code her oldest account was registered with,
-- else by the code of her first paid group-buy order.

with

accounts as (

    select * from {{ ref('int_invite_accounts') }}

),

codes as (

    select * from {{ ref('invite_codes') }}

),

orders as (

    select *
    from {{ ref('int_orders') }}
    where channel = 'groupbuy' and is_listed and not is_test and net_fen > 0 and member_no is not null

),

registered as (

    select
        member_id,
        invited_by_code as code,
        'account' as basis
    from accounts
    where account_turn = 1 and invited_by_code is not null

),

-- only of whoever ever ordered with a code
first_orders as (

    select
        member_id,
        invite_code as code,
        'first_order' as basis,
        row_number() over (partition by member_no order by ordered_at, order_key) as place
    from orders
    where member_no in (select member_no from orders where invite_code is not null)

),

brought as (

    select
        member_id,
        code,
        basis
    from registered

    union all

    select
        first_orders.member_id,
        first_orders.code,
        first_orders.basis
    from first_orders
    left join registered
        on first_orders.member_id = registered.member_id
    where first_orders.place = 1 and first_orders.code is not null and registered.member_id is null

)

select
    brought.member_id,
    codes.member_id as inviter_member_id,
    brought.code,
    brought.basis
from brought
inner join codes
    on brought.code = codes.code
where codes.member_id is not null
