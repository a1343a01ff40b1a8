-- Members whose figures of orders over windows of days have to be made again tonight: owners, now and then, of sales that
-- were touched, and those with an order or refund on a day that entered or left a window since the last green build. A
-- window of n days at a night are the n business days up to it. Grain: member id, also of members that are no more.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

with

orders as (

    select * from {{ ref('int_orders') }} where is_listed and member_id is not null

),

refunds as (

    select * from {{ ref('int_refunds') }} where amount_fen <> 0

),

touched as (

    select * from {{ ref('int_touched_orders') }}

),

members as (

    select member_id from {{ ref('members') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

windows as (

    select days from {{ source('ops', 'window_days') }}

),

-- days that left a window, and days that were still to come
moved as (

    select
        {{ add_days('run_context.previous_as_of', '1 - windows.days') }} as first_day,
        {{ add_days('run_context.as_of_date', '-windows.days') }} as last_day
    from windows
    cross join run_context

    union

    select {{ add_days('previous_as_of', '1') }}, as_of_date
    from run_context

),

days as (

    select distinct happened.business_date
    from (
        select business_date from orders
        union
        select business_date from refunds
    ) as happened
    inner join moved
        on happened.business_date between moved.first_day and moved.last_day

),

-- nobody knows figures over a window that is new, nor any after a build of everything
is_everybody as (

    select 1 as yes
    from run_context
    where
        previous_as_of is null
        or is_refresh
        or exists (
            select 1
            from windows
            where days not in (select days from {{ source('ops', 'digested_windows') }})
        )
        {%- if not is_incremental() %}
        or true
        {%- endif %}

),

stale as (

    select member_id from touched where member_id is not null

    union

    select was_member_id from touched where was_member_id is not null

    union

    select member_id
    from orders
    where business_date in (select business_date from days)

    union

    select orders.member_id
    from refunds
    inner join orders
        on refunds.record_no = orders.record_no
    where refunds.business_date in (select business_date from days)

    union

    select members.member_id
    from members
    cross join is_everybody
    {%- if is_incremental() %}

    union

    -- whose figures an earlier build made that nobody published
    select before.member_id
    from {{ this }} as before
    inner join run_context
        on before.run_seq = run_context.run_seq
    {%- endif %}

)

select
    stale.member_id,
    {{ key_hash('stale.member_id') }} as member_no,
    run_context.run_seq
from stale
cross join run_context
