-- Grain: one row per thing a person did with us besides buying, as one source record says.

with

shares as (

    select * from {{ ref('stg_groupbuy__shares') }}

),

complaints as (

    select * from {{ ref('stg_groupbuy__complaints') }}

),

-- whoever joined did, also who has left since; staff in the chat are none of ours to tell of
group_members as (

    select * from {{ ref('stg_wecom__group_members') }} where member_type = 2

),

contacts as (

    select * from {{ ref('stg_wecom__contacts') }}

),

users as (

    select * from {{ ref('stg_groupbuy__users') }}

),

ledger as (

    select * from {{ ref('int_ledger_engagements') }}

),

states as (

    select * from {{ ref('int_push_states') }}

),

record_members as (

    select * from {{ ref('record_members') }}

),

redirects as (

    select * from {{ ref('int_identity_redirects') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

done as (

    select
        'share' as kind, connection, 'shares' as feed, record_id, record_id as source_id, shared_at as at_source,
        first_arrived_on, 'groupbuy' as channel, cast(null as varchar) as store_code, activity_id as ref,
        cast(null as bigint) as amount_fen, cast(null as decimal(18, 3)) as points, true as is_counted
    from shares

    union all

    select
        'complaint', connection, 'complaints', record_id, record_id, opened_at, first_arrived_on, 'groupbuy',
        store_code, coalesce(order_id, ticket_id), null, null, status is distinct from 'withdrawn'
    from complaints

    union all

    select
        'group_join', connection, 'group_members', record_id, record_id, join_time, first_arrived_on, 'wecom', null,
        chat_id, null, null, true
    from group_members

    union all

    -- a record is a person, a row is a person and the staff member who follows her
    select
        'contact_added', connection, 'contacts', record_id, record_id || '|' || userid, createtime, first_arrived_on,
        'wecom', null, userid, null, null, true
    from contacts

    union all

    select
        'registered', connection, 'users', record_id, record_id, registered_at, first_arrived_on, 'groupbuy', null,
        invited_by_code, null, null, true
    from users

    union all

    select
        kind, connection, feed, record_id, record_id, occurred_at, first_arrived_on, channel, null, ref, amount_fen,
        points, true
    from ledger

),

owned as (

    select
        done.kind || '|' || done.connection || '|' || done.source_id as engagement_key,
        -- a source that does not say when: the night we first saw it
        coalesce({{ business_date('done.at_source', 'run_context.cutover_minutes') }}, done.first_arrived_on)
            as business_date,
        done.at_source as "at",
        done.kind,
        record_members.member_id,
        done.channel,
        done.connection,
        done.store_code,
        done.ref,
        done.amount_fen,
        done.points,
        done.is_counted
    from done
    cross join run_context
    left join record_members
        on done.connection = record_members.connection
        and done.feed = record_members.feed
        and done.record_id = record_members.record_id

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
        cast(null as varchar) as store_code,
        states.campaign_id as ref,
        cast(null as bigint) as amount_fen,
        cast(null as decimal(18, 3)) as points,
        true as is_counted
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

select
    engagement_key,
    business_date,
    "at",
    kind,
    member_id,
    channel,
    connection,
    store_code,
    ref,
    amount_fen,
    points,
    is_counted
from final
