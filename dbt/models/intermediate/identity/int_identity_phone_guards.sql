-- Phones that must not identify anybody, and why. Grain: phone.
-- A number tied to more WeChat accounts or cards than one person has belongs to a family, a cashier or the shop.
{{ config(materialized="table") }}

with claims as (
    select * from {{ ref("int_identity_claims") }} where role = 'own'
),

-- openids and external contacts of one unionid are one WeChat account
unionids as (
    select
        namespace_a as namespace,
        identifier_a as identifier,
        min(identifier_b) as unionid
    from claims
    where namespace_a in ('openid', 'external_userid') and namespace_b = 'unionid'
    group by 1, 2
),

phone_claims as (
    select * from claims where namespace_b = 'phone'
),

-- whatever stands on one record with the phone is tied to it
ties as (
    select identifier_b as phone, namespace_a as namespace, identifier_a as identifier
    from phone_claims
    union
    select phone_claims.identifier_b, claims.namespace_b, claims.identifier_b
    from phone_claims
    inner join claims using (connection, feed, record_id)
    where claims.namespace_b != 'phone'
),

accounts as (
    select
        ties.phone,
        -- ids of different kinds may be one account: only within a kind do two ids prove two accounts
        case
            when ties.namespace = 'openid' then 'openid ' || split_part(ties.identifier, ':', 1)
            else ties.namespace
        end as id_kind,
        coalesce(unionids.unionid, ties.identifier) as account
    from ties
    left join unionids using (namespace, identifier)
    where ties.namespace in ('openid', 'external_userid', 'unionid')
    union
    select ties.phone, 'unionid', unionids.unionid
    from ties
    inner join unionids using (namespace, identifier)
),

account_counts as (
    select phone, max(accounts) as accounts
    from (
        select phone, id_kind, count(distinct account) as accounts
        from accounts
        group by 1, 2
    ) as by_kind
    group by 1
),

card_counts as (
    select phone, count(distinct identifier) as cards
    from ties
    where namespace = 'pos_member'
    group by 1
),

counted as (
    select
        coalesce(account_counts.phone, card_counts.phone) as phone,
        coalesce(account_counts.accounts, 0) as accounts,
        coalesce(card_counts.cards, 0) as cards
    from account_counts
    full outer join card_counts on account_counts.phone = card_counts.phone
)

select
    coalesce(counted.phone, placeholders.phone_token) as phone,
    case when placeholders.phone_token is not null then 'placeholder_phone' else 'shared_phone' end as reason,
    coalesce(counted.accounts, 0) as accounts,
    coalesce(counted.cards, 0) as cards,
    case
        when placeholders.phone_token is not null then 'a well-known dummy number or listed in rules/identity.yml placeholder_phones'
        else
            'wechat_accounts=' || counted.accounts || ' (max ' || rules.max_wechat_accounts_per_phone || ')'
            || ' cards=' || counted.cards || ' (max ' || rules.max_cards_per_phone || ')'
    end as evidence
from counted
full outer join (select distinct phone_token from {{ source("ops", "placeholder_phones") }}) as placeholders
    on counted.phone = placeholders.phone_token
cross join {{ source("ops", "rule_identity") }} as rules
where
    placeholders.phone_token is not null
    or counted.accounts > rules.max_wechat_accounts_per_phone
    or counted.cards > rules.max_cards_per_phone
