-- Grain: one row per refund of an order that counts: a return or void at the till, a refund, closing, or what the
-- order's own figure says beyond the list. One that is no more stays with an amount of 0, so that its day is known.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key="record_no",
    meta={"affected": "int_touched_sales"},
) }}

with

sales as (

    select *
    from {{ ref('int_sales_netted') }}
    where is_listed and {{ touched_rows('record_no', ref('int_touched_sales')) }}

),

returns as (

    select * from {{ ref('int_pos_returns_linked') }}

),

group_orders as (

    select * from {{ ref('int_groupbuy_orders_settled') }} where is_listed

),

group_refunds as (

    select * from {{ ref('int_groupbuy_refunds_done') }}

),

stores as (

    select * from {{ source('ops', 'stores') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

returned as (

    select
        'return|' || returns.connection || '|' || returns.record_id as refund_key,
        returns.origin_record_key as record_key,
        cast(null as varchar) as line_no,
        returns.sold_at as refunded_at,
        'return' as kind,
        returns.net_fen as amount_fen
    from returns
    where returns.kind = 'return' and not returns.is_voided and returns.origin_kind = 'sale'

),

-- of a return whose sale is unknown its own row stands for the order
unlinked as (

    select
        'return|' || connection || '|' || record_id as refund_key,
        record_key,
        cast(null as varchar) as line_no,
        ordered_at as refunded_at,
        'return' as kind,
        refund_fen as amount_fen
    from sales
    where status = 'unlinked_return'

),

returned_before as (

    select
        record_key,
        sum(amount_fen) as amount_fen
    from returned
    group by record_key

),

-- a void takes back what is left of the sale; of several the first
voided as (

    select
        'void|' || returns.connection || '|' || returns.record_id as refund_key,
        sales.record_key,
        cast(null as varchar) as line_no,
        returns.sold_at as refunded_at,
        'void' as kind,
        sales.net_fen - coalesce(returned_before.amount_fen, 0) as amount_fen
    from returns
    inner join sales
        on returns.origin_record_key = sales.record_key
    left join returned_before
        on sales.record_key = returned_before.record_key
    where returns.kind = 'void' and not returns.is_voided and returns.origin_kind = 'sale'
    qualify row_number() over (partition by sales.record_key order by returns.sold_at, returns.record_key) = 1

),

-- what was never paid is not given back
listed as (

    select
        'refund|' || group_refunds.connection || '|' || group_refunds.refund_id as refund_key,
        group_orders.record_key,
        group_refunds.line_no,
        coalesce(group_refunds.refunded_at, group_orders.ordered_at) as refunded_at,
        'refund' as kind,
        group_refunds.amount_fen
    from group_refunds
    inner join group_orders
        on group_refunds.connection = group_orders.connection
        and group_refunds.order_id = group_orders.source_order_id
    where group_orders.net_fen <> 0

),

listed_before as (

    select
        record_key,
        sum(amount_fen) as amount_fen
    from listed
    group by record_key

),

beyond_the_list as (

    select
        case when group_orders.status = 'closed' then 'closed' else 'order_figure' end
        || '|' || group_orders.connection || '|' || group_orders.record_id as refund_key,
        group_orders.record_key,
        cast(null as varchar) as line_no,
        coalesce(group_orders.updated_at, group_orders.ordered_at) as refunded_at,
        case when group_orders.status = 'closed' then 'closed' else 'order_figure' end as kind,
        group_orders.refund_fen - coalesce(listed_before.amount_fen, 0) as amount_fen
    from group_orders
    left join listed_before
        on group_orders.record_key = listed_before.record_key
    where group_orders.net_fen <> 0

),

refunds as (

    select * from returned

    union all

    select * from unlinked

    union all

    select * from voided

    union all

    select * from listed

    union all

    select * from beyond_the_list

),

dated as (

    select
        refunds.refund_key,
        sales.record_no,
        sales.order_key,
        sales.order_no,
        refunds.line_no,
        {{ business_date('refunds.refunded_at', 'coalesce(stores.cutover_minutes, run_context.cutover_minutes)') }}
            as business_date,
        refunds.refunded_at,
        sales.channel,
        sales.store_code,
        refunds.kind,
        cast(refunds.amount_fen as bigint) as amount_fen,
        run_context.run_seq
    from refunds
    cross join run_context
    inner join sales
        on refunds.record_key = sales.record_key
    left join stores
        on sales.store_code = stores.store_code
    where refunds.amount_fen <> 0

){% if is_incremental() %},

known as (

    select *
    from {{ this }}
    where {{ touched_rows('record_no', ref('int_touched_sales')) }}

),

gone as (

    select known.*
    from known
    left join dated
        on known.refund_key = dated.refund_key
    where dated.refund_key is null

)
{%- endif %}

select
    dated.refund_key,
    dated.record_no,
    dated.order_key,
    dated.order_no,
    dated.line_no,
    dated.business_date,
    dated.refunded_at,
    dated.channel,
    dated.store_code,
    dated.kind,
    dated.amount_fen,
    {%- if is_incremental() %}
    case when known.touched_run = dated.run_seq then known.was_business_date else known.business_date end as was_business_date,
    {%- else %}
    cast(null as date) as was_business_date,
    {%- endif %}
    dated.run_seq as touched_run
from dated
{%- if is_incremental() %}
left join known
    on dated.refund_key = known.refund_key

union all

select
    gone.refund_key,
    gone.record_no,
    gone.order_key,
    gone.order_no,
    gone.line_no,
    gone.business_date,
    gone.refunded_at,
    gone.channel,
    gone.store_code,
    gone.kind,
    cast(0 as bigint) as amount_fen,
    case when gone.touched_run = run_context.run_seq then gone.was_business_date else gone.business_date end as was_business_date,
    run_context.run_seq as touched_run
from gone
cross join run_context
{%- endif %}
