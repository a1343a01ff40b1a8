-- Grain: one row per thing a person did or got that every night reads as a whole: joins and contacts in WeCom, and our
-- messages.

with

-- whoever joined did, also who has left since; staff in the chat are none of ours to tell of
group_members as (

    select * from {{ ref('stg_wecom__group_members') }} where member_type = 2

),

contacts as (

    select * from {{ ref('stg_wecom__contacts') }}

),

states as (

    select * from {{ ref('int_push_states') }}

),

owners as (

    select connection, feed, record_id, member_id
    from {{ ref('int_record_owners') }}
    where feed in ('group_members', 'contacts')

),

redirects as (

    select * from {{ ref('int_identity_redirects') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

done as (

    select
        'group_join' as kind, connection, 'group_members' as feed, record_id, record_id as source_id,
        join_time as at_source, first_arrived_on, chat_id as ref
    from group_members

    union all

    -- a record is a person, a row is a person and the staff member who follows her
    select
        'contact_added', connection, 'contacts', record_id, record_id || '|' || userid, createtime, first_arrived_on,
        userid
    from contacts

),

owned as (

    select
        done.kind || '|' || done.connection || '|' || done.source_id as engagement_key,
        -- a source that does not say when: the night we first saw it
        coalesce({{ business_date('done.at_source', 'run_context.cutover_minutes') }}, done.first_arrived_on)
            as business_date,
        done.at_source as "at",
        done.kind,
        owners.member_id,
        'wecom' as channel,
        done.connection,
        done.ref
    from done
    cross join run_context
    left join owners
        on done.connection = owners.connection
        and done.feed = owners.feed
        and done.record_id = owners.record_id

),

-- what we sent by tonight; what is announced or uncertain may have reached her
sent as (

    select
        'message|' || states.message_id as engagement_key,
        {{ business_date('states."at"', 'run_context.cutover_minutes') }} as business_date,
        states."at",
        'message' as kind,
        coalesce(redirects.member_id, states.member_id) as member_id,
        states.target as channel,
        cast(null as varchar) as connection,
        states.campaign_id as ref
    from states
    cross join run_context
    left join redirects
        on states.member_id = redirects.retired_member_id
    where
        states.action = 'message'
        and states.state in ('intent', 'accepted', 'uncertain')
        and {{ business_date('states."at"', 'run_context.cutover_minutes') }} <= run_context.as_of_date

),

final as (

    select * from owned

    union all

    select * from sent

)

select * from final
