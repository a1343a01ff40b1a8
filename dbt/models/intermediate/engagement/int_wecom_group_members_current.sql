-- Grain: one row per (connection, chat_id, userid) of a customer who is in the group chat.
-- A chat's members are read together: who is missing from its newest reading has left.

with

group_members as (

    select * from {{ ref('stg_wecom__group_members') }}

),

group_chats as (

    select * from {{ ref('stg_wecom__group_chats') }}

)

select
    group_members.connection,
    group_members.chat_id,
    group_members.userid,
    group_members.record_id,
    group_members.join_time,
    group_members.first_arrived_on
from group_members
left join group_chats
    on group_members.connection = group_chats.connection
    and group_members.chat_id = group_chats.chat_id
where
    group_members.member_type = 2
    and (group_chats.arrived_on is null or group_members.arrived_on >= group_chats.arrived_on)
