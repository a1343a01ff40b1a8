-- Days of which a fact may have changed since the last publication. A day of null stands for every day there is or was:
-- a build of everything asks nobody what changed. Grain: fact × day.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

with

orders as (

    select * from {{ ref('int_touched_orders') }}

),

refunds as (

    select * from {{ ref('int_refunds') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

order_days as (

    select business_date from orders

    union

    select was_business_date from orders where was_business_date is not null

),

-- also refunds of orders that only changed hands
refund_days as (

    select refunds.business_date
    from refunds
    inner join orders
        on refunds.record_no = orders.record_no

    union

    select refunds.was_business_date
    from refunds
    inner join run_context
        on refunds.touched_run = run_context.run_seq
    where refunds.was_business_date is not null

),

days as (

    select 'orders' as fact, business_date from order_days

    union

    select 'order_lines' as fact, business_date from order_days

    union

    select 'refunds' as fact, business_date from refund_days
    {%- if is_incremental() %}

    union

    -- what an earlier build touched and nobody published
    select before.fact, before.business_date
    from {{ this }} as before
    inner join run_context
        on before.run_seq = run_context.run_seq
    {%- else %}

    union all

    select 'orders' as fact, cast(null as date) as business_date

    union all

    select 'order_lines' as fact, cast(null as date) as business_date

    union all

    select 'refunds' as fact, cast(null as date) as business_date
    {%- endif %}

)

select
    run_context.run_seq,
    days.fact,
    days.business_date
from days
cross join run_context
