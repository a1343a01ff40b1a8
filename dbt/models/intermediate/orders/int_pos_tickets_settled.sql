-- Grain: one row per till ticket. Listed as orders are sales, and returns whose sale is unknown.
-- Other returns and voids change the sale they refer to, and top-ups are no sales at all: is_listed is false.
-- After the first build, tonight's part only.
{{ config(materialized="incremental", incremental_strategy="replaced") }}

with

tickets as (

    select *
    from {{ ref('stg_pos__tickets') }}
    where {{ touched_rows('sale_no', ref('int_touched_sales'), 'record_no') }}

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

-- a top-up or return that was voided; of a return the own list says so
undone as (

    select distinct origin_record_key
    from returns
    where kind = 'void' and origin_kind is distinct from 'sale' and origin_record_key is not null

),

stored_value as (

    select
        connection,
        store_code,
        ticket_id,
        sum(amount_fen - coalesce(change_fen, 0)) as stored_value_fen
    from {{ ref('stg_pos__tenders') }}
    where method = 'stored_value' and {{ touched_rows('sale_no', ref('int_touched_sales'), 'record_no') }}
    group by connection, store_code, ticket_id

),

staff_phones as (

    select distinct phone_token
    from {{ ref('stg_pos__staff') }}
    where {{ is_linkable_phone('phone_kind') }}

),

-- cards whose registered phone is a staff member's; a phone said at the till makes nobody staff
staff_cards as (

    select distinct
        members.connection,
        members.member_ref
    from {{ ref('stg_pos__members') }} as members
    inner join staff_phones
        on members.phone_token = staff_phones.phone_token
    where {{ is_linkable_phone('members.phone_kind') }}

),

settled as (

    select
        tickets.*,
        case
            when unlinked.record_key is not null then 'unlinked_return'
            when voided.origin_record_key is not null or undone.origin_record_key is not null then 'voided'
            when tickets.kind in ('return', 'void') then 'linked'
            else 'sold'
        end as settled_status,
        returned.refund_fen as returned_fen,
        tickets.kind = 'sale' or unlinked.record_key is not null as is_listed,
        cast(coalesce(stored_value.stored_value_fen, 0) as bigint) as stored_value_fen,
        staff_cards.member_ref is not null as is_staff
    from tickets
    left join unlinked
        on tickets.record_key = unlinked.record_key
    left join voided
        on tickets.record_key = voided.origin_record_key
    left join returned
        on tickets.record_key = returned.origin_record_key
    left join undone
        on tickets.record_key = undone.origin_record_key
    left join stored_value
        on tickets.connection = stored_value.connection
        and tickets.store_code = stored_value.store_code
        and tickets.ticket_id = stored_value.ticket_id
    left join staff_cards
        on tickets.connection = staff_cards.connection
        and tickets.member_ref = staff_cards.member_ref

)

select
    connection,
    record_id,
    record_key,
    sale_no as record_no,
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
    coalesce(discount_fen, 0) as discount_fen,
    kind,
    is_listed,
    case when settled_status = 'unlinked_return' then 0 else stored_value_fen end as stored_value_fen,
    points_earned,
    points_spent,
    is_staff
from settled
