-- Grain: one row per way somebody came to us: into a group chat, as a WeCom contact, by registering in group-buy.
-- The first chat or contact of a member may be credited to whoever of the staff brought her.

with

chats as (

    select * from {{ ref('stg_wecom__group_chats') }}

),

-- a chat's members are read together: who is missing from its newest reading left after the last that had her
chat_members as (

    select
        group_members.*,
        chats.arrived_on as read_on
    from {{ ref('stg_wecom__group_members') }} as group_members
    left join chats
        on group_members.connection = chats.connection
        and group_members.chat_id = chats.chat_id
    where group_members.member_type = 2

),

read_completely as (

    select
        connection,
        userid,
        max(arrived_on) as read_on
    from {{ ref('stg_wecom__snapshot_staff') }}
    where complete
    group by connection, userid

),

contacts as (

    select
        contacts.*,
        read_completely.read_on
    from {{ ref('stg_wecom__contacts') }} as contacts
    left join read_completely
        on contacts.connection = read_completely.connection
        and contacts.userid = read_completely.userid

),

users as (

    select * from {{ ref('stg_groupbuy__users') }}

),

staff as (

    select * from {{ ref('stg_pos__staff') }}

),

stores as (

    select store_code from {{ source('ops', 'stores') }}

),

record_members as (

    select * from {{ ref('record_members') }} where feed in ('group_members', 'contacts', 'users')

),

rule as (

    select * from {{ source('ops', 'rule_commission') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

scenes as (

    select cast(listed.scene as integer) as scene
    from (
        select {{ list_items('cashier_scenes') }} as scene
        from rule
        where cashier_scenes <> ''
    ) as listed

),

-- of one name in two staff lists the first
by_wecom as (

    select
        wecom_userid,
        connection,
        staff_id,
        store_code,
        row_number() over (partition by wecom_userid order by connection, staff_id) as place
    from staff
    where wecom_userid is not null

),

by_number as (

    select
        staff_id,
        connection,
        store_code,
        row_number() over (partition by staff_id order by connection) as place
    from staff

),

joins as (

    select
        'chat' as kind,
        connection,
        'group_members' as feed,
        record_id,
        record_id as join_id,
        join_time as joined_at,
        first_arrived_on,
        arrived_on as last_seen_on,
        read_on,
        join_scene as scene,
        state,
        invitor_userid as invitor,
        join_scene in (select scene from scenes) as may_credit
    from chat_members

    union all

    select
        'contact',
        connection,
        'contacts',
        record_id,
        record_id || '|' || userid,
        createtime,
        first_arrived_on,
        arrived_on,
        read_on,
        add_way,
        state,
        userid,
        true
    from contacts

    union all

    select
        'register',
        connection,
        'users',
        record_id,
        record_id,
        registered_at,
        first_arrived_on,
        arrived_on,
        null,
        null,
        null,
        null,
        false
    from users

),

dated as (

    select
        joins.*,
        record_members.member_id,
        {{ business_date('joins.joined_at', 'run_context.cutover_minutes') }} as said_on
    from joins
    cross join run_context
    left join record_members
        on joins.connection = record_members.connection
        and joins.feed = record_members.feed
        and joins.record_id = record_members.record_id

),

-- who was seen before the join that the source tells of had joined before, nobody can say by whom; a night is read some
-- hours after it ends, so the next day is none
first_known as (

    select
        dated.*,
        coalesce({{ days_between('first_arrived_on', 'said_on') }} > 1, false) as is_again,
        case
            when said_on is null or {{ days_between('first_arrived_on', 'said_on') }} > 1 then first_arrived_on
            else said_on
        end as business_date
    from dated

),

named as (

    select
        first_known.*,
        case
            when first_known.kind = 'chat' and inviting.staff_id is not null then inviting.staff_id
            when by_state.staff_id is not null then by_state.staff_id
            when state_number.staff_id is not null then state_number.staff_id
            when first_known.kind = 'contact' and first_known.scene = 1 and stores.store_code is not null
                then inviting.staff_id
        end as staff_id,
        case
            when first_known.kind = 'chat' and inviting.staff_id is not null then inviting.connection
            when by_state.staff_id is not null then by_state.connection
            when state_number.staff_id is not null then state_number.connection
            when first_known.kind = 'contact' and first_known.scene = 1 and stores.store_code is not null
                then inviting.connection
        end as staff_connection,
        case
            when first_known.kind = 'chat' and inviting.staff_id is not null then inviting.store_code
            when by_state.staff_id is not null then by_state.store_code
            when state_number.staff_id is not null then state_number.store_code
            when first_known.kind = 'contact' and first_known.scene = 1 and stores.store_code is not null
                then inviting.store_code
        end as staff_store_code
    from first_known
    left join by_wecom as inviting
        on first_known.invitor = inviting.wecom_userid
        and inviting.place = 1
    left join by_wecom as by_state
        on first_known.state = by_state.wecom_userid
        and by_state.place = 1
    left join by_number as state_number
        on first_known.state = state_number.staff_id
        and state_number.place = 1
    left join stores
        on first_known.state = stores.store_code

),

final as (

    select
        kind || '|' || connection || '|' || join_id as join_key,
        member_id,
        kind,
        joined_at,
        business_date,
        cast(scene as integer) as scene,
        state,
        invitor,
        case when may_credit and not is_again then staff_connection end as staff_connection,
        case when may_credit and not is_again then staff_id end as staff_id,
        case when may_credit and not is_again then staff_store_code end as store_code,
        last_seen_on,
        case when read_on > last_seen_on then {{ add_days('last_seen_on', 1) }} end as left_on,
        is_again
    from named

)

select
    join_key,
    member_id,
    kind,
    joined_at,
    business_date,
    scene,
    state,
    invitor,
    staff_connection,
    staff_id,
    store_code,
    last_seen_on,
    left_on,
    member_id is not null
    and kind <> 'register'
    and row_number() over (
        partition by member_id, kind = 'register'
        order by business_date, is_again desc, joined_at nulls last, join_key
    ) = 1 as is_first
from final
