-- Grain: one row per shop with a new list this evening and member who buys often and lives near.

with

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

rule as (

    select
        radius_m,
        min_orders_30d,
        rule_hash,
        -- a square of this size is at least as wide as the radius: a degree of latitude is 110 km or more, one of
        -- longitude 55 km or more up to the 60th
        radius_m / 110000.0 as square_lat,
        radius_m / 55000.0 as square_lng
    from {{ source('ops', 'rule_markdown') }}

),

listed as (

    select distinct store_code, business_date from {{ ref('int_markdown_listed') }}

),

stores as (

    select * from {{ source('ops', 'stores') }}

),

metrics as (

    select * from {{ ref('member_metrics') }}

),

users as (

    select * from {{ ref('stg_groupbuy__users') }}

),

record_members as (

    select * from {{ ref('record_members') }}

),

frequent as (

    select
        metrics.member_id,
        metrics.orders_30d
    from metrics
    cross join rule
    where
        metrics.orders_30d >= rule.min_orders_30d
        and exists (select 1 from listed)

),

-- where a member lives: the newest account that tells
places as (

    select
        frequent.member_id,
        frequent.orders_30d,
        users.lng,
        users.lat
    from frequent
    inner join record_members
        on frequent.member_id = record_members.member_id
        and record_members.feed = 'users'
    inner join users
        on record_members.connection = users.connection
        and record_members.record_id = users.record_id
    where
        users.lng is not null
        and users.lat is not null
    qualify row_number() over (
        partition by frequent.member_id
        order by users.arrived_on desc, users.updated_at desc nulls last, users.record_key
    ) = 1

),

-- only squares around a shop are looked at, so that members do not meet every shop
homes as (

    select
        places.*,
        cast(floor(places.lng / rule.square_lng) as bigint) as square_x,
        cast(floor(places.lat / rule.square_lat) as bigint) as square_y
    from places
    cross join rule

),

steps as (

    select -1 as step

    union all

    select 0

    union all

    select 1

),

squares as (

    select
        listed.store_code,
        listed.business_date,
        stores.lng,
        stores.lat,
        cast(floor(stores.lng / rule.square_lng) as bigint) + across.step as square_x,
        cast(floor(stores.lat / rule.square_lat) as bigint) + along.step as square_y
    from listed
    cross join rule
    inner join stores
        on listed.store_code = stores.store_code
    cross join steps as across
    cross join steps as along
    where
        stores.lng is not null
        and stores.lat is not null

),

measured as (

    select
        squares.business_date,
        squares.store_code,
        homes.member_id,
        homes.orders_30d,
        {{ distance_km('homes.lng', 'homes.lat', 'squares.lng', 'squares.lat') }} as km
    from squares
    inner join homes
        on squares.square_x = homes.square_x
        and squares.square_y = homes.square_y

),

final as (

    select
        measured.business_date,
        measured.store_code,
        measured.member_id,
        -- in whole metres
        cast(round(measured.km, 3) as double) as distance_km,
        cast(measured.orders_30d as integer) as orders_30d,
        rule.rule_hash
    from measured
    cross join rule
    where measured.km * 1000 <= rule.radius_m

)

select * from final
