-- Grain: one row per return or void ticket, with the ticket it refers to where that is known.

with

tickets as (

    select * from {{ ref('stg_pos__tickets') }}

),

referring as (

    select * from tickets where kind in ('return', 'void')

),

-- A ticket number is unique within its shop. Customers may return goods in another shop of the chain: its number
-- is followed when the own shop has none and only one other shop does.
origins as (

    select
        referring.record_key,
        candidates.record_key as origin_record_key,
        candidates.kind as origin_kind
    from referring
    inner join tickets as candidates
        on referring.connection = candidates.connection
        and referring.origin_ticket_id = candidates.ticket_id
        and referring.record_key <> candidates.record_key
    qualify
        candidates.store_code = referring.store_code
        or count(*) over (partition by referring.record_key) = 1

),

voided as (

    select distinct origins.origin_record_key
    from origins
    inner join referring
        on origins.record_key = referring.record_key
    where referring.kind = 'void'

)

select
    referring.record_key,
    referring.record_id,
    referring.connection,
    referring.store_code,
    referring.ticket_id,
    referring.kind,
    referring.net_fen,
    referring.sold_at,
    origins.origin_record_key,
    origins.origin_kind,
    voided.origin_record_key is not null as is_voided
from referring
left join origins
    on referring.record_key = origins.record_key
left join voided
    on referring.record_key = voided.origin_record_key
