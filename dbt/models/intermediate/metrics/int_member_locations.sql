-- Grain: one row per member who told a group-buy account where she is: the newest such account's place.

with

users as (

    select * from {{ ref('stg_groupbuy__users') }} where lng is not null and lat is not null

),

record_members as (

    select * from {{ ref('record_members') }} where feed = 'users' and member_id is not null

),

final as (

    select
        record_members.member_id,
        {{ key_hash('record_members.member_id') }} as member_no,
        users.lng,
        users.lat
    from users
    inner join record_members
        on users.connection = record_members.connection
        and users.record_id = record_members.record_id
    qualify row_number() over (
        partition by record_members.member_id
        order by users.arrived_on desc, users.updated_at desc nulls last, users.record_key
    ) = 1

)

select * from final
