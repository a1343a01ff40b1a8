-- Who holds which phone, and from when to when that is proven. Grain: phone × holder (WeChat account or member card).
{{ config(materialized="table") }}

with claims as (
    select claims.*
    from {{ ref("int_identity_claims") }} as claims
    {{ identity_hub_joins("claims") }}
    where
        claims.role = 'own'
        and claims.basis != 'remark_phone'
        and hubs_a.identifier is null
        and hubs_b.identifier is null
),

phone_claims as (
    select *
    from claims
    where
        namespace_b = 'phone'
        and identifier_b not in (select phone from {{ ref("int_identity_phone_guards") }})
),

accounts as (
    select * from {{ ref("int_identity_accounts") }}
),

activity as (
    select * from {{ ref("int_identity_activity") }}
),

-- whatever stands on one record with the phone holds it
ties as (
    select
        identifier_b as phone,
        namespace_a as namespace,
        identifier_a as identifier,
        first_at, last_at, ended_at, first_seen_on
    from phone_claims
    union all
    select
        phone_claims.identifier_b,
        claims.namespace_b,
        claims.identifier_b,
        phone_claims.first_at,
        -- a card's row goes on being renewed when the account that was once bound to it is not used any more
        case when phone_claims.namespace_a != 'pos_member' then phone_claims.last_at end,
        phone_claims.ended_at,
        phone_claims.first_seen_on
    from phone_claims
    inner join claims using (connection, feed, record_id)
    where
        claims.namespace_b != 'phone'
        -- an openid has the unionid that it is believed to have
        and (claims.namespace_b != 'unionid' or claims.namespace_a = 'pos_member')
),

holders as (
    select
        ties.phone,
        coalesce(accounts.account, ties.namespace || ':' || ties.identifier) as holder,
        max(case when ties.namespace = 'pos_member' then 1 else 0 end) = 1 as is_card,
        min(ties.first_at) as first_at,
        coalesce(max(ties.last_at), min(ties.first_at)) as last_at,
        case when count(ties.ended_at) = count(*) then max(ties.ended_at) end as ended_at,
        min(ties.first_seen_on) as first_seen_on,
        max(coalesce(accounts.first_at, activity.first_at)) as used_from,
        max(coalesce(accounts.last_at, activity.last_at)) as used_to,
        max(coalesce(accounts.events, activity.events)) as events,
        count(*) as claims
    from ties
    left join accounts
        on ties.namespace = accounts.namespace and ties.identifier = accounts.identifier
    left join activity
        on ties.namespace = activity.namespace and ties.identifier = activity.identifier
    group by 1, 2
),

-- a holder who takes another number, and is never seen with this one again, has left it
numbered as (
    select
        *,
        lead(first_at) over (partition by holder order by first_at, phone) as next_at,
        min(first_at) over (partition by holder) = first_at as is_first
    from holders
),

kinds as (
    select
        account,
        sum(bit) as kinds
    from (
        select
            account,
            cast(power(2, least(dense_rank() over (order by id_kind) - 1, 61)) as bigint) as bit
        from accounts
    ) as bits
    group by account
),

-- uses of a number at the till, and since when there was no silence between them
said as (
    select
        identifier as phone,
        first_at as said_at,
        max(case when is_after_silence then first_at end) over (
            partition by identifier order by first_at rows between unbounded preceding and current row
        ) as said_from
    from (
        select
            identifier,
            first_at,
            coalesce(
                {{ days_between("cast(before_at as date)", "cast(first_at as date)") }}
                > (select number_silence_days from {{ source("ops", "rule_identity") }}),
                true
            ) as is_after_silence
        from (
            select
                identifier,
                first_at,
                lag(first_at) over (partition by identifier order by first_at) as before_at
            from {{ ref("int_identity_affected_statements") }}
            where namespace = 'phone' and role = 'said'
        ) as in_order
    ) as uses
),

spans as (
    select
        numbered.phone,
        numbered.holder,
        numbered.is_card,
        -- a card had its first number since it was issued
        case when numbered.is_card and numbered.is_first
            then least(numbered.first_at, coalesce(numbered.used_from, numbered.first_at))
            else numbered.first_at
        end as starts_at,
        case
            when numbered.ended_at is not null then numbered.ended_at
            when numbered.next_at > numbered.last_at then numbered.next_at
            when numbered.is_card then greatest(numbered.first_at, coalesce(numbered.used_to, numbered.first_at))
            else greatest(numbered.last_at, coalesce(numbered.used_to, numbered.last_at))
        end as ends_at,
        (numbered.ended_at is not null or coalesce(numbered.next_at > numbered.last_at, false)) as has_moved,
        coalesce(numbered.events, 0) as events,
        -- an account may be older than its hold on this number
        case
            when numbered.is_card then starts_at
            else least(numbered.first_at, coalesce(numbered.used_from, numbered.first_at))
        end as born_at,
        numbered.first_seen_on,
        numbered.claims
    from numbered
),

last_said as (
    select
        spans.phone,
        spans.holder,
        max(said.said_at) as said_at,
        max(said.said_from) as said_from
    from spans
    inner join said on spans.phone = said.phone and said.said_at <= spans.starts_at
    group by 1, 2
)

select
    row_number() over (order by spans.phone, spans.starts_at, spans.ends_at, spans.holder) - 1 as hold_no,
    dense_rank() over (order by spans.phone) as phone_no,
    spans.*,
    case
        when
            {{ days_between("cast(last_said.said_at as date)", "cast(spans.starts_at as date)") }}
            <= (select number_silence_days from {{ source("ops", "rule_identity") }})
            then last_said.said_from
        else spans.starts_at
    end as said_from,
    coalesce(kinds.kinds, 0) as kinds
from spans
left join kinds on spans.holder = kinds.account
left join last_said on spans.phone = last_said.phone and spans.holder = last_said.holder
