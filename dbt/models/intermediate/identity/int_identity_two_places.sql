-- Cards, or accounts that paid, of one group of links that were used in two shops with no time to get from one to the
-- other, and more than once: two people used them. One is lent for a minute, a till has a wrong clock once; of a card
-- that has owners in turn nobody knows whose turn it was. Grain: pair of nodes.
{{ config(materialized="table") }}

with rules as (
    select * from {{ source("ops", "rule_identity") }}
),

stores as (
    select store_code, lng, lat
    from {{ source("ops", "stores") }}
    where lng is not null and lat is not null
),

turns as (
    select distinct identifier from {{ ref("int_identity_till_turns") }} where namespace = 'pos_member'
),

things as (
    select
        groups.group_no,
        nodes.node_no,
        nodes.namespace,
        nodes.identifier,
        case when nodes.namespace = 'pos_member' then 'said' else 'payer' end as role,
        count(*) over (partition by groups.group_no, nodes.namespace = 'pos_member') as alike
    from {{ ref("int_identity_groups") }} as groups
    inner join {{ ref("int_identity_nodes") }} as nodes on groups.node_no = nodes.node_no
    left join turns on nodes.namespace = 'pos_member' and nodes.identifier = turns.identifier
    where nodes.namespace != 'phone' and nodes.until_on is null and turns.identifier is null
),

visits as (
    select
        things.group_no,
        things.role,
        things.node_no,
        stores.store_code,
        stores.lng,
        stores.lat,
        statements.record_key,
        statements.first_at as visited_at,
        statements.first_seen_on
    from {{ ref("int_identity_affected_statements") }} as statements
    inner join things
        on
            statements.namespace = things.namespace
            and statements.identifier = things.identifier
            and statements.role = things.role
            and things.alike > 1
    -- a ticket is known by its shop and its number
    inner join stores on split_part(statements.record_id, '|', 1) = stores.store_code
    where statements.feed = 'tickets'
),

-- whoever was elsewhere just before
following as (
    select
        *,
        lag(node_no) over visits_in_turn as node_before,
        lag(lng) over visits_in_turn as lng_before,
        lag(lat) over visits_in_turn as lat_before,
        lag(visited_at) over visits_in_turn as visited_before,
        lag(first_seen_on) over visits_in_turn as seen_before
    from visits
    window visits_in_turn as (partition by group_no, role order by visited_at, record_key, node_no)
),

meetings as (
    select
        least(following.node_no, following.node_before) as node_a,
        greatest(following.node_no, following.node_before) as node_b,
        greatest(following.first_seen_on, following.seen_before) as known_on
    from following
    cross join rules
    where
        following.node_no != following.node_before
        and following.visited_at < {{ add_minutes(
            "following.visited_before",
            distance_km("following.lng_before", "following.lat_before", "following.lng", "following.lat")
            ~ " * 60 / rules.travel_kmh - rules.till_clock_minutes"
        ) }}
),

counted as (
    select
        *,
        row_number() over (partition by node_a, node_b order by known_on) as times
    from meetings
)

select
    counted.node_a,
    counted.node_b,
    counted.known_on as since
from counted
cross join rules
where counted.times = rules.two_places_times
