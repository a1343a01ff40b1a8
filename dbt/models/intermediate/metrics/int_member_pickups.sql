-- Grain: one row per member who picked up in 365 days: where she does most often, of several the latest, and how far that is.
-- A site is its words at a shop. Nobody tells where it lies: it is in the middle of its buyers, when there are enough of them
-- that it gives away nobody's home.

with

orders as (

    select
        member_no, store_code, pickup_site, ordered_at, business_date
    from {{ ref('int_orders') }}
    where is_listed and is_purchase and member_no is not null and pickup_site is not null

),

locations as (

    select * from {{ ref('int_member_locations') }}

),

rule as (

    select pickup_min_buyers from {{ source('ops', 'rule_metrics') }}

),

run_context as (

    select as_of_date from {{ source('ops', 'run_context') }}

),

visits as (

    select
        orders.member_no,
        coalesce(orders.store_code, '') as store_code,
        orders.pickup_site,
        count(*) as times,
        max(orders.ordered_at) as last_at
    from orders
    cross join run_context
    where {{ days_between('orders.business_date', 'run_context.as_of_date') }} between 0 and 364
    group by orders.member_no, coalesce(orders.store_code, ''), orders.pickup_site

),

sites as (

    select
        visits.store_code,
        visits.pickup_site,
        count(*) as buyers,
        {{ median_of('locations.lng') }} as lng,
        {{ median_of('locations.lat') }} as lat
    from visits
    inner join locations
        on visits.member_no = locations.member_no
    group by visits.store_code, visits.pickup_site

),

chosen as (

    select *
    from visits
    qualify row_number() over (
        partition by member_no
        order by times desc, last_at desc, pickup_site, store_code
    ) = 1

)

select
    chosen.member_no,
    chosen.pickup_site,
    case
        when sites.buyers >= rule.pickup_min_buyers
            then round({{ distance_km('locations.lng', 'locations.lat', 'sites.lng', 'sites.lat') }}, 3)
    end as pickup_distance_km
from chosen
cross join rule
left join sites
    on chosen.store_code = sites.store_code
    and chosen.pickup_site = sites.pickup_site
left join locations
    on chosen.member_no = locations.member_no
