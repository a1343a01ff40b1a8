-- Grain: one row per member whom a campaign can reach, and through which channels.

with

identifiers as (

    select member_id, namespace, identifier
    from {{ ref('member_identifiers') }}
    where valid_to is null and not is_shared

),

contacts as (

    select distinct external_userid from {{ ref('int_wecom_contacts_current') }}

),

-- an account of the till's own mini-program is no account of the group-buy system
groupbuy_accounts as (

    select distinct appid || ':' || openid as identifier from {{ ref('stg_groupbuy__users') }}

),

channels as (

    select identifiers.member_id, 'wecom' as channel
    from identifiers
    inner join contacts
        on identifiers.identifier = contacts.external_userid
    where identifiers.namespace = 'external_userid'

    union all

    select identifiers.member_id, 'groupbuy_coupon'
    from identifiers
    inner join groupbuy_accounts
        on identifiers.identifier = groupbuy_accounts.identifier
    where identifiers.namespace = 'openid'

)

select
    member_id,
    count(*) filter (where channel = 'wecom') > 0 as has_wecom,
    count(*) filter (where channel = 'groupbuy_coupon') > 0 as has_groupbuy_account
from channels
group by member_id
