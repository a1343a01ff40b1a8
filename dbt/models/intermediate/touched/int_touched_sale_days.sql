-- Days on which a sale or a refund itself may be otherwise than in the last green build; not those of sales that only
-- changed hands. Grain: day. Empty in a build of everything.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

with

sales as (

    select *
    from {{ ref('int_touched_orders') }}
    where record_no in (select record_no from {{ ref('int_touched_sales') }})

),

refunds as (

    select *
    from {{ ref('int_refunds') }}
    where
        record_no in (select record_no from sales)
        or touched_run = (select run_seq from {{ source('ops', 'run_context') }})

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

days as (

    select business_date from sales

    union

    select was_business_date from sales

    union

    select business_date from refunds

    union

    select was_business_date from refunds
    {%- if is_incremental() %}

    union

    -- what an earlier build touched and nobody published
    select before.business_date
    from {{ this }} as before
    inner join run_context
        on before.run_seq = run_context.run_seq
    {%- endif %}

)

select
    run_context.run_seq,
    days.business_date
from days
cross join run_context
where days.business_date is not null
{%- if not is_incremental() %} and false{% endif %}
