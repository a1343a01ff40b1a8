-- Every pair of identifiers that some record ties together, followed or refused. Grain: pair × owners' turns with them.
{{ config(materialized="table") }}

with record_claims as (
    select * from {{ ref("int_identity_claims") }}
),

-- holders of a shared number who go by one name, or who took it on one visit, are one person; an account speaks
-- through its first id
first_ids as (
    select
        holder,
        min(namespace || '|' || identifier) as first_id
    from (
        select account as holder, namespace, identifier
        from {{ ref("int_identity_accounts") }}
        union all
        select namespace_a || ':' || identifier_a, namespace_a, identifier_a
        from record_claims
        where namespace_a = 'pos_member'
    ) as ids
    group by 1
),

tied_holders as (
    select
        first.holder as holder_a,
        second.holder as holder_b,
        second.phone,
        tenures.same_by,
        greatest(first.first_seen_on, second.first_seen_on) as first_seen_on,
        second.starts_at,
        second.ends_at
    from {{ ref("int_identity_tenures") }} as tenures
    inner join {{ ref("int_identity_holds") }} as second on tenures.hold_no = second.hold_no
    inner join {{ ref("int_identity_holds") }} as first on tenures.same_as = first.hold_no
),

holder_claims as (
    select
        '' as connection,
        'phone' as feed,
        min(tied_holders.phone) as record_id,
        split_part(ids_a.first_id, '|', 1) as namespace_a,
        substr(ids_a.first_id, length(split_part(ids_a.first_id, '|', 1)) + 2) as identifier_a,
        split_part(ids_b.first_id, '|', 1) as namespace_b,
        substr(ids_b.first_id, length(split_part(ids_b.first_id, '|', 1)) + 2) as identifier_b,
        'phone_and_' || min(tied_holders.same_by) as rule,
        'phone_and_' || min(tied_holders.same_by) as basis,
        'own' as role,
        min(tied_holders.first_seen_on) as first_seen_on,
        min(tied_holders.starts_at) as first_at,
        max(tied_holders.ends_at) as last_at,
        cast(null as timestamp) as ended_at,
        cast(null as date) as gone_on
    from tied_holders
    inner join first_ids as ids_a on tied_holders.holder_a = ids_a.holder
    inner join first_ids as ids_b on tied_holders.holder_b = ids_b.holder
    group by ids_a.first_id, ids_b.first_id
),

payer_claims as (
    select
        split_part(record, '|', 1) as connection,
        'tickets' as feed,
        substr(record, length(split_part(record, '|', 1)) + 10) as record_id,
        payer_namespace as namespace_a,
        payer as identifier_a,
        namespace as namespace_b,
        identifier as identifier_b,
        'pos.tickets.payer' as rule,
        'payer' as basis,
        'own' as role,
        first_seen_on,
        first_at,
        last_at,
        cast(null as timestamp) as ended_at,
        cast(null as date) as gone_on
    from {{ ref("int_identity_payers") }}
),

said_claims as (
    select
        split_part(record, '|', 1) as connection,
        split_part(record, '|', 2) as feed,
        substr(record, length(split_part(record, '|', 1)) + length(split_part(record, '|', 2)) + 3) as record_id,
        'pos_member' as namespace_a,
        card as identifier_a,
        'phone' as namespace_b,
        phone as identifier_b,
        'pos.said_together' as rule,
        'said_together' as basis,
        'own' as role,
        first_seen_on,
        first_at,
        last_at,
        cast(null as timestamp) as ended_at,
        cast(null as date) as gone_on
    from {{ ref("int_identity_said_together") }}
),

decided_claims as (
    select
        split_part(record, '|', 1) as connection,
        'decisions' as feed,
        'line ' || line as record_id,
        namespace_a,
        identifier_a,
        namespace_b,
        identifier_b,
        'identity_decisions.same' as rule,
        'decision' as basis,
        'own' as role,
        first_seen_on,
        first_at,
        last_at,
        cast(null as timestamp) as ended_at,
        cast(null as date) as gone_on
    from {{ ref("int_identity_decisions") }}
    -- of two phones either may have had several owners: int_identity_edges
    where decision = 'same' and namespace_a != 'phone'
),

claims as (
    select * from record_claims
    union all
    select * from decided_claims
    union all
    select * from holder_claims
    union all
    select * from payer_claims
    union all
    select * from said_claims
),

tenures as (
    select * from {{ ref("int_identity_phone_tenures") }}
),

-- a card handed on is another owner's from then on
turns as (
    select * from {{ ref("int_identity_till_turns") }} where segment != ''
),

