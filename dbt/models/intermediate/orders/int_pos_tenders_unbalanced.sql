-- Grain: one row per sale or return of a till whose tenders do not add up to what was paid.
-- A list of mismatches to look into: the ticket keeps counting by its net, nothing is taken away.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key="record_no",
    meta={"affected": "int_touched_sales"},
) }}

with

tickets as (

    select * from {{ ref('stg_pos__tickets') }}
    where kind in ('sale', 'return') and {{ touched_rows('sale_no', ref('int_touched_sales'), 'record_no') }}

),

tenders as (

    select * from {{ ref('stg_pos__tenders') }}
    where {{ touched_rows('sale_no', ref('int_touched_sales'), 'record_no') }}

),

tendered as (

    select
        sale_no,
        count(*) as tenders,
        -- money is positive on returns too, whatever sign a till gives it
        abs(sum(amount_fen - coalesce(change_fen, 0))) as tendered_fen
    from tenders
    group by sale_no

),

compared as (

    select
        tickets.sale_no as record_no,
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
        on tickets.sale_no = tendered.sale_no

),

final as (

    select *
    from compared
    where {{ beyond_rounding(['difference_fen'], 'rounding_fen', 'tenders') }}

)

select * from final
