-- Grain: one row per (connection, userid, external_userid) that still stands.
-- WeCom tells no end of a relation: it ended when a later night read all pages of that staff member without it.

with

contacts as (

    select * from {{ ref('stg_wecom__contacts') }}

),

read_completely as (

    select
        connection,
        userid,
        max(arrived_on) as last_complete_on
    from {{ ref('stg_wecom__snapshot_staff') }}
    where complete
    group by connection, userid

)

select
    contacts.connection,
    contacts.userid,
    contacts.external_userid,
    contacts.record_id,
    contacts.createtime,
    contacts.first_arrived_on
from contacts
left join read_completely
    on contacts.connection = read_completely.connection
    and contacts.userid = read_completely.userid
where
    read_completely.last_complete_on is null
    or contacts.arrived_on >= read_completely.last_complete_on