-- which turn with the number a claim belongs to: its holder's
held as (
    select
        holds.phone,
        holds.holder,
        phone_tenures.segment,
        phone_tenures.is_shared,
        phone_tenures.evidence
    from {{ ref("int_identity_holds") }} as holds
    inner join {{ ref("int_identity_tenures") }} as tenures on holds.hold_no = tenures.hold_no
    inner join tenures as phone_tenures
        on holds.phone = phone_tenures.phone and tenures.tenure_no = phone_tenures.tenure_no
),

remarks as (
    select * from {{ ref("int_identity_remarks") }}
),

placed as (
    select
        claims.*,
        coalesce(held.segment, at_the_time.segment, turns.segment, '') as segment_b,
        coalesce(handed.segment, '') as segment_a,
        coalesce(held.is_shared, at_the_time.is_shared, false) as is_shared,
        coalesce(held.evidence, at_the_time.evidence, '') as sharing
    from claims
    left join {{ ref("int_identity_accounts") }} as accounts
        on claims.namespace_a = accounts.namespace and claims.identifier_a = accounts.identifier
    left join held
        on
            claims.namespace_b = 'phone'
            and claims.basis not in ('remark_phone', 'payer', 'said_together', 'decision')
            and claims.role = 'own'
            and claims.identifier_b = held.phone
            and coalesce(accounts.account, claims.namespace_a || ':' || claims.identifier_a) = held.holder
    left join tenures as at_the_time
        on
            claims.namespace_b = 'phone'
            and held.phone is null
            and claims.identifier_b = at_the_time.phone
            and (at_the_time.valid_from is null or at_the_time.valid_from <= claims.last_at)
            and (at_the_time.valid_to is null or claims.last_at < at_the_time.valid_to)
    left join turns
        on
            claims.basis = 'payer'
            and claims.namespace_b = turns.namespace
            and claims.identifier_b = turns.identifier
            and turns.valid_from <= claims.first_at
            and (turns.valid_to is null or claims.first_at < turns.valid_to)
    left join turns as handed
        on
            claims.namespace_a = handed.namespace
            and claims.basis != 'decision'
            and claims.identifier_a = handed.identifier
            and handed.valid_from <= claims.first_at
            and (handed.valid_to is null or claims.first_at < handed.valid_to)
),

judged as (
    select
        placed.*,
        case
            when placed.role = 'unverified' then 'unverified_phone'
            when guards.reason is not null then guards.reason
            -- what a person decided holds whoever else stands there
            when placed.basis != 'decision' and hubs_a.reason is not null then hubs_a.reason
            when placed.basis != 'decision' and hubs_b.reason is not null then hubs_b.reason
            when placed.is_shared then 'shared_phone'
            else remarks.refusal
        end as refusal,
        case
            when placed.role = 'unverified' then ''
            when guards.reason is not null then guards.evidence || '; '
            when placed.basis != 'decision' and hubs_a.reason is not null then hubs_a.evidence || '; '
            when placed.basis != 'decision' and hubs_b.reason is not null then hubs_b.evidence || '; '
            when placed.is_shared then placed.sharing || '; '
            when remarks.refusal is not null then remarks.evidence || '; '
            else ''
        end as finding,
        {{ identity_strength("placed.namespace_b", "placed.basis", "placed.ended_at") }} as strength
    from placed
    left join {{ ref("int_identity_phone_guards") }} as guards
        on placed.namespace_b = 'phone' and placed.identifier_b = guards.phone
    {{ identity_hub_joins("placed") }}
    left join remarks
        on
            placed.basis = 'remark_phone'
            and placed.identifier_a = remarks.external_userid
            and placed.identifier_b = remarks.phone
),

-- a pair is followed when any record's claim holds; the earliest such record is its evidence
ranked as (
    select
        *,
        row_number() over (
            partition by namespace_a, identifier_a, segment_a, namespace_b, identifier_b, segment_b
            order by
                case when refusal is null then 0 else 1 end,
                case when role = 'own' then 0 else 1 end,
                first_seen_on,
                rule,
                connection,
                feed,
                record_id
        ) as place,
        min(case when refusal is null then strength end) over pair as best_strength,
        count(case when refusal is null then 1 end) over pair as support,
        min(first_at) over pair as starts_at,
        max(last_at) over pair as ends_at
    from judged
    window pair as (partition by namespace_a, identifier_a, segment_a, namespace_b, identifier_b, segment_b)
)

select
    namespace_a,
    identifier_a,
    segment_a,
    namespace_b,
    identifier_b,
    segment_b,
    first_seen_on,
    rule,
    refusal,
    coalesce(best_strength, strength) as strength,
    support,
    starts_at,
    ends_at,
    finding || rule || ' ' || connection || '|' || feed || '|' || record_id as evidence
from ranked
where place = 1
