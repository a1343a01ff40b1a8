-- Grain: one row per till sale, and one per return whose sale is unknown.
-- Returns and voids are no rows of their own: they change the ticket they refer to. Top-ups are no sales at all.

with

tickets as (

    select * from {{ ref('stg_pos__tickets') }}

),

-- a ticket number is unique within its shop; a customer may return goods in another shop of the chain
referring as (

    select
        tickets.record_key,
        tickets.connection,
        tickets.store_code,
        tickets.kind,
        tickets.net_fen,
        tickets.origin_ticket_id
    from tickets
    where tickets.kind in ('return', 'void')

),

origins as (

    select
        referring.record_key,
        referring.kind,
        referring.net_fen,
        candidates.record_key as origin_record_key,
        candidates.kind as origin_kind
    from referring
    inner join tickets as candidates
        on referring.connection = candidates.connection
        and referring.origin_ticket_id = candidates.ticket_id
        and referring.record_key <> candidates.record_key
    -- the same shop's ticket; else another shop's, when only one shop has that number
    qualify
        candidates.store_code = referring.store_code
        or (
            count(*) over (partition by referring.record_key) = 1
        )

),

voided as (

    select distinct origin_record_key
    from origins
    where kind = 'void'

),

-- a return that was itself voided never happened
returned as (

    select
        origins.origin_record_key,
        sum(origins.net_fen) as refund_fen
    from origins
    left join voided
        on origins.record_key = voided.origin_record_key
    where
        origins.kind = 'return'
        and origins.origin_kind = 'sale'
        and voided.origin_record_key is null
    group by origins.origin_record_key

),

sales as (

    select
        tickets.*,
        case when voided.origin_record_key is not null then 'voided' else 'sold' end as settled_status,
        tickets.net_fen as settled_net_fen,
        case
            when voided.origin_record_key is not null then tickets.net_fen
            else coalesce(returned.refund_fen, 0)
        end as settled_refund_fen
    from tickets
    left join voided
        on tickets.record_key = voided.origin_record_key
    left join returned
        on tickets.record_key = returned.origin_record_key
    where tickets.kind = 'sale'

),

unlinked_returns as (

    select
        tickets.*,
        'unlinked_return' as settled_status,
        cast(0 as bigint) as settled_net_fen,
        tickets.net_fen as settled_refund_fen
    from tickets
    left join origins
        on tickets.record_key = origins.record_key
        and origins.origin_kind = 'sale'
    left join voided
        on tickets.record_key = voided.origin_record_key
    where
        tickets.kind = 'return'
        and origins.record_key is null
        and voided.origin_record_key is null

),

final as (

    select * from sales

    union all

    select * from unlinked_returns

)

select
    connection,
    record_id,
    record_key,
    ticket_id as source_order_id,
    store_code,
    cashier_id,
    settled_status as status,
    sold_at as ordered_at,
    settled_net_fen as net_fen,
    cast(settled_refund_fen as bigint) as refund_fen,
    coalesce(discount_fen, 0) as discount_fen
from final
