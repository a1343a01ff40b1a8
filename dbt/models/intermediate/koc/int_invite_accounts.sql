-- Grain: one row per group-buy account, with its codes, its owner tonight and its turn among the owner's accounts.

with

users as (

    select * from {{ ref('stg_groupbuy__users') }}

),

record_members as (

    select * from {{ ref('record_members') }} where feed = 'users' and member_id is not null

)

select
    users.connection,
    users.record_id,
    users.appid || ':' || users.openid as account,
    users.own_invite_code,
    users.invited_by_code,
    users.registered_at,
    record_members.member_id,
    cast(case
        when record_members.member_id is not null
            then row_number() over (
                partition by record_members.member_id
                order by users.registered_at nulls last, users.first_arrived_on, users.record_key
            )
    end as integer) as account_turn
from users
left join record_members
    on users.connection = record_members.connection
    and users.record_id = record_members.record_id
