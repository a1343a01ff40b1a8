-- Grain: one row per return or void ticket, with the ticket it refers to where that is known.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key="record_no",
    meta={"affected": "int_touched_sales"},
) }}

with

tickets as {{ read_in_place() }} (

    select * from {{ ref('stg_pos__tickets') }}

),

wanted as (

    select *
    from tickets
    where kind in ('return', 'void') and {{ touched_rows('sale_no', ref('int_touched_sales'), 'record_no') }}

),

-- with the voids that may mean one of them
referring as (

    select * from wanted
    {%- if is_incremental() %}

    union

    select *
    from tickets
    where kind = 'void' and origin_ticket_id in (select ticket_id from wanted)
    {%- endif %}

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
    wanted.record_key,
    wanted.sale_no as record_no,
    wanted.record_id,
    wanted.connection,
    wanted.store_code,
    wanted.ticket_id,
    wanted.kind,
    wanted.net_fen,
    wanted.sold_at,
    origins.origin_record_key,
    origins.origin_kind,
    voided.origin_record_key is not null as is_voided
from wanted
left join origins
    on wanted.record_key = origins.record_key
left join voided
    on wanted.record_key = voided.origin_record_key
