-- Grain: one row per invite code: those that the group-buy system gave, and ours of whoever qualifies without one, or
-- whose code was ever used. A code that is told once stays hers, also when her member id is another today.

with

accounts as (

    select * from {{ ref('int_invite_accounts') }}

),

koc as (

    select * from {{ ref('koc') }}

),

members as (

    select member_id from {{ ref('members') }}

),

redirects as (

    select
        retired_member_id,
        member_id
    from {{ ref('int_identity_redirects') }}

),

orders as (

    select invite_code from {{ ref('int_orders') }} where invite_code is not null

),

given as (

    select
        own_invite_code as code,
        member_id,
        account,
        'groupbuy' as source,
        row_number() over (
            partition by own_invite_code
            order by registered_at nulls last, account, connection
        ) as place
    from accounts
    where own_invite_code is not null

),

used as (

    select invite_code as code from orders

    union

    select invited_by_code
    from accounts
    where invited_by_code is not null

),

ids as (

    select
        member_id as said_id,
        member_id
    from members

    union all

    select
        retired_member_id,
        member_id
    from redirects

),

ours as (

    select
        {{ own_invite_code('said_id') }} as code,
        member_id
    from ids

),

-- who qualifies and has no code of the source is shown ours
shown as (

    select
        code,
        member_id
    from ours
    where code in (select code from used)

    union

    select
        koc.invite_code,
        koc.member_id
    from koc
    where koc.eligible = 'yes' and koc.invite_code = {{ own_invite_code('koc.member_id') }}

),

known as (

    select
        code,
        member_id,
        account,
        source,
        place
    from given

    union all

    select
        code,
        member_id,
        null,
        'linli',
        null
    from shown

)

select
    code,
    case when count(distinct member_id) = 1 then min(member_id) end as member_id,
    min(source) as source,
    min(case when place = 1 then account end) as account,
    count(distinct member_id) > 1 as is_shared
from known
group by code
