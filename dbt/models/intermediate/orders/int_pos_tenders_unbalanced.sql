-- Grain: one row per sale or return of a till whose tenders do not add up to what was paid.
-- A list of mismatches to look into: the ticket keeps counting by its net, nothing is taken away.

with

tickets as (

    select * from {{ ref('stg_pos__tickets') }}
    where kind in ('sale', 'return')

),

tenders as (

    select * from {{ ref('stg_pos__tenders') }}

),

tendered as (

    select
        connection,
        store_code,
        ticket_id,
        count(*) as tenders,
        -- money is positive on returns too, whatever sign a till gives it
        abs(sum(amount_fen - coalesce(change_fen, 0))) as tendered_fen
    from tenders
    group by connection, store_code, ticket_id

),

compared as (

    select
        tickets.connection,
        tickets.store_code,
        tickets.ticket_id,
        tickets.kind,
        tickets.net_fen,
        coalesce(tickets.rounding_fen, 0) as rounding_fen,
        tendered.tenders,
        tendered.tendered_fen,
        tendered.tendered_fen - abs(tickets.net_fen) as difference_fen
    from tickets
    inner join tendered
        on tickets.connection = tendered.connection
        and tickets.store_code = tendered.store_code
        and tickets.ticket_id = tendered.ticket_id

),

final as (

    select *
    from compared
    where {{ beyond_rounding(['difference_fen'], 'rounding_fen', 'tenders') }}

)

select * from final
