-- What became of members, night by night. Grain: event.
{{ config(materialized="table") }}

with events as (
    select * from {{ ref("int_identity_resolution") }} where what = 'event'
),

nodes as (
    select * from {{ ref("int_identity_nodes") }}
),

edges as (
    select * from {{ ref("int_identity_edges") }}
),

standings as (
    select * from {{ ref("int_identity_standings") }}
),

-- members keep an id that readers know, though an earlier identifier has come to light: since when, and what they would
-- have been called
kept as (
    select
        standings.member_id,
        standings.ended_on,
        earlier.member_id as earlier_id,
        earlier.ends_on as kept_on,
        standings.namespace || ' ' || standings.identifier as evidence
    from standings
    inner join standings as earlier on standings.followed = earlier.member_id
    where standings.state = 'own' and standings.is_ended and standings.followed != standings.member_id
),

replayed as (
    select
        events.night as occurred_on,
        events.kind,
        nodes.minted_id as member_id,
        others.minted_id as other_member_id,
        case
            when edges.link_no is not null then edges.evidence
            else about.namespace || ' ' || about.identifier
        end as evidence
    from events
    inner join nodes on events.member_no = nodes.node_no
    inner join nodes as about on events.node_no = about.node_no
    left join nodes as others on events.other_no = others.node_no
    left join edges on events.link_no = edges.link_no
    left join kept on others.minted_id = kept.member_id
    -- an end that nobody saw, because the id was kept by then
    where kept.member_id is null or events.kind != 'merged' or events.night < kept.kept_on
),

-- readers knew an id that today's knowledge of the past does not know
unforeseen as (
    select
        owned_on as occurred_on,
        'created' as kind,
        member_id,
        cast(null as varchar) as other_member_id,
        namespace || ' ' || identifier as evidence
    from standings
    where begun_on is null and owned_on is not null
),

parted as (
    select kept_on as occurred_on, 'split' as kind, earlier_id as member_id, member_id as other_member_id, evidence
    from kept
    where ended_on < kept_on
),

-- an id that ended without a link or an identifier that moved: all of its identifiers are gone, or other rules hold
ended as (
    select
        ends_on as occurred_on,
        case when state = 'within' then 'merged' else 'reassigned' end as kind,
        coalesce(led_to, member_id) as member_id,
        case when led_to is not null then member_id end as other_member_id,
        namespace || ' ' || identifier as evidence
    from standings
    where state != 'own' and not is_ended and (begun_on is not null or owned_on is not null)
)

select * from replayed
union all
select * from unforeseen
union all
select * from parted
union all
select * from ended
