-- Identifiers that make a member, numbered in order of arrival; a phone once for every owner it had. Grain: node.
-- The smallest number of a group is the identifier its member id is minted from. One with until_on is nobody's any more
-- and takes part in the replay only.
{{ config(materialized="table") }}

with tenures as (
    select * from {{ ref("int_identity_phone_tenures") }}
),

links as (
    select * from {{ ref("int_identity_links") }} where refusal is null
),

former_links as (
    select * from {{ ref("int_identity_former_links") }}
),

guards as (
    select guards.phone, suspects.flagged_on
    from {{ ref("int_identity_phone_guards") }} as guards
    left join {{ ref("int_identity_suspects") }} as suspects
        on suspects.namespace = 'phone' and guards.phone = suspects.identifier and guards.reason = suspects.reason
),

said as (
    select
        namespace,
        identifier,
        min(first_seen_on) as first_seen_on
    from {{ ref("int_identity_affected_statements") }}
    where
        role in ('own', 'said', 'payer')
        -- a number in a remark is hearsay: it enters through its link, when that is followed
        and basis != 'remark_phone'
    group by 1, 2
    having
        -- whoever paid once and showed nothing is a passer-by
        max(case when role != 'payer' then 1 else 0 end) = 1
        or (
            (select payer_member_tickets from {{ source("ops", "rule_identity") }}) > 0
            and count(*) >= (select payer_member_tickets from {{ source("ops", "rule_identity") }})
        )
),

seen as (
    select
        said.namespace,
        said.identifier,
        '' as segment,
        said.first_seen_on
    from said
    left join tenures
        on said.namespace = 'phone' and said.identifier = tenures.phone and tenures.tenure_no = 0
    where not coalesce(tenures.is_shared, false)
    union all
    select 'phone', phone, segment, first_seen_on
    from tenures
    where not is_shared
    union all
    select namespace_a, identifier_a, segment_a, first_seen_on
    from links
    union all
    select namespace_b, identifier_b, segment_b, first_seen_on
    from links
),

