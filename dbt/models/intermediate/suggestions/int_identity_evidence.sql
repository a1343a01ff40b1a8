-- Grain: one row per member, kind and value: what One ID must not follow, and what it is weighed against.

with

recognised as (

    select
        connection || '|' || feed || '|' || record_id as record_key,
        member_id
    from {{ ref('record_members') }}
    where
        member_id is not null
        -- being on the payroll says nothing of a customer
        and feed not in ('staff', 'leaders')

),

members as (

    select
        member_id,
        unionid,
        home_store_code
    from {{ ref('members') }}

),

cards as (

    select * from {{ ref('stg_pos__members') }}

),

tickets as (

    select * from {{ ref('stg_pos__tickets') }}

),

orders as (

    select * from {{ ref('stg_groupbuy__orders') }}

),

users as (

    select * from {{ ref('stg_groupbuy__users') }}

),

contacts as (

    select * from {{ ref('stg_wecom__contacts') }}

),

purchases as (

    select * from {{ ref('int_member_purchases') }}

),

order_lines as (

    select * from {{ ref('order_lines') }}

),

placeholders as (

    select phone_token from {{ source('ops', 'placeholder_phones') }}

),

-- every number that a record gives, the person's own or that of who receives the goods
numbers as (

    select record_key, 'own' as whose, phone_token, phone_masked, phone_kind from cards
    union all
    select record_key, 'own' as whose, phone_token, phone_masked, phone_kind from tickets
    union all
    select record_key, 'own' as whose, phone_token, phone_masked, phone_kind from users
    union all
    select record_key, 'own' as whose, phone_token, phone_masked, phone_kind from contacts
    union all
    select record_key, 'own' as whose, buyer_phone_token, buyer_phone_masked, buyer_phone_kind from orders
    union all
    select record_key, 'receiver' as whose, receiver_phone_token, receiver_phone_masked, receiver_phone_kind
    from orders

),

linkable_numbers as (

    select
        numbers.record_key,
        numbers.whose,
        numbers.phone_token,
        numbers.phone_masked
    from numbers
    left join placeholders
        on numbers.phone_token = placeholders.phone_token
    where
        {{ is_linkable_phone('numbers.phone_kind') }}
        and placeholders.phone_token is null

),

own_numbers as (

    select distinct
        recognised.member_id,
        linkable_numbers.phone_token
    from linkable_numbers
    inner join recognised
        on linkable_numbers.record_key = recognised.record_key
    where linkable_numbers.whose = 'own'

),

-- beside somebody else's number stands that person's name, and saying both would count one hint twice
received_names as (

    select
        orders.record_key,
        orders.receiver_name_token
    from orders
    inner join recognised
        on orders.record_key = recognised.record_key
    left join own_numbers
        on
            recognised.member_id = own_numbers.member_id
            and orders.receiver_phone_token = own_numbers.phone_token
    where orders.receiver_phone_token is null or own_numbers.phone_token is not null

),

said as (

    select record_key, 'phone' as kind, phone_token as value from linkable_numbers where whose = 'own'
    union all
    select record_key, 'mask' as kind, phone_masked as value from linkable_numbers where whose = 'own'
    union all
    select record_key, 'receiver' as kind, phone_token as value from linkable_numbers where whose = 'receiver'
    union all
    select record_key, 'hidden' as kind, phone_masked as value from numbers where phone_kind = 'masked'
    union all
    select record_key, 'name' as kind, name_token as value from cards
    union all
    select record_key, 'name' as kind, receiver_name_token as value from received_names
    union all
    select record_key, 'name' as kind, remark_name_token as value from contacts
    union all
    select record_key, 'community' as kind, community as value from users

),

-- the part of the week in which a member with some habit buys most often; 2024-01-01 was a Monday
parts_of_week as (

    select
        member_id,
        case when {{ days_between("date '2024-01-01'", 'cast(ordered_at as date)') }} % 7 >= 5
            then 'weekend' else 'weekday' end
        || case
            when extract(hour from ordered_at) < 11 then '-morning'
            when extract(hour from ordered_at) < 15 then '-noon'
            when extract(hour from ordered_at) < 18 then '-afternoon'
            else '-evening'
        end as part,
        count(*) as times
    from purchases
    group by 1, 2

),

habits as (

    select
        member_id,
        part,
        sum(times) over (partition by member_id) as purchases_total,
        row_number() over (partition by member_id order by times desc, part) as place
    from parts_of_week

),

-- at most three items that were bought on more than one occasion
bought as (

    select
        purchases.member_id,
        order_lines.item_name,
        count(distinct purchases.order_key) as times
    from purchases
    inner join order_lines
        on purchases.order_key = order_lines.order_key
    where
        order_lines.item_name is not null
        and order_lines.amount_fen - order_lines.refunded_fen > 0
    group by purchases.member_id, order_lines.item_name

),

favourites as (

    select
        member_id,
        item_name,
        row_number() over (partition by member_id order by times desc, item_name) as place
    from bought
    where times > 1

),

of_members as (

    select recognised.member_id, said.kind, said.value
    from said
    inner join recognised
        on said.record_key = recognised.record_key
    union all
    select member_id, 'unionid' as kind, unionid as value from members
    union all
    select member_id, 'store' as kind, home_store_code as value from members
    union all
    select member_id, 'slot' as kind, part as value from habits where place = 1 and purchases_total >= 3
    union all
    select member_id, 'item' as kind, item_name as value from favourites where place <= 3

),

final as (

    select distinct
        member_id,
        kind,
        value
    from of_members
    where value is not null

)

select * from final
