-- Grain: one row per sale or return of a till that has lines which do not add up to what was paid.
-- A list of mismatches to look into, e.g. a receipt whose lines came in two files and whose net tells of the newer only:
-- the ticket keeps counting by its net, nothing is taken away and nothing added.
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

lines as (

    select * from {{ ref('stg_pos__ticket_lines') }}
    where {{ touched_rows('sale_no', ref('int_touched_sales'), 'record_no') }}

),

listed as (

    select
        sale_no,
        count(*) as lines,
        -- money is positive on returns too, whatever sign a till gives it; a gift costs nothing, whatever it shows
        abs(sum(case when coalesce(is_gift, false) then 0 else amount_fen end)) as lines_fen,
        sum(coalesce(discount_fen, 0)) as line_discount_fen
    from lines
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
        coalesce(tickets.discount_fen, tickets.gross_fen - tickets.net_fen, 0) as discount_fen,
        coalesce(tickets.rounding_fen, 0) as rounding_fen,
        listed.lines,
        listed.lines_fen,
        listed.line_discount_fen,
        listed.lines_fen - abs(tickets.net_fen) as difference_fen
    from tickets
    inner join listed
        on tickets.sale_no = listed.sale_no

),

-- lines are written after all discounts, before all, or before what was taken off the whole ticket (a coupon)
readings as (

    select
        *,
        difference_fen - abs(discount_fen) as before_discount_fen,
        difference_fen - (abs(discount_fen) - abs(line_discount_fen)) as before_coupon_fen
    from compared

),

final as (

    select
        record_no,
        connection,
        store_code,
        ticket_id,
        kind,
        net_fen,
        discount_fen,
        rounding_fen,
        lines,
        lines_fen,
        line_discount_fen,
        difference_fen
    from readings
    where {{ beyond_rounding(['difference_fen', 'before_discount_fen', 'before_coupon_fen'], 'rounding_fen', 'lines') }}

)

select * from final
