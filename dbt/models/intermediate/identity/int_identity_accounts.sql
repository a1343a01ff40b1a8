-- Which WeChat account an openid or an external contact belongs to: its unionid, or itself while none is known.
-- The platform gives every one of them exactly one unionid; of two, the one that more records say is right.
-- Grain: openid, external_userid or unionid.
{{ config(materialized="table") }}

with statements as (
    select distinct connection, feed, record_id, namespace, identifier, first_seen_on
    from {{ ref("int_identity_affected_statements") }}
    where role = 'own' and namespace in ('openid', 'external_userid', 'unionid')
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

ids as (
    select distinct namespace, identifier from statements
),

named as (
    select
        ids.namespace,
        ids.identifier,
        case
            when ids.namespace = 'unionid' then 'unionid:' || ids.identifier
            else coalesce('unionid:' || ranked.unionid, ids.namespace || ':' || ids.identifier)
        end as account
    from ids
    left join ranked
        on
            ids.namespace = ranked.namespace
            and ids.identifier = ranked.identifier
            and ranked.place = 1
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
