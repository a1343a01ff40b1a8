-- Every pair of identifiers that some record ties together, followed or refused. Grain: pair.
{{ config(materialized="table") }}

with claims as (
    select * from {{ ref("int_identity_claims") }}
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

judged as (
    select
        claims.*,
        case
            when claims.role = 'unverified' then 'unverified_phone'
            when guards.reason is not null then guards.reason
            when remarks.phones > 1 or remarks.contacts > 1 then 'ambiguous_remark'
        end as refusal,
        case
            when claims.role = 'unverified' then ''
            when guards.reason is not null then guards.evidence || '; '
            when remarks.phones > 1 or remarks.contacts > 1
                then
                    'phones of the contact=' || remarks.phones
                    || ' contacts of the phone=' || remarks.contacts || '; '
            else ''
        end as finding
    from claims
    left join {{ ref("int_identity_phone_guards") }} as guards
        on claims.namespace_b = 'phone' and claims.identifier_b = guards.phone
    left join remarks
        on
            claims.basis = 'remark_phone'
            and claims.identifier_a = remarks.identifier_a
            and claims.identifier_b = remarks.identifier_b
),

-- a pair is followed when any record's claim holds; the earliest such record is its evidence
ranked as (
    select
        *,
        row_number() over (
            partition by namespace_a, identifier_a, namespace_b, identifier_b
            order by
                case when refusal is null then 0 else 1 end,
                case when role = 'own' then 0 else 1 end,
                first_seen_on,
                rule,
                connection,
                feed,
                record_id
        ) as place
    from judged
)

select
    namespace_a,
    identifier_a,
    namespace_b,
    identifier_b,
    first_seen_on,
    rule,
    refusal,
    finding || rule || ' ' || connection || '|' || feed || '|' || record_id as evidence
from ranked
where place = 1
