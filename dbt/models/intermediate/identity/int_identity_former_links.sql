-- Links that were followed and are not any more: no record says them, or the number turned out to be nobody's own.
-- They take part in the replay on the nights first_seen_on ≤ night < until_on and in nothing else.
-- Grain: pair × owner's turn with the phone × nights.
{{ config(materialized="table") }}

with withdrawn as (
    select * from {{ ref("int_identity_withdrawn") }}
),

links as (
    select * from {{ ref("int_identity_links") }}
),

tenures as (
    select * from {{ ref("int_identity_phone_tenures") }}
),

-- since when a number that proves nobody was known to
spoilt as (
    select
        guards.phone,
        suspects.flagged_on
    from {{ ref("int_identity_phone_guards") }} as guards
    left join {{ ref("int_identity_suspects") }} as suspects
        on suspects.namespace = 'phone' and guards.phone = suspects.identifier and guards.reason = suspects.reason
),

hubs as (
    select namespace, identifier, flagged_on from {{ ref("int_identity_hubs") }}
),

corrected as (
    select distinct connection, feed, record_id
    from withdrawn
    where role = 'own'
),

-- what a corrected record said at any time, the strongest first as in int_identity_claims
sayings as (
    select
        connection, feed, record_id, namespace, identifier, rule, basis, first_seen_on, until_on, first_at, last_at,
        {{ identity_rank("namespace") }} as namespace_rank
    from withdrawn
    where role = 'own'
    union all
    select
        connection, feed, record_id, namespace, identifier,
        kind || '.' || feed || '.' || basis as rule,
        basis, first_seen_on,
        cast(null as date) as until_on,
        first_at, last_at,
        {{ identity_rank("namespace") }} as namespace_rank
    from {{ ref("int_identity_affected_statements") }}
    inner join corrected using (connection, feed, record_id)
    where role = 'own' and basis != 'remark_phone'
),

pairs as (
    select
        a.connection,
        a.feed,
        a.record_id,
        a.namespace as namespace_a,
        a.identifier as identifier_a,
        a.namespace_rank,
        b.namespace as namespace_b,
        b.identifier as identifier_b,
        b.rule,
        b.basis,
        b.last_at,
        b.first_at,
        greatest(a.first_seen_on, b.first_seen_on) as first_seen_on,
        least(coalesce(a.until_on, b.until_on), coalesce(b.until_on, a.until_on)) as until_on
    from sayings as a
    inner join sayings as b
        on
            a.connection = b.connection
            and a.feed = b.feed
            and a.record_id = b.record_id
            and a.namespace_rank < b.namespace_rank
    where a.until_on is not null or b.until_on is not null
),

-- the one that nothing stronger stood beside on these nights
stars as (
    select pairs.*
    from pairs
    left join sayings as stronger
        on
            pairs.connection = stronger.connection
            and pairs.feed = stronger.feed
            and pairs.record_id = stronger.record_id
            and pairs.namespace_rank > stronger.namespace_rank
            and stronger.first_seen_on <= pairs.first_seen_on
            and coalesce(stronger.until_on, pairs.until_on) >= pairs.until_on
    where stronger.record_id is null
),

unsaid as (
    select
        stars.namespace_a,
        stars.identifier_a,
        '' as segment_a,
        stars.namespace_b,
        stars.identifier_b,
        coalesce(tenures.segment, '') as segment_b,
        stars.first_seen_on,
        -- believed until it was unsaid or the number was known to be nobody's own, whichever came first
        least(
            stars.until_on,
            coalesce(tenures.shared_on, stars.until_on),
            case when spoilt.phone is null then stars.until_on else coalesce(spoilt.flagged_on, stars.first_seen_on) end
        ) as until_on,
        {{ identity_strength("stars.namespace_b", "stars.basis", "cast(null as timestamp)") }} as strength,
        stars.first_at as starts_at,
        stars.rule || ' ' || stars.connection || '|' || stars.feed || '|' || stars.record_id as evidence
    from stars
    left join tenures
        on
            stars.namespace_b = 'phone'
            and stars.identifier_b = tenures.phone
            and (tenures.valid_from is null or tenures.valid_from <= stars.last_at)
            and (tenures.valid_to is null or stars.last_at < tenures.valid_to)
    left join spoilt
        on stars.namespace_b = 'phone' and stars.identifier_b = spoilt.phone
),

-- what is still said, of a number that was followed until it was known to be nobody's own
refused as (
    select
        links.namespace_a,
        links.identifier_a,
        links.segment_a,
        links.namespace_b,
        links.identifier_b,
        links.segment_b,
        links.first_seen_on,
        coalesce(spoilt.flagged_on, tenures.shared_on) as until_on,
        links.strength,
        links.starts_at,
        -- without the finding, which nobody had made then
        substr(links.evidence, {{ position_of("links.rule || ' '", "links.evidence") }}) as evidence
    from links
    left join tenures
        on links.identifier_b = tenures.phone and links.segment_b = tenures.segment
    left join spoilt
        on links.identifier_b = spoilt.phone
    where
        links.namespace_b = 'phone'
        and links.refusal not in ('unverified_phone', 'placeholder_phone')
        and links.rule not like '%.remark_phone'
        and (spoilt.flagged_on is not null or (spoilt.phone is null and tenures.shared_on is not null))
),

-- and of a card or an account that was found to be beside everybody
parted as (
    select
        links.namespace_a,
        links.identifier_a,
        links.segment_a,
        links.namespace_b,
        links.identifier_b,
        links.segment_b,
        links.first_seen_on,
        least(coalesce(hubs_a.flagged_on, hubs_b.flagged_on), coalesce(hubs_b.flagged_on, hubs_a.flagged_on)) as until_on,
        links.strength,
        links.starts_at,
        substr(links.evidence, {{ position_of("links.rule || ' '", "links.evidence") }}) as evidence
    from links
    left join hubs as hubs_a
        on links.namespace_a = hubs_a.namespace and links.identifier_a = hubs_a.identifier
    left join hubs as hubs_b
        on links.namespace_b = hubs_b.namespace and links.identifier_b = hubs_b.identifier
    where
        (hubs_a.identifier is not null or hubs_b.identifier is not null)
        and links.refusal in ('hub', 'cashier_own_number')
        and links.rule not like '%.remark_phone'
        and not (links.namespace_b = 'phone' and links.identifier_b in (select phone from spoilt))
),

every as (
    select * from unsaid
    union all
    select * from refused
    union all
    select * from parted
),

final as (
    select
        namespace_a,
        identifier_a,
        segment_a,
        namespace_b,
        identifier_b,
        segment_b,
        first_seen_on,
        until_on,
        min(strength) as strength,
        min(starts_at) as starts_at,
        min(evidence) as evidence
    from every
    group by 1, 2, 3, 4, 5, 6, 7, 8
)

-- what another record says since as long is a link of today
select final.*
from final
left join links
    on
        links.refusal is null
        and final.namespace_a = links.namespace_a
        and final.identifier_a = links.identifier_a
        and final.segment_a = links.segment_a
        and final.namespace_b = links.namespace_b
        and final.identifier_b = links.identifier_b
        and final.segment_b = links.segment_b
        and links.first_seen_on <= final.first_seen_on
where
    final.until_on > final.first_seen_on
    and links.rule is null
