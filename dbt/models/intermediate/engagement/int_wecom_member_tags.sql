-- Grain: one row per member, tag and staff member who set it, while it stands on a relation that stands.

with

current_contacts as (

    select connection, userid, external_userid, record_id from {{ ref('int_wecom_contacts_current') }}

),

contacts as (

    select
        connection, userid, external_userid, createtime, first_arrived_on, {{ json_items('tag_ids') }} as tag_id
    from {{ ref('stg_wecom__contacts') }}

),

contact_tags as (

    select * from {{ ref('stg_wecom__contact_tags') }}

),

-- a tag that was deleted from the catalogue is on nobody
tags as (

    select connection, tag_id, tag_name from {{ ref('stg_wecom__tags') }} where not coalesce(deleted, false)

),

record_members as (

    select * from {{ ref('record_members') }} where feed = 'contacts' and member_id is not null

),

run_context as (

    select cutover_minutes from {{ source('ops', 'run_context') }}

),

standing as (

    select
        record_members.member_id,
        tags.tag_name as tag,
        contacts.userid as author,
        contacts.external_userid,
        -- what stood already when an older relation was first read began nobody knows when
        case
            when
                contact_tags.first_arrived_on > contacts.first_arrived_on
                or {{ business_date('contacts.createtime', 'run_context.cutover_minutes') }} >= contacts.first_arrived_on
                then contact_tags.first_arrived_on
        end as since
    from contacts
    cross join run_context
    inner join current_contacts
        on {{ equal_in(['connection', 'userid', 'external_userid'], 'contacts', 'current_contacts') }}
    inner join contact_tags
        on {{ equal_in(['connection', 'userid', 'external_userid', 'tag_id'], 'contacts', 'contact_tags') }}
    inner join tags
        on contacts.connection = tags.connection
        and contacts.tag_id = tags.tag_id
    inner join record_members
        on current_contacts.connection = record_members.connection
        and current_contacts.record_id = record_members.record_id

)

-- of two accounts that hold it, one whose beginning is unknown makes it unknown
select
    member_id,
    tag,
    author,
    case when count(since) = count(*) then min(since) end as since,
    min(external_userid) as external_userid
from standing
group by member_id, tag, author
