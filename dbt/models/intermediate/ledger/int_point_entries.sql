-- Grain: one row per entry of points: what one record of a source did to one account, with whose it is tonight.
-- Sources with a ledger are taken as they post; of the others, tickets and orders say what was earned and spent.
-- A row is made again when its record arrived or was touched, or belongs to somebody else. An entry that its record does
-- not tell of any more stays, not listed; until that is published, was_* keep what readers last saw. account_no and
-- number_no are what a night finds the entries of an account and of a ticket by.
{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='record_no') }}

{% set was = ['member_id', 'account', 'ref'] %}
{% set tonight = "(select run_seq from " ~ source('ops', 'run_context') ~ ")" %}

with

all_sales as {{ read_in_place() }} (

    select * from {{ ref('int_orders') }}

),

{% if is_incremental() -%}
touched_sales as (

    select
        record_no,
        connection,
        source_order_id
    from all_sales
    where touched_run = {{ tonight }}

),

wanted as (

    -- also an older version: the night a posting first arrived may be another
    select record_key as record_no from {{ ref('stg_identity__arrivals') }} where feed = 'points'

    union

    select record_no from touched_sales

    union

    -- who belongs to somebody else
    select record_no
    from {{ ref('int_record_owners') }}
    where feed = 'points' and touched_run = {{ tonight }}

    union

    -- whether an adjustment is a reversal depends on what it refers to
    select known.record_no
    from {{ this }} as known
    inner join touched_sales
        on known.connection = touched_sales.connection
        and known.ref = touched_sales.source_order_id
    where known.source = 'points' and known.kind in ('adjust', 'reverse')

    union

    -- a ledger began to be told of: its tickets speak no more
    select record_no
    from {{ this }}
    where source <> 'points' and connection in (
        select connection from {{ source('ops', 'available_feeds') }} where feed = 'points'
    )

    union

    -- what an earlier build made again and nobody published
    select record_no
    from {{ this }}
    where touched_run = {{ tonight }}

),

-- what is made again, as it was
known as (

    select * from {{ this }} where record_no in (select record_no from wanted)

),

{% else -%}
-- depends_on: {{ ref('stg_identity__arrivals') }}
{% endif -%}
points as (

    select
        *,
        {{ key_hash('record_key') }} as record_no
    from {{ ref('stg_pos__points') }}
    {%- if is_incremental() %}
    where record_key in (
        select connection || '|' || feed || '|' || record_id
        from {{ ref('stg_identity__arrivals') }}
        where feed = 'points'

        union

        select entry_id from known where source = 'points'
    )
    {%- endif %}

),

sales as (

    select *
    from all_sales
    where {{ touched_rows('record_no', 'wanted') }}

),

given_back as (

    select
        connection,
        source_order_id,
        member_id
    from all_sales
    where kind in ('return', 'void') or status = 'voided' or refund_fen > 0

),

owners as (

    select
        record_no,
        member_id
    from {{ ref('int_record_owners') }}
    where feed = 'points' and {{ touched_rows('record_no', 'wanted') }}

),

tickets as (

    select record_key, member_ref, phone_token
    from {{ ref('stg_pos__tickets') }}
    where {{ touched_rows('sale_no', 'wanted', 'record_no') }}

),

group_orders as (

    select record_key, appid, openid, buyer_phone_token, updated_at
    from {{ ref('stg_groupbuy__orders') }}
    where {{ touched_rows('sale_no', 'wanted', 'record_no') }}

),

with_feed as (

    select distinct connection from {{ source('ops', 'available_feeds') }} where feed = 'points'

),

