-- Grain: one row per till sale, and one per return whose sale is unknown.
-- Other returns and voids are no rows of their own: they change the sale they refer to. Top-ups are no sales at all.

with

tickets as (

    select * from {{ ref('stg_pos__tickets') }}

),

-- a return that was itself voided never happened
returns as (

    select *
    from {{ ref('int_pos_returns_linked') }}
    where not is_voided

),

voided as (

    select distinct origin_record_key
    from returns
    where kind = 'void' and origin_kind = 'sale'

),

returned as (

    select
        origin_record_key,
        sum(net_fen) as refund_fen
    from returns
    where kind = 'return' and origin_kind = 'sale'
    group by origin_record_key

),

unlinked as (

    select record_key
    from returns
    where kind = 'return' and origin_kind is distinct from 'sale'

),

settled as (

    select
        tickets.*,
        case
            when unlinked.record_key is not null then 'unlinked_return'
            when voided.origin_record_key is not null then 'voided'
            else 'sold'
        end as settled_status,
        returned.refund_fen as returned_fen
    from tickets
    left join unlinked
        on tickets.record_key = unlinked.record_key
    left join voided
        on tickets.record_key = voided.origin_record_key
    left join returned
        on tickets.record_key = returned.origin_record_key
    where tickets.kind = 'sale' or unlinked.record_key is not null

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
    case when settled_status = 'unlinked_return' then 0 else net_fen end as net_fen,
    case
        when settled_status in ('unlinked_return', 'voided') then net_fen
        else cast(coalesce(returned_fen, 0) as bigint)
    end as refund_fen,
    coalesce(discount_fen, 0) as discount_fen
from settled
