-- Identifiers that make a member, numbered in order of arrival; a phone once for every owner it had. Grain: node.
-- The smallest number of a group is the identifier its member id is minted from.
{{ config(materialized="table") }}

with tenures as (
    select * from {{ ref("int_identity_phone_tenures") }}
),

links as (
    select * from {{ ref("int_identity_links") }} where refusal is null
),

said as (
    select
        namespace,
        identifier,
        min(first_seen_on) as first_seen_on
    from {{ ref("int_identity_statements") }}
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
    select namespace_a, identifier_a, '', first_seen_on
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

nodes as (
    select namespace, identifier, segment, min(first_seen_on) as first_seen_on
    from seen
    where
        namespace != 'phone'
        or identifier not in (select phone from {{ ref("int_identity_phone_guards") }})
    group by 1, 2, 3
)

select
    nodes.namespace,
    nodes.identifier,
    nodes.segment,
    nodes.first_seen_on,
    row_number() over (
        order by nodes.first_seen_on, {{ identity_rank("nodes.namespace") }}, nodes.identifier, nodes.segment
    ) - 1 as node_no,
    -- what a person has few of at a time, and what of it is one thing
    case
        when nodes.namespace = 'phone' then 'phone'
        when nodes.namespace = 'pos_member' then 'pos_member ' || split_part(nodes.identifier, ':', 1)
        when accounts.id_kind is not null then accounts.id_kind
        when nodes.namespace = 'openid' then 'payer ' || split_part(nodes.identifier, ':', 1)
        else 'payer ' || nodes.namespace
    end as id_kind,
    coalesce(accounts.account, nodes.namespace || ':' || nodes.identifier || nodes.segment) as thing,
    coalesce(
        heirs.first_holder, accounts.account, nodes.namespace || ':' || nodes.identifier || nodes.segment
    ) as lineage,
    coalesce(accounts.first_at, tenures.starts_at, activity.first_at) as starts_at,
    coalesce(accounts.last_at, tenures.ends_at, activity.last_at) as ends_at
from nodes
left join {{ ref("int_identity_accounts") }} as accounts
    on nodes.namespace = accounts.namespace and nodes.identifier = accounts.identifier
left join tenures
    on nodes.namespace = 'phone' and nodes.identifier = tenures.phone and nodes.segment = tenures.segment
left join {{ ref("int_identity_activity") }} as activity
    on nodes.namespace = activity.namespace and nodes.identifier = activity.identifier
left join heirs on accounts.account = heirs.holder and heirs.place = 1