-- an account that another one of the same person replaced (int_identity_tenures found them one owner's) is one thing
-- with it
owners as (
    select
        holds.holder,
        holds.starts_at,
        first_value(holds.holder) over (
            partition by holds.phone, tenures.tenure_no
            order by holds.starts_at, holds.hold_no
        ) as first_holder
    from {{ ref("int_identity_holds") }} as holds
    inner join {{ ref("int_identity_tenures") }} as tenures on holds.hold_no = tenures.hold_no
    where not holds.is_card and not tenures.is_shared
),

heirs as (
    select
        holder,
        first_holder,
        row_number() over (
            partition by holder
            order by case when first_holder = holder then 2 else 1 end, starts_at, first_holder
        ) as place
    from owners
),

alive as (
    select namespace, identifier, segment, min(first_seen_on) as first_seen_on
    from seen
    where
        namespace != 'phone'
        or identifier not in (select phone from guards)
    group by 1, 2, 3
),

-- what made a member until it was unsaid, or until the number was known to be nobody's own
once as (
    select
        withdrawn.namespace,
        withdrawn.identifier,
        coalesce(at_the_time.segment, '') as segment,
        withdrawn.first_seen_on,
        least(
            withdrawn.until_on,
            coalesce(at_the_time.shared_on, withdrawn.until_on),
            case when guards.phone is null then withdrawn.until_on else coalesce(guards.flagged_on, withdrawn.first_seen_on) end
        ) as until_on
    from {{ ref("int_identity_withdrawn") }} as withdrawn
    left join tenures as at_the_time
        on
            withdrawn.namespace = 'phone'
            and withdrawn.identifier = at_the_time.phone
            and (at_the_time.valid_from is null or at_the_time.valid_from <= withdrawn.last_at)
            and (at_the_time.valid_to is null or withdrawn.last_at < at_the_time.valid_to)
    left join guards
        on withdrawn.namespace = 'phone' and withdrawn.identifier = guards.phone
    union all
    select
        said.namespace,
        said.identifier,
        '',
        said.first_seen_on,
        coalesce(guards.flagged_on, tenures.shared_on)
    from said
    left join tenures
        on said.identifier = tenures.phone and tenures.tenure_no = 0
    left join guards on said.identifier = guards.phone
    where said.namespace = 'phone' and (guards.flagged_on is not null or (guards.phone is null and tenures.is_shared))
    union all
    select 'phone', phone, segment, first_seen_on, shared_on
    from tenures
    where is_shared
    union all
    select namespace_a, identifier_a, segment_a, first_seen_on, until_on
    from former_links
    union all
    select namespace_b, identifier_b, segment_b, first_seen_on, until_on
    from former_links
),

gone as (
    select namespace, identifier, segment, min(first_seen_on) as first_seen_on, max(until_on) as until_on
    from once
    where until_on > first_seen_on
    group by 1, 2, 3
),

nodes as (
    select
        namespace,
        identifier,
        segment,
        coalesce(alive.first_seen_on, gone.first_seen_on) as first_seen_on,
        least(coalesce(alive.first_seen_on, gone.first_seen_on), coalesce(gone.first_seen_on, alive.first_seen_on)) as known_on,
        case when alive.first_seen_on is null then gone.until_on end as until_on
    from alive
    full outer join gone using (namespace, identifier, segment)
),

-- an id whose identifier nobody named any more was somebody's: who names it anew may be a stranger and gets another
lives as (
    select
        nodes.*,
        coalesce(published.generation, 0)
        + case when published.state = 'gone' and nodes.until_on is null then 1 else 0 end as generation
    from nodes
    left join {{ ref("int_identity_published") }} as published
        on
            published.is_newest
            and nodes.namespace = published.namespace
            and nodes.identifier = published.identifier
            and nodes.segment = published.segment
)

select
    nodes.namespace,
    nodes.identifier,
    nodes.segment,
    {{ key_hash("nodes.namespace || ':' || nodes.identifier") }} as identifier_key,
    nodes.first_seen_on,
    case when nodes.generation > 0 and nodes.until_on is null then nodes.first_seen_on else nodes.known_on end as known_on,
    nodes.until_on,
    {{ minted_id("nodes.namespace", "nodes.identifier", "nodes.segment", "nodes.generation") }} as minted_id,
    nodes.generation,
    row_number() over (
        order by nodes.first_seen_on, {{ identity_rank("nodes.namespace") }}, nodes.identifier, nodes.segment
    ) - 1 as node_no,
    -- what a person has few of at a time, and what of it is one thing
    case
        when nodes.namespace = 'phone' then 'phone'
        when nodes.namespace = 'pos_member' then 'pos_member ' || split_part(nodes.identifier, ':', 1)
        when accounts.id_kind is not null then accounts.id_kind
        -- of an account that is not known any more
        when nodes.until_on is not null and nodes.namespace = 'openid' then 'openid ' || split_part(nodes.identifier, ':', 1)
        when nodes.until_on is not null then nodes.namespace
        when nodes.namespace = 'openid' then 'payer ' || split_part(nodes.identifier, ':', 1)
        else 'payer ' || nodes.namespace
    end as id_kind,
    coalesce(accounts.account, nodes.namespace || ':' || nodes.identifier || nodes.segment) as thing,
    coalesce(
        heirs.first_holder, accounts.account, nodes.namespace || ':' || nodes.identifier || nodes.segment
    ) as lineage,
    coalesce(accounts.first_at, tenures.starts_at, activity.first_at) as starts_at,
    coalesce(accounts.last_at, tenures.ends_at, activity.last_at) as ends_at
from lives as nodes
left join {{ ref("int_identity_accounts") }} as accounts
    on nodes.namespace = accounts.namespace and nodes.identifier = accounts.identifier
left join tenures
    on nodes.namespace = 'phone' and nodes.identifier = tenures.phone and nodes.segment = tenures.segment
left join {{ ref("int_identity_activity") }} as activity
    on nodes.namespace = activity.namespace and nodes.identifier = activity.identifier
left join heirs on accounts.account = heirs.holder and heirs.place = 1
