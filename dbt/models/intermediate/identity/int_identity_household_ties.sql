-- What members of one household have in common, each with accounts of her own: a number that proves none of them, the
-- very place where they live, or the number that fetches their orders at one pick-up site. As long as they are no more
-- than a family is. All members, every night: whoever moves in changes the household of those who live there.
-- Grain: thing in common × member.
{{ config(materialized="table") }}

with rules as (
    select * from {{ source("ops", "rule_identity") }}
),

members as (
    select member_id, first_seen_on from {{ ref("int_members_described") }}
),

-- a cashier's or a shop's number, or a dummy, is nobody's home
numbers as (
    select member_id, identifier
    from {{ ref("member_identifiers") }}
    where namespace = 'phone' and basis = 'shared_phone' and valid_to is null
),

guards as (
    select phone from {{ ref("int_identity_phone_guards") }}
),

recognitions as (
    select connection, feed, record_id, member_id
    from {{ ref("int_record_recognitions") }}
    where feed in ('users', 'orders') and member_id is not null
),

placed_users as (
    select connection, record_id, community, lng, lat
    from {{ ref("stg_groupbuy__users") }}
    where lng is not null and lat is not null
),

-- of several accounts in a neighbourhood one place only is known: its middle, where everybody is and nobody lives
middles as (
    select min(lng) as lng, min(lat) as lat
    from placed_users
    where community is not null
    group by community
    having count(*) > 1 and count(distinct cast(lng as varchar) || ',' || cast(lat as varchar)) = 1
),

users as (
    select placed_users.connection, placed_users.record_id, placed_users.lng, placed_users.lat
    from placed_users
    left join middles on placed_users.lng = middles.lng and placed_users.lat = middles.lat
    where middles.lng is null
),

orders as (
    select connection, order_id, openid, pickup_site, receiver_phone_token
    from {{ ref("stg_groupbuy__orders") }}
    where {{ is_linkable_phone("receiver_phone_kind") }} and pickup_site is not null
),

-- a place that more accounts than some families have is a pick-up site or the middle of a village
homes as (
    select lng, lat
    from users
    group by lng, lat
    having count(*) between 2 and 2 * (select max_household_members from rules)
),

living as (
    select
        'place' as basis,
        cast(users.lng as varchar) || ',' || cast(users.lat as varchar) as thing,
        recognitions.member_id
    from users
    inner join homes on users.lng = homes.lng and users.lat = homes.lat
    inner join recognitions
        on
            users.connection = recognitions.connection
            and recognitions.feed = 'users'
            and users.record_id = recognitions.record_id
),

receivers as (
    select receiver_phone_token
    from orders
    where receiver_phone_token not in (select phone from guards)
    group by receiver_phone_token
    having count(distinct openid) > 1
),

-- somebody sends a present once
fetching as (
    select
        'receiver' as basis,
        orders.receiver_phone_token || ',' || orders.pickup_site as thing,
        recognitions.member_id
    from orders
    inner join receivers on orders.receiver_phone_token = receivers.receiver_phone_token
    inner join recognitions
        on
            orders.connection = recognitions.connection
            and recognitions.feed = 'orders'
            and orders.order_id = recognitions.record_id
    group by 1, 2, 3
    having count(*) > 1
),

sharing as (
    select 'number' as basis, identifier as thing, member_id from numbers
    union
    select basis, thing, member_id from living
    union
    select basis, thing, member_id from fetching
),

counted as (
    select *, count(*) over (partition by basis, thing) as members
    from sharing
),

final as (
    select
        counted.basis,
        counted.thing,
        counted.member_id,
        dense_rank() over (order by members.first_seen_on, counted.member_id) - 1 as member_no
    from counted
    inner join members on counted.member_id = members.member_id
    cross join rules
    where counted.members between 2 and rules.max_household_members
)

select * from final
