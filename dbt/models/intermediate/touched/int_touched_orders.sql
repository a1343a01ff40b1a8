-- Sale records made again since the last publication, with whose and of which day they were then. Grain: sale record.
{{ config(materialized="view") }}

with

orders as (

    select * from {{ ref('int_orders') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

)

select
    order_key,
    order_no,
    record_no,
    store_code,
    leader_id,
    cashier_id,
    business_date,
    was_business_date,
    member_id,
    member_no,
    was_member_id
from orders
where touched_run = (select run_seq from run_context)
