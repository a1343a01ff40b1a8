-- What sales depend on besides their own records, each with a number that changes when it does: how a night knows
-- which older sales it has to look at again. Grain: what × connection × name.

with

staff as (

    select * from {{ ref('stg_pos__staff') }}

),

cards as (

    select * from {{ ref('stg_pos__members') }}

),

leaders as (

    select * from {{ ref('stg_groupbuy__leaders') }}

),

activities as (

    select * from {{ ref('stg_groupbuy__activities') }}

),

products as (

    select * from {{ ref('stg_pos__products') }}

),

placeholders as (

    select * from {{ source('ops', 'placeholder_phones') }}

),

point_ledgers as (

    select * from {{ ref('int_point_ledgers') }}

),

staff_phones as (

    select distinct phone_token
    from staff
    where {{ is_linkable_phone('phone_kind') }}

),

-- group-buy takes product groups and costs from the first till that knows the product
first_products as (

    select *
    from products
    qualify row_number() over (partition by sku order by connection) = 1

),

dimensions as (

    select
        'buyer_phone' as what,
        '' as connection,
        phone_token as name,
        {{ row_hash(["'staff'"]) }} as fingerprint
    from staff_phones

    union all

    select distinct
        'placeholder_phone',
        '',
        phone_token,
        {{ row_hash(["'placeholder'"]) }}
    from placeholders

    union all

    select distinct
        'card',
        cards.connection,
        cards.member_ref,
        {{ row_hash(["'staff'"]) }}
    from cards
    inner join staff_phones
        on cards.phone_token = staff_phones.phone_token
    where {{ is_linkable_phone('cards.phone_kind') }}

    union all

    select distinct
        'leader',
        '',
        leader_id,
        {{ row_hash(["'ours'"]) }}
    from leaders

    union all

    select
        'leader_store',
        connection,
        leader_id,
        {{ row_hash(["store_code"]) }}
    from leaders
    where store_code is not null

    union all

    select
        'activity_store',
        connection,
        activity_id,
        {{ row_hash(["store_code"]) }}
    from activities
    where store_code is not null

    union all

    select
        'product_name',
        connection,
        sku,
        {{ row_hash(["item_name", "category", "category_l1"]) }}
    from products

    union all

    select
        'product_cost',
        connection,
        sku,
        {{ row_hash(["cost_fen"]) }}
    from products

    union all

    select
        'first_product',
        '',
        sku,
        {{ row_hash(["category", "category_l1", "cost_fen"]) }}
    from first_products

    union all

    -- what was sold before a ledger began is not expected in it
    select
        'points_ledger',
        connection,
        'points',
        {{ row_hash(["first_night", "first_posted_at"]) }}
    from point_ledgers

)

select
    {{ row_hash(["what", "connection", "name"]) }} as dimension_no,
    what,
    connection,
    name,
    fingerprint
from dimensions
where name is not null
