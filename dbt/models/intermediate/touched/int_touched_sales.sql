-- Sale records that have to be computed again: what arrived since the last publication, what a record that arrived
-- refers to or referred to, and what depends on something that changed. More than changed, never less.
-- Grain: sale record. Empty in a build of everything.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

with

tickets as {{ read_in_place() }} (

    select * from {{ ref('stg_pos__tickets') }}

),

orders as {{ read_in_place() }} (

    select * from {{ ref('stg_groupbuy__orders') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

{% if is_incremental() %}
ticket_lines as {{ read_in_place() }} (

    select * from {{ ref('stg_pos__ticket_lines') }}

),

order_lines as {{ read_in_place() }} (

    select * from {{ ref('stg_groupbuy__order_lines') }}

),

named as {{ read_in_place() }} (

    select * from {{ ref('int_sale_references') }}

),

-- what is not as it was when the last green build ended
changed as (

    select
        coalesce(tonight.what, before.what) as what,
        coalesce(tonight.connection, before.connection) as connection,
        coalesce(tonight.name, before.name) as name
    from {{ ref('int_sale_dimensions') }} as tonight
    full outer join {{ source('ops', 'digested_sale_dimensions') }} as before
        on tonight.dimension_no = before.dimension_no
    where tonight.fingerprint is distinct from before.fingerprint

),

arrived_tickets as (

    select sale_no
    from tickets
    where {{ arrived_tonight() }}

    union

    select sale_no
    from ticket_lines
    where {{ arrived_tonight() }}

    union

    select sale_no
    from {{ ref('stg_pos__tenders') }}
    where {{ arrived_tonight() }}

),

arrived_numbers as (

    select distinct connection, ticket_id
    from tickets
    where sale_no in (select sale_no from arrived_tickets)

),

-- Returns and voids find their ticket by its number, in the own shop or in another: whoever has a number that anybody
-- named may be affected by whoever else has it or names it.
numbers as (

    select connection, refers_to as number
    from named
    where feed = 'tickets' and record_no in (select sale_no from arrived_tickets)

    union

    select named.connection, named.refers_to
    from named
    inner join arrived_numbers
        on named.connection = arrived_numbers.connection
        and named.refers_to = arrived_numbers.ticket_id
    where named.feed = 'tickets'

),

-- a void of a return changes the sale of that return
numbers_behind as (

    select connection, number from numbers

    union

    select named.connection, named.refers_to
    from named
    inner join numbers
        on named.connection = numbers.connection
        and named.number = numbers.number
    where named.feed = 'tickets'

),

touched_tickets as (

    select sale_no as record_no from arrived_tickets

    union

    select tickets.sale_no
    from tickets
    inner join numbers_behind
        on tickets.connection = numbers_behind.connection
        and tickets.ticket_id = numbers_behind.number

    union

    select named.record_no
    from named
    inner join numbers_behind
        on named.connection = numbers_behind.connection
        and named.refers_to = numbers_behind.number
    where named.feed = 'tickets'

    union

    select tickets.sale_no
    from tickets
    inner join changed
        on changed.what = 'card'
        and tickets.connection = changed.connection
        and tickets.member_ref = changed.name

    union

    select ticket_lines.sale_no
    from ticket_lines
    inner join changed
        on changed.what = 'product_cost'
        and ticket_lines.connection = changed.connection
        and ticket_lines.sku = changed.name

    union

    -- lines that tell their own names and groups do not ask the product list
    select ticket_lines.sale_no
    from ticket_lines
    inner join changed
        on changed.what = 'product_name'
        and ticket_lines.connection = changed.connection
        and ticket_lines.sku = changed.name
    where
        ticket_lines.item_name is null
        or ticket_lines.category is null
        or ticket_lines.category_l1 is null

),

touched_orders as (

    -- copies of help-sell share the order's number
    select sale_no as record_no
    from orders
    where order_id in (select order_id from orders where {{ arrived_tonight() }})

    union

    select sale_no
    from order_lines
    where {{ arrived_tonight() }}

    union

    select {{ key_hash("connection || '|orders|' || refers_to") }}
    from named
    where
        feed = 'refunds'
        and record_no in (
            select {{ key_hash('record_key') }}
            from {{ ref('stg_groupbuy__refunds') }}
            where {{ arrived_tonight() }}
        )

    union

    select orders.sale_no
    from orders
    inner join changed
        on changed.what in ('buyer_phone', 'placeholder_phone')
        and orders.buyer_phone_token = changed.name

    union

    select orders.sale_no
    from orders
    inner join changed
        on changed.what = 'leader'
        and orders.leader_id = changed.name
    where orders.seller_role = 'supplier'

    union

    -- an order that names its shop asks neither leader nor activity
    select orders.sale_no
    from orders
    inner join changed
        on changed.what = 'leader_store'
        and orders.connection = changed.connection
        and orders.leader_id = changed.name
    where orders.store_code is null

    union

    select orders.sale_no
    from orders
    inner join changed
        on changed.what = 'activity_store'
        and orders.connection = changed.connection
        and orders.activity_id = changed.name
    where orders.store_code is null

    union

    select order_lines.sale_no
    from order_lines
    inner join changed
        on changed.what = 'first_product'
        and order_lines.sku = changed.name

),

-- also what earlier builds looked at: none of them was published
kept as (

    select before.record_no
    from {{ this }} as before
    inner join run_context
        on before.run_seq = run_context.run_seq

),

wanted as (

    select record_no from touched_tickets

    union

    select record_no from touched_orders

    union

    select record_no from kept

),

sales as (

    select connection, 'tickets' as feed, record_id, sale_no as record_no
    from tickets
    where sale_no in (select record_no from wanted)

    union all

    select connection, 'orders' as feed, record_id, sale_no as record_no
    from orders
    where sale_no in (select record_no from wanted)

)

{% else %}
-- depends_on: {{ ref('stg_pos__ticket_lines') }} {{ ref('stg_pos__tenders') }} {{ ref('stg_groupbuy__order_lines') }} {{ ref('stg_groupbuy__refunds') }}
-- depends_on: {{ ref('int_sale_references') }} {{ ref('int_sale_dimensions') }} {{ source('ops', 'digested_sale_dimensions') }} {{ source('ops', 'pending_batches') }}
sales as (

    select connection, 'tickets' as feed, record_id, sale_no as record_no
    from tickets
    where false

    union all

    select connection, 'orders' as feed, record_id, sale_no as record_no
    from orders
    where false

)

{% endif %}
select
    sales.connection,
    sales.feed,
    sales.record_id,
    sales.record_no,
    run_context.run_seq
from sales
cross join run_context
