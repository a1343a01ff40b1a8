-- Grain: one row per thing that happened to a coupon: events of the sources, our own issues, and what only an order
-- tells of: that it holds a coupon, lets it go, or used it without anybody posting so.

with

pos_events as (

    select
        record_key, connection, record_id, coupon_code, template_id, event, occurred_at, ref_id, amount_fen,
        case when member_ref is not null then 'pos_member' when phone_token is not null then 'phone' end as namespace,
        coalesce(connection || ':' || member_ref, phone_token) as identifier
    from {{ ref('stg_pos__coupon_events') }}
    where coupon_code is not null

),

group_events as (

    select
        record_key, connection, record_id, coupon_code, template_id, event, occurred_at, ref_id, amount_fen,
        case
            when openid is not null then 'openid'
            when member_ref is not null then 'pos_member'
            when phone_token is not null then 'phone'
        end as namespace,
        coalesce(coalesce(appid, connection) || ':' || openid, connection || ':' || member_ref, phone_token)
            as identifier
    from {{ ref('stg_groupbuy__coupon_events') }}
    where coupon_code is not null

),

states as (

    select * from {{ ref('int_push_states') }}

),

decisions as (

    select * from {{ source('ops', 'candidate_history') }}

),

templates as (

    select * from {{ source('ops', 'rule_coupon_templates') }}

),

redirects as (

    select * from {{ ref('int_identity_redirects') }}

),

record_members as {{ read_in_place() }} (

    select * from {{ ref('record_members') }} where feed = 'coupon_events'

),

sales as {{ read_in_place() }} (

    select * from {{ ref('int_orders') }} where kind in ('sale', 'order')

),

group_updates as (

    select record_key, updated_at from {{ ref('stg_groupbuy__orders') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

told as (

    select 'pos' as channel, * from pos_events

    union all

    select 'groupbuy' as channel, * from group_events

),

-- help-sell: the supplier's row tells of the coupon, whoever's revenue it is
holding as (

    select
        sales.*,
        group_updates.updated_at
    from sales
    left join group_updates
        on sales.record_key = group_updates.record_key
    where sales.coupon_code is not null and sales.seller_role is distinct from 'helper'

),

-- a ticket number may be another shop's as well: of the same person, else the only one
named as (

    select
        told.record_key,
        sales.order_key
    from told
    inner join sales
        on told.connection = sales.connection
        and told.ref_id = sales.source_order_id
        and sales.seller_role is distinct from 'helper'
    left join record_members
        on told.connection = record_members.connection
        and told.record_id = record_members.record_id
    where told.event = 'redeemed'
    qualify
        row_number() over (
            partition by told.record_key
            order by case when sales.member_id = record_members.member_id then 1 else 2 end, sales.order_key
        ) = 1
        and (sales.member_id = record_members.member_id or count(*) over (partition by told.record_key) = 1)

),

-- a use that names no order we know, but perhaps a payment, is that of the order which says it took this coupon, and
-- of one that was closed since, where no other did
unnamed as (

    select
        told.record_key,
        holding.order_key
    from told
    inner join holding
        on told.connection = holding.connection
        and told.coupon_code = holding.coupon_code
    where
        told.event = 'redeemed'
        and holding.status <> 'unpaid'
        and not exists (
            select 1
            from sales
            where
                sales.connection = told.connection
                and sales.source_order_id = told.ref_id
                and sales.seller_role is distinct from 'helper'
        )
    qualify
        row_number() over (
            partition by told.record_key
            order by case when holding.status = 'closed' then 2 else 1 end, holding.order_key
        ) = 1
        and count(*) over (partition by told.record_key, holding.status = 'closed') = 1

),

posted as (

    select
        told.record_key as ledger_id,
        told.coupon_code,
        told.event,
        told.occurred_at,
        record_members.member_id,
        told.channel,
        told.connection,
        told.ref_id as ref,
        told.amount_fen,
        told.template_id,
        cast(null as varchar) as campaign_id,
        told.namespace,
        told.identifier,
        cast(null as varchar) as named_member_id,
        coalesce(named.order_key, unnamed.order_key) as order_key,
        false as is_derived
    from told
    left join record_members
        on told.connection = record_members.connection
        and told.record_id = record_members.record_id
    left join named
        on told.record_key = named.record_key
    left join unnamed
        on told.record_key = unnamed.record_key

),

-- what is uncertain may be in her hands; what is only announced is not
issued_by_us as (

    select
        'linli|' || states.message_id as ledger_id,
        {{ coupon_code('decisions.campaign_id', 'decisions.member_id', 'decisions.lapse_key') }} as coupon_code,
        'issued' as event,
        states."at" as occurred_at,
        coalesce(redirects.member_id, states.member_id) as member_id,
        'linli' as channel,
        cast(null as varchar) as connection,
        cast(null as varchar) as ref,
        cast(null as bigint) as amount_fen,
        templates.template_id,
        states.campaign_id,
        cast(null as varchar) as namespace,
        cast(null as varchar) as identifier,
        states.member_id as named_member_id,
        cast(null as varchar) as order_key,
        false as is_derived
    from states
    cross join run_context
    inner join decisions
        on states.campaign_id = decisions.campaign_id
        and states.business_date = decisions.business_date
        and states.member_id = decisions.member_id
    left join redirects
        on states.member_id = redirects.retired_member_id
    left join templates
        on states.campaign_id = templates.campaign_id
    where
        states.action = 'coupon'
        and states.state in ('accepted', 'uncertain')
        and {{ business_date('states."at"', 'run_context.cutover_minutes') }} <= run_context.as_of_date

),

-- orders whose use of the coupon was posted need no telling
untold as (

    select holding.*
    from holding
    where not exists (
        select 1
        from posted
        where
            posted.event = 'redeemed'
            and posted.coupon_code = holding.coupon_code
            and posted.order_key = holding.order_key
    )

),

life as (

    select
        record_key || '|locked' as ledger_id, coupon_code, 'locked' as event, ordered_at as occurred_at, member_id,
        channel, connection, source_order_id as ref, order_key
    from untold
    where status in ('unpaid', 'closed')

    union all

    select
        record_key || '|released', coupon_code, 'released', greatest(coalesce(updated_at, paid_at, ordered_at), ordered_at),
        member_id, channel, connection, source_order_id, order_key
    from untold
    where status = 'closed'

    union all

    select
        record_key || '|redeemed', coupon_code, 'redeemed', coalesce(paid_at, ordered_at), member_id, channel,
        connection, source_order_id, order_key
    from untold
    where status not in ('unpaid', 'closed')

),

of_orders as (

    select
        ledger_id,
        coupon_code,
        event,
        occurred_at,
        member_id,
        channel,
        connection,
        ref,
        cast(null as bigint) as amount_fen,
        cast(null as varchar) as template_id,
        cast(null as varchar) as campaign_id,
        cast(null as varchar) as namespace,
        cast(null as varchar) as identifier,
        cast(null as varchar) as named_member_id,
        order_key,
        true as is_derived
    from life

),

events as (

    select * from posted

    union all

    select * from issued_by_us

    union all

    select * from of_orders

)

select
    events.ledger_id,
    events.coupon_code,
    events.event,
    events.occurred_at,
    {{ business_date('events.occurred_at', 'run_context.cutover_minutes') }} as business_date,
    events.member_id,
    events.channel,
    events.connection,
    events.ref,
    events.amount_fen,
    events.template_id,
    events.campaign_id,
    events.namespace,
    events.identifier,
    events.named_member_id,
    events.order_key,
    events.is_derived
from events
cross join run_context
