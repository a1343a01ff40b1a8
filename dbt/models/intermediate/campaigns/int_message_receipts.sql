-- Grain: one row per (msgid, member_id): what WeCom says became of a bulk message to a member.
-- status: 0 waits for the staff member, 1 sent, 2 no longer a contact, 3 refused by the daily limit.

select
    results.msgid,
    record_members.member_id,
    results.status
from {{ ref('stg_wecom__message_results') }} as results
inner join {{ ref('record_members') }} as record_members
    on results.connection = record_members.connection
    and record_members.feed = 'contacts'
    and results.external_userid = record_members.record_id
where
    record_members.member_id is not null
    and results.status is not null
-- a member with two WeCom accounts has got the message when one of them has
qualify row_number() over (
    partition by results.msgid, record_members.member_id
    order by
        case results.status when 1 then 1 when 0 then 2 when 3 then 3 else 4 end,
        results.row_key
) = 1