factors as (

    select * from {{ source('ops', 'point_factors') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

posted as (

    select
        points.record_key as entry_id,
        points.entry_id as source_entry_id,
        points.connection,
        'points' as feed,
        points.record_id,
        points.record_no,
        owners.member_id,
        points.member_ref,
        points.phone_token,
        points.occurred_at,
        points.first_arrived_on,
        points.kind,
        points.points,
        points.ref_id as ref
    from points
    left join owners
        on points.record_no = owners.record_no

),

-- what takes back, or was taken back
undone as (

    select distinct
        connection,
        source_order_id,
        member_id
    from given_back
    where source_order_id in (select ref from posted where kind = 'adjust' and points < 0)

),

-- a ledger does not say which shop's ticket it means: of several with that number, one of the same person
reversals as (

    select distinct posted.entry_id
    from posted
    inner join undone
        on posted.connection = undone.connection
        and posted.ref = undone.source_order_id
        and (undone.member_id is null or posted.member_id is null or posted.member_id = undone.member_id)
    where posted.kind = 'adjust' and posted.points < 0

),

-- sources write what was spent or lapsed with either sign
of_ledgers as (

    select
        posted.entry_id,
        posted.source_entry_id,
        posted.connection,
        posted.feed,
        posted.record_id,
        posted.record_no,
        posted.member_id,
        case when posted.member_ref is not null then 'pos_member' when posted.phone_token is not null then 'phone' end
            as namespace,
        coalesce(posted.connection || ':' || posted.member_ref, posted.phone_token) as identifier,
        posted.occurred_at,
        posted.first_arrived_on,
        case
            when posted.kind = 'earn' and posted.points < 0 then 'reverse'
            when reversals.entry_id is not null then 'reverse'
            else posted.kind
        end as kind,
        case when posted.kind in ('spend', 'expire') then -abs(posted.points) else posted.points end as points,
        'pos' as channel,
        posted.ref,
        'points' as source
    from posted
    left join reversals
        on posted.entry_id = reversals.entry_id

),

-- a voided ticket is as if it never was; what a return says of points it takes back or gives back
on_tickets as (

    select
        sales.record_key || '|earn' as entry_id,
        sales.record_key,
        sales.ordered_at as occurred_at,
        case when sales.kind = 'return' or sales.points_earned < 0 then 'reverse' else 'earn' end as kind,
        case when sales.kind = 'return' then -abs(sales.points_earned) else sales.points_earned end as points
    from sales
    where
        sales.channel = 'pos'
        and sales.kind <> 'void'
        and sales.status <> 'voided'
        and sales.points_earned <> 0
        and sales.connection not in (select connection from with_feed)

    union all

    select
        sales.record_key || '|spend',
        sales.record_key,
        sales.ordered_at,
        case when sales.kind = 'return' then 'reverse' else 'spend' end,
        case when sales.kind = 'return' then abs(sales.points_spent) else -abs(sales.points_spent) end
    from sales
    where
        sales.channel = 'pos'
        and sales.kind <> 'void'
        and sales.status <> 'voided'
        and sales.points_spent <> 0
        and sales.connection not in (select connection from with_feed)

),

of_tickets as (

    select
        on_tickets.entry_id,
        sales.record_id as source_entry_id,
        sales.connection,
        sales.feed,
        sales.record_id,
        sales.record_no,
        sales.member_id,
        case when tickets.member_ref is not null then 'pos_member' when tickets.phone_token is not null then 'phone' end
            as namespace,
        coalesce(sales.connection || ':' || tickets.member_ref, tickets.phone_token) as identifier,
        on_tickets.occurred_at,
        cast(null as date) as first_arrived_on,
        on_tickets.kind,
        on_tickets.points,
        'pos' as channel,
        sales.source_order_id as ref,
        'tickets' as source
    from on_tickets
    inner join sales
        on on_tickets.record_key = sales.record_key
    inner join tickets
        on on_tickets.record_key = tickets.record_key

),

-- the copy of help-sell tells of the same points again
with_points as (

    select
        sales.*,
        group_orders.appid,
        group_orders.openid,
        group_orders.buyer_phone_token,
        sales.status not in ('unpaid', 'closed') as is_paid,
        -- when what it held was let go; null while it holds
        case
            when sales.status = 'unpaid' then null
            when sales.status = 'closed' then greatest(coalesce(group_orders.updated_at, sales.paid_at, sales.ordered_at), sales.ordered_at)
            else coalesce(sales.paid_at, sales.ordered_at)
        end as settled_at
    from sales
    inner join group_orders
        on sales.record_key = group_orders.record_key
    where
        sales.channel = 'groupbuy'
        and sales.seller_role <> 'helper'
        and (sales.points_earned <> 0 or sales.points_spent <> 0)
        and sales.connection not in (select connection from with_feed)

),

-- earned and spent when paid; from the order until then, what is to be spent is locked; a closed order did nothing
on_orders as (

    select
        'earn' as part, record_key, settled_at as occurred_at,
        case when points_earned < 0 then 'reverse' else 'earn' end as kind, points_earned as points
    from with_points
    where is_paid and points_earned <> 0

    union all

    select 'spend', record_key, settled_at, 'spend', -abs(points_spent)
    from with_points
    where is_paid and points_spent <> 0

    union all

    select 'lock', record_key, ordered_at, 'lock', -abs(points_spent)
    from with_points
    where points_spent <> 0 and (not is_paid or settled_at > ordered_at)

    union all

    select 'release', record_key, settled_at, 'release', abs(points_spent)
    from with_points
    where points_spent <> 0 and settled_at is not null and (not is_paid or settled_at > ordered_at)

),

of_orders as (

    select
        on_orders.record_key || '|' || on_orders.part as entry_id,
        sales.record_id as source_entry_id,
        sales.connection,
        sales.feed,
        sales.record_id,
        sales.record_no,
        sales.member_id,
        case when sales.openid is not null then 'openid' when sales.buyer_phone_token is not null then 'phone' end
            as namespace,
        coalesce(coalesce(sales.appid, sales.connection) || ':' || sales.openid, sales.buyer_phone_token) as identifier,
        on_orders.occurred_at,
        cast(null as date) as first_arrived_on,
        on_orders.kind,
        on_orders.points,
        'groupbuy' as channel,
        sales.source_order_id as ref,
        'orders' as source
    from on_orders
    inner join with_points as sales
        on on_orders.record_key = sales.record_key

),

entries as (

    select * from of_ledgers

    union all

    select * from of_tickets

    union all

    select * from of_orders

),

told as (

    select
        entries.entry_id,
        entries.source_entry_id,
        entries.connection,
        entries.feed,
        entries.record_id,
        entries.record_no,
        entries.member_id,
        {{ key_hash('entries.member_id') }} as member_no,
        entries.namespace,
        entries.identifier,
        case when entries.namespace = 'phone' then 'phone:' || entries.identifier else entries.identifier end as account,
        entries.occurred_at,
        {{ business_date('entries.occurred_at', 'run_context.cutover_minutes') }} as business_date,
        entries.first_arrived_on,
        entries.kind,
        cast(entries.points as decimal(18, 3)) as points,
        cast(entries.points * (coalesce(factors.factor_permille, 1000) * 0.001) as decimal(18, 3)) as chain_points,
        entries.channel,
        entries.ref,
        entries.source,
        case entries.kind
            when 'earn' then 'issued:' || entries.connection
            when 'spend' then 'spent'
            when 'expire' then 'expired'
            when 'adjust' then 'adjusted'
            when 'reverse' then 'reversed'
            else 'locked'
        end as counter_account,
        true as is_listed,
        {%- for column in was %}
        {%- if is_incremental() %}
        case when known.touched_run = run_context.run_seq then known.was_{{ column }} else known.{{ column }} end
            as was_{{ column }},
        {%- else %}
        cast(null as varchar) as was_{{ column }},
        {%- endif %}
        {%- endfor %}
        run_context.run_seq as touched_run
    from entries
    cross join run_context
    left join factors
        on entries.connection = factors.connection
    {%- if is_incremental() %}
    left join known
        on entries.record_no = known.record_no
        and entries.entry_id = known.entry_id
    {%- endif %}

),

final as (

    select * from told
    {%- if is_incremental() %}

    union all

    select
        known.entry_id,
        known.source_entry_id,
        known.connection,
        known.feed,
        known.record_id,
        known.record_no,
        cast(null as varchar) as member_id,
        cast(null as bigint) as member_no,
        known.namespace,
        known.identifier,
        known.account,
        known.occurred_at,
        known.business_date,
        known.first_arrived_on,
        known.kind,
        cast(0 as decimal(18, 3)) as points,
        cast(0 as decimal(18, 3)) as chain_points,
        known.channel,
        known.ref,
        known.source,
        known.counter_account,
        false as is_listed,
        {%- for column in was %}
        case when known.touched_run = run_context.run_seq then known.was_{{ column }} else known.{{ column }} end
            as was_{{ column }},
        {%- endfor %}
        run_context.run_seq as touched_run
    from known
    cross join run_context
    where known.entry_id not in (select entry_id from told)
    {%- endif %}

)

select
    *,
    {{ key_hash("connection || '|' || coalesce(account, '')") }} as account_no,
    {{ key_hash("connection || '|' || ref") }} as number_no
from final
