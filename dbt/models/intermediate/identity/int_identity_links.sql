-- Every pair of identifiers that some record ties together, followed or refused. Grain: pair × segment of the phone.
{{ config(materialized="table") }}

with claims as (
    select * from {{ ref("int_identity_claims") }}
),

tenures as (
    select * from {{ ref("int_identity_phone_tenures") }}
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

-- a number typed into a remark counts only when it is the contact's one number and no other contact's
remarks as (
    select
        identifier_a,
        identifier_b,
        count(*) over (partition by identifier_a) as phones,
        count(*) over (partition by identifier_b) as contacts
    from (
        select distinct identifier_a, identifier_b
        from claims
        where basis = 'remark_phone'
    ) as pairs
),

placed as (
    select
        claims.*,
        coalesce(held.segment, at_the_time.segment, '') as segment_b,
        coalesce(held.is_shared, at_the_time.is_shared, false) as is_shared,
        coalesce(held.evidence, at_the_time.evidence, '') as sharing
    from claims
    left join {{ ref("int_identity_accounts") }} as accounts
        on claims.namespace_a = accounts.namespace and claims.identifier_a = accounts.identifier
    left join held
        on
            claims.namespace_b = 'phone'
            and claims.basis != 'remark_phone'
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
),

judged as (
    select
        placed.*,
        case
            when placed.role = 'unverified' then 'unverified_phone'
            when guards.reason is not null then guards.reason
            when placed.is_shared then 'shared_phone'
            when remarks.phones > 1 or remarks.contacts > 1 then 'ambiguous_remark'
        end as refusal,
        case
            when placed.role = 'unverified' then ''
            when guards.reason is not null then guards.evidence || '; '
            when placed.is_shared then placed.sharing || '; '
            when remarks.phones > 1 or remarks.contacts > 1
                then
                    'phones of the contact=' || remarks.phones
                    || ' contacts of the phone=' || remarks.contacts || '; '
            else ''
        end as finding,
        {{ identity_strength("placed.namespace_b", "placed.basis", "placed.ended_at") }} as strength
    from placed
    left join {{ ref("int_identity_phone_guards") }} as guards
        on placed.namespace_b = 'phone' and placed.identifier_b = guards.phone
    left join remarks
        on
            placed.basis = 'remark_phone'
            and placed.identifier_a = remarks.identifier_a
            and placed.identifier_b = remarks.identifier_b
),

-- a pair is followed when any record's claim holds; the earliest such record is its evidence
ranked as (
    select
        *,
        row_number() over (
            partition by namespace_a, identifier_a, namespace_b, identifier_b, segment_b
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
    window pair as (partition by namespace_a, identifier_a, namespace_b, identifier_b, segment_b)
)

select
    namespace_a,
    identifier_a,
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
