-- Grain: one row per side of what a merge moved: out of the id an account would have alone, into its member.

with

entries as (

    select * from {{ ref('int_point_entries') }} where member_id is not null and counter_account <> 'locked'

),

events as (

    select * from {{ ref('int_coupon_events') }}

),

codes as (

    select * from {{ ref('int_coupon_codes') }} where holder_member_id is not null

),

-- a number is a node for every owner it had
nodes as (

    select * from {{ ref('int_identity_nodes') }}

),

merges as (

    select * from {{ ref('int_identity_events') }} where kind = 'merged'

),

members as (

    select * from {{ ref('int_identity_members') }}

),

-- the issue that says whose a coupon is
issues as (

    select events.*
    from codes
    inner join events
        on codes.holder_ledger_id = events.ledger_id

),

holdings as (

    select
        'points' as what,
        account,
        namespace,
        identifier,
        member_id,
        sum(chain_points) as points,
        cast(null as integer) as coupons
    from entries
    where identifier is not null
    group by account, namespace, identifier, member_id

    union all

    select
        'coupon',
        coupon_code,
        namespace,
        identifier,
        member_id,
        cast(null as decimal(18, 3)),
        1
    from issues
    where identifier is not null

),

-- whom the identifier alone would make: the owner that is this member, else the first it had
alone as (

    select
        holdings.what,
        holdings.account,
        holdings.member_id,
        holdings.points,
        holdings.coupons,
        nodes.minted_id,
        nodes.first_seen_on
    from holdings
    inner join nodes
        on holdings.namespace = nodes.namespace
        and holdings.identifier = nodes.identifier
    left join members
        on nodes.node_no = members.node_no
        and holdings.member_id = members.member_id
    qualify row_number() over (
        partition by holdings.what, holdings.account, holdings.member_id
        order by case when members.node_no is null then 2 else 1 end, nodes.node_no
    ) = 1

),

-- the night on which that id went into the member, when it ever was one; else the identifier came with the link
merged as (

    select
        other_member_id as minted_id,
        max(occurred_on) as occurred_on
    from merges
    group by other_member_id

),

-- ours name a member, not an account
ours as (

    select
        'coupon' as what,
        coupon_code as account,
        member_id,
        cast(null as decimal(18, 3)) as points,
        1 as coupons,
        named_member_id as minted_id,
        business_date as first_seen_on
    from issues
    where named_member_id is not null

),

held_apart as (

    select * from alone

    union all

    select * from ours

),

moved as (

    select
        alone.what,
        alone.account,
        alone.minted_id,
        alone.member_id,
        alone.points,
        alone.coupons,
        coalesce(merged.occurred_on, alone.first_seen_on) as occurred_on
    from held_apart as alone
    left join merged
        on alone.minted_id = merged.minted_id
    where alone.minted_id <> alone.member_id and (alone.points <> 0 or alone.coupons <> 0)

),

sides as (

    select 'out' as side, -1 as sign

    union all

    select 'in', 1

)

select
    moved.what || '|' || moved.account || '|' || moved.member_id || '|' || sides.side as transfer_id,
    moved.what,
    moved.account,
    moved.minted_id as from_member_id,
    moved.member_id as to_member_id,
    moved.occurred_on,
    cast(moved.points * sides.sign as decimal(18, 3)) as points,
    cast(moved.coupons * sides.sign as integer) as coupons
from moved
cross join sides
