-- Which WeChat account an openid or an external contact belongs to: its unionid, or itself while none is known.
-- The platform gives every one of them exactly one unionid; of two, the one that more records say is right.
-- Grain: openid, external_userid or unionid.
{{ config(materialized="table") }}

with statements as (
    select distinct
        statements.connection, statements.feed, statements.record_id, statements.namespace, statements.identifier,
        statements.first_seen_on
    from {{ ref("int_identity_affected_statements") }} as statements
    -- what many openids give as their unionid is none
    left join {{ ref("int_identity_hubs") }} as hubs
        on
            statements.namespace = 'unionid'
            and hubs.namespace = 'unionid'
            and statements.identifier = hubs.identifier
    where
        statements.role = 'own'
        and statements.namespace in ('openid', 'external_userid', 'unionid')
        and hubs.identifier is null
),

pairs as (
    select
        ids.namespace,
        ids.identifier,
        unions.identifier as unionid,
        count(*) as records,
        min(unions.first_seen_on) as first_seen_on
    from statements as ids
    inner join statements as unions
        on
            ids.connection = unions.connection
            and ids.feed = unions.feed
            and ids.record_id = unions.record_id
            and unions.namespace = 'unionid'
    where ids.namespace in ('openid', 'external_userid')
    group by 1, 2, 3
),

ranked as (
    select
        *,
        row_number() over (
            partition by namespace, identifier order by records desc, first_seen_on, unionid
        ) as place
    from pairs
),

-- a person has one openid in an app at a time: of two in use at one time that name one unionid, fewer records are wrong
placed as (
    select
        ranked.namespace,
        ranked.identifier,
        ranked.unionid,
        activity.first_at,
        activity.last_at,
        first_value(activity.first_at) over app as best_first_at,
        first_value(activity.last_at) over app as best_last_at,
        row_number() over app as app_place
    from ranked
    left join {{ ref("int_identity_activity") }} as activity
        on ranked.namespace = activity.namespace and ranked.identifier = activity.identifier
    where ranked.place = 1
    window app as (
        partition by
            ranked.unionid,
            ranked.namespace,
            case when ranked.namespace = 'openid' then split_part(ranked.identifier, ':', 1) else ranked.identifier end
        order by ranked.records desc, ranked.first_seen_on, ranked.identifier
        rows between unbounded preceding and unbounded following
    )
),

believed as (
    select namespace, identifier, unionid
    from placed
    where app_place = 1 or not coalesce(first_at <= best_last_at and best_first_at <= last_at, false)
),

ids as (
    select distinct namespace, identifier from statements
),

named as (
    select
        ids.namespace,
        ids.identifier,
        case
            when ids.namespace = 'unionid' then 'unionid:' || ids.identifier
            else coalesce('unionid:' || believed.unionid, ids.namespace || ':' || ids.identifier)
        end as account
    from ids
    left join believed
        on ids.namespace = believed.namespace and ids.identifier = believed.identifier
)

select
    named.namespace,
    named.identifier,
    named.account,
    -- what only one account of a person can be at a time: a unionid, an openid of one app, an external contact
    case named.namespace
        when 'openid' then 'openid ' || split_part(named.identifier, ':', 1)
        else named.namespace
    end as id_kind,
    min(activity.first_at) over (partition by named.account) as first_at,
    coalesce(
        max(activity.used_at) over (partition by named.account),
        min(activity.first_at) over (partition by named.account)
    ) as last_at,
    max(activity.events) over (partition by named.account) as events
from named
left join {{ ref("int_identity_activity") }} as activity using (namespace, identifier)
