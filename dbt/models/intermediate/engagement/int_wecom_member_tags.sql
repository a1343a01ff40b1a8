-- Grain: one row per member, tag and who set it (a staff member or a campaign of ours), while it stands on a relation that
-- stands. WeCom names no setter: what is not ours was set by the staff member of the relation.

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

-- the journal names a tag and its relation by the hash of what was handed over; of two campaigns with one tag the first
pushed as (

    select
        payload_sha256,
        campaign_id,
        cast("at" as date) as pushed_on
    from {{ ref('int_push_states') }}
    where action = 'tag' and state = 'accepted'
    qualify row_number() over (partition by payload_sha256 order by "at", campaign_id, message_id) = 1

),

run_context as (

    select cutover_minutes from {{ source('ops', 'run_context') }}

),

standing as (

    select
        record_members.member_id,
        tags.tag_name as tag,
        case when pushed.campaign_id is null then contacts.userid end as author,
        pushed.campaign_id,
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
    -- what was seen there before we set it, staff had set
    left join pushed
        on {{ tag_payload_hash('contacts.userid', 'contacts.external_userid', 'tags.tag_name') }} = pushed.payload_sha256
        and contact_tags.first_arrived_on >= pushed.pushed_on

)

-- of two accounts that hold it, one whose beginning is unknown makes it unknown
select
    member_id,
    tag,
    author,
    campaign_id,
    case when count(since) = count(*) then min(since) end as since,
    min(external_userid) as external_userid
from standing
group by member_id, tag, author, campaign_id
