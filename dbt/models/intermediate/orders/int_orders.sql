-- Grain: one row per sale record of either channel, with the member it belongs to tonight and the numbers to join by.
-- A row is made again when its sale was touched or it belongs to somebody else; until that is published, was_* keep
-- what readers last saw.
{{ config(materialized="incremental", incremental_strategy="delete+insert", unique_key="record_no") }}

with

owners as (

    select
        record_key as record_no,
        record_id,
        member_id
    from {{ ref('int_record_recognitions') }}
    where feed in ('tickets', 'orders')

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

{% if is_incremental() %}
known as (

    select * from {{ this }}

),

wanted as (

    select record_no from {{ ref('int_touched_sales') }}

    union

    select known.record_no
    from known
    left join owners
        on known.record_no = owners.record_no
    where known.member_id is distinct from owners.member_id

),

{% else %}
-- depends_on: {{ ref('int_touched_sales') }}
{% endif %}
sales as (

    select *
    from {{ ref('int_sales_netted') }}
    where {{ touched_rows('record_no', 'wanted') }}

)

select
    sales.order_key,
    sales.order_no,
    sales.channel,
    sales.connection,
    sales.feed,
    sales.record_id,
    sales.record_no,
    sales.record_key,
    sales.kind,
    sales.is_listed,
    sales.source_order_id,
    sales.store_code,
    sales.cashier_id,
    sales.leader_id,
    sales.activity_id,
    sales.pickup_site,
    sales.invite_code,
    sales.sharer,
    sales.coupon_code,
    sales.seller_role,
    sales.status,
    sales.ordered_at,
    sales.paid_at,
    sales.business_date,
    {{ hour_of('sales.ordered_at') }} as hour_of_day,
    {{ iso_weekday('sales.business_date') }} as weekday,
    sales.net_fen,
    sales.refund_fen,
    sales.discount_fen,
    sales.freight_fen,
    sales.stored_value_fen,
    sales.points_earned,
    sales.points_spent,
    sales.is_test,
    sales.is_staff,
    sales.is_purchase,
    sales.spend_fen,
    owners.member_id,
    {{ key_hash('owners.member_id') }} as member_no,
    {%- if is_incremental() %}
    case when known.touched_run = run_context.run_seq then known.was_member_id else known.member_id end as was_member_id,
    case
        when known.touched_run = run_context.run_seq then known.was_business_date
        else known.business_date
    end as was_business_date,
    {%- else %}
    cast(null as varchar) as was_member_id,
    cast(null as date) as was_business_date,
    {%- endif %}
    run_context.run_seq as touched_run
from sales
cross join run_context
left join owners
    on sales.record_no = owners.record_no
    and sales.record_id = owners.record_id
{%- if is_incremental() %}
left join known
    on sales.record_no = known.record_no
{%- endif %}
