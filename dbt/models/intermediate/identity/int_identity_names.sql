-- The names that cards and WeChat accounts go by, as keyed tokens: a card's holder, and whom an account orders for.
-- Grain: holder × name token.
{{ config(materialized="table") }}

with accounts as (
    select * from {{ ref("int_identity_accounts") }}
),

of_cards as (
    select
        'pos_member:' || connection || ':' || member_ref as holder,
        name_token,
        1 as records
    from {{ ref("stg_pos__members") }}
    where name_token is not null
),

of_accounts as (
    select
        accounts.account as holder,
        orders.receiver_name_token as name_token,
        count(*) as records
    from {{ ref("stg_groupbuy__orders") }} as orders
    inner join accounts
        on
            accounts.namespace = 'openid'
            and accounts.identifier = coalesce(orders.appid, orders.connection) || ':' || orders.openid
    where orders.receiver_name_token is not null
    group by 1, 2
),

of_contacts as (
    select
        accounts.account as holder,
        contacts.remark_name_token as name_token,
        count(*) as records
    from {{ ref("stg_wecom__contacts") }} as contacts
    inner join accounts
        on accounts.namespace = 'external_userid' and accounts.identifier = contacts.external_userid
    where contacts.remark_name_token is not null
    group by 1, 2
)

select holder, name_token, cast(sum(records) as bigint) as records
from (
    select * from of_cards
    union all
    select * from of_accounts
    union all
    select * from of_contacts
) as names
group by 1, 2
