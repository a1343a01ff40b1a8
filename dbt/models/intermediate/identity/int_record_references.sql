-- Records that are about the sale another record is, when that is known: returns, voids and complaints.
-- Grain: record × sale it may mean.
{{ config(materialized="table") }}

with tickets as (
    select connection, store_code, ticket_id, kind, origin_ticket_id
    from {{ ref("stg_pos__tickets") }}
),

orders as (
    select connection, order_id from {{ ref("stg_groupbuy__orders") }}
),

complaints as (
    select * from {{ ref("stg_groupbuy__complaints") }}
),

returns as (
    select
        tickets.connection,
        'pos' as kind,
        'tickets' as feed,
        tickets.store_code || '|' || tickets.ticket_id as record_id,
        tickets.connection as sale_connection,
        'pos' as sale_kind,
        'tickets' as sale_feed,
        sales.store_code || '|' || sales.ticket_id as sale_record_id,
        'origin_ticket' as basis,
        1 as precedence,
        1 as sales
    from tickets
    inner join tickets as sales
        on
            tickets.connection = sales.connection
            and tickets.store_code = sales.store_code
            and tickets.origin_ticket_id = sales.ticket_id
    where tickets.kind in ('return', 'void')
),

of_orders as (
    select
        complaints.connection,
        'groupbuy' as kind,
        'complaints' as feed,
        complaints.complaint_id as record_id,
        orders.connection as sale_connection,
        'groupbuy' as sale_kind,
        'orders' as sale_feed,
        orders.order_id as sale_record_id,
        'order' as basis,
        1 as precedence,
        1 as sales
    from complaints
    inner join orders
        on complaints.connection = orders.connection and complaints.order_id = orders.order_id
),

-- the group-buy system does not know which till system printed the ticket
of_tickets as (
    select
        complaints.connection,
        'groupbuy' as kind,
        'complaints' as feed,
        complaints.complaint_id as record_id,
        tickets.connection as sale_connection,
        'pos' as sale_kind,
        'tickets' as sale_feed,
        complaints.store_code || '|' || complaints.ticket_id as sale_record_id,
        'ticket' as basis,
        2 as precedence,
        count(*) over (partition by complaints.connection, complaints.complaint_id) as sales
    from complaints
    inner join tickets
        on complaints.store_code = tickets.store_code and complaints.ticket_id = tickets.ticket_id
)

select * from returns
union all
select * from of_orders
union all
select * from of_tickets
