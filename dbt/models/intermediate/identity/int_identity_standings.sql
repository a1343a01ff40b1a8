-- What has become of every member id of the touched islands that lived or that readers have seen. Grain: member id.
{{ config(materialized="table") }}

with nodes as (
    select * from {{ ref("int_identity_nodes") }}
),

members as (
    select * from {{ ref("int_identity_members") }}
),

published as (
    select * from {{ ref("int_identity_published") }}
),

events as (
    select * from {{ ref("int_identity_resolution") }} where what = 'event'
),

recognitions as (
    select * from {{ ref("int_record_recognitions") }}
),

statements as (
    select * from {{ ref("int_identity_affected_statements") }}
),

withdrawn as (
    select * from {{ ref("int_identity_withdrawn") }}
),

-- the replay's beginnings and ends
happened as (
    select member_no as node_no, night as begun_on, cast(null as date) as ended_on
    from events
    where kind in ('created', 'reassigned')
    union all
    select other_no, night, null
    from events
    where kind = 'split'
    union all
    select other_no, null, night
    from events
    where kind = 'merged'
    union all
    -- an identifier moved; its former member ended with it only if what its id was made from was gone by then
    select events.other_no, null, events.night
    from events
    inner join nodes on events.other_no = nodes.node_no
    where events.kind = 'reassigned' and nodes.until_on <= events.night
),

lived as (
    select
        node_no,
        max(begun_on) as begun_on,
        max(ended_on) as ended_on
    from happened
    group by 1
    having max(begun_on) is not null
),

known as (
    select
        coalesce(nodes.minted_id, published.member_id) as member_id,
        coalesce(nodes.namespace, published.namespace) as namespace,
        coalesce(nodes.identifier, published.identifier) as identifier,
        coalesce(nodes.segment, published.segment) as segment,
        coalesce(nodes.generation, published.generation) as generation,
        nodes.node_no,
        nodes.until_on,
        lived.begun_on,
        lived.ended_on,
        coalesce(lived.ended_on >= lived.begun_on, false) as is_ended,
        published.published_on,
        published.owned_on,
        published.retired_on
    from nodes
    full outer join published on nodes.minted_id = published.member_id
    left join lived on nodes.node_no = lived.node_no
    where lived.node_no is not null or published.member_id is not null
),

standing as (
    select
        known.*,
        case
            when known.member_id in (select member_id from members) then 'own'
            when members.member_id is not null then 'within'
            else 'gone'
        end as state,
        members.member_id as part_of,
        roots.minted_id as followed
    from known
    left join members on known.node_no = members.node_no
    left join nodes as roots on members.member_no = roots.node_no
),

dated as (
    select
        standing.*,
        -- for readers, but not before the replay lets it live
        greatest(
            case
                when standing.owned_on is not null then coalesce(standing.retired_on, run.as_of_date)
                when standing.state = 'gone' and standing.until_on is not null then standing.until_on
                else coalesce(standing.published_on, run.as_of_date)
            end,
            coalesce(standing.begun_on, standing.owned_on)
        ) as ends_on
    from standing
    cross join {{ source("ops", "run_context") }} as run
),

-- what named the identifier of an id, once or still
named as (
    select connection, feed, record_id, namespace, identifier, first_seen_on, cast(null as date) as until_on
    from statements
    where role in ('own', 'said', 'payer')
    union all
    select connection, feed, record_id, namespace, identifier, first_seen_on, until_on
    from withdrawn
),

-- whose the records are today that readers saw under an id that is gone, when they are all one member's
heirs as (
    select
        dated.member_id as gone_id,
        min(recognitions.member_id) as member_id
    from dated
    inner join named
        on
            dated.namespace = named.namespace
            and dated.identifier = named.identifier
            and named.first_seen_on < dated.ends_on
            and coalesce(named.until_on > coalesce(dated.owned_on, dated.begun_on), true)
    inner join recognitions
        on
            named.connection = recognitions.connection
            and named.feed = recognitions.feed
            and named.record_id = recognitions.record_id
    where dated.state = 'gone'
    group by 1
    -- one that is nobody's by now leaves it open
    having min(recognitions.member_id) = max(recognitions.member_id) and count(recognitions.member_id) = count(*)
)

select
    dated.member_id,
    dated.namespace,
    dated.identifier,
    dated.segment,
    dated.generation,
    dated.node_no,
    dated.state,
    dated.begun_on,
    dated.ended_on,
    dated.is_ended,
    dated.owned_on,
    coalesce(dated.part_of, heirs.member_id) as led_to,
    dated.followed,
    dated.ends_on
from dated
left join heirs on dated.member_id = heirs.gone_id
