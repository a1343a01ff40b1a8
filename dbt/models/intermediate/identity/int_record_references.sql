-- Records that are about the sale another record is: returns, voids and complaints. Grain: record × sale it may mean.
{{ config(materialized="table") }}

with tickets as (
    select connection, store_code, ticket_id, kind, origin_ticket_id
    from {{ ref("stg_pos__tickets") }}
),

complaints as (
    select * from {{ ref("stg_groupbuy__complaints") }}
),

returns as (
    select
        connection,
        'pos' as kind,
        'tickets' as feed,
        store_code || '|' || ticket_id as record_id,
        connection as sale_connection,
        'pos' as sale_kind,
        'tickets' as sale_feed,
        store_code || '|' || origin_ticket_id as sale_record_id,
        'origin_ticket' as basis,
        1 as precedence,
        1 as sales
    from tickets
    where kind in ('return', 'void') and origin_ticket_id is not null
),

of_orders as (
    select
        connection,
        'groupbuy' as kind,
        'complaints' as feed,
        complaint_id as record_id,
        connection as sale_connection,
        'groupbuy' as sale_kind,
        'orders' as sale_feed,
        order_id as sale_record_id,
        'order' as basis,
        1 as precedence,
        1 as sales
    from complaints
    where order_id is not null
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
