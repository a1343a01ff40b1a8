-- What has to be compared again in the books of points: accounts (with an entry that was touched, or a state that arrived
-- or belongs to somebody else), members, and numbers of tickets (with an entry, a sale or a return that was touched).
-- More than changed, never less. Grain: what × connection × name. Empty in a build of everything.
{{ config(materialized='incremental', incremental_strategy='replaced') }}

with

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

{% if is_incremental() -%}
entries as (

    select
        connection,
        account,
        was_account,
        ref,
        was_ref
    from {{ ref('int_point_entries') }}
    where touched_run = (select run_seq from run_context)

),

members as (

    select member_id from {{ ref('int_touched_point_members') }}

),

sales as (

    select
        connection,
        source_order_id
    from {{ ref('int_orders') }}
    where touched_run = (select run_seq from run_context) and channel = 'pos'

),

returns as (

    select
        connection,
        ticket_id,
        origin_record_key
    from {{ ref('int_pos_returns_linked') }}
    where origin_record_key is not null

),

cards as (

    select
        connection,
        member_ref
    from {{ ref('stg_pos__members') }}
    where {{ arrived_tonight() }}

    union

    select
        connection,
        record_id
    from {{ ref('int_record_owners') }}
    where feed = 'members' and touched_run = (select run_seq from run_context)

),

-- from when a ledger tells is not what it was: all of its tickets
ledgers as (

    select coalesce(tonight.connection, before.connection) as connection
    from (select * from {{ ref('int_sale_dimensions') }} where what = 'points_ledger') as tonight
    full outer join (select * from {{ source('ops', 'digested_sale_dimensions') }} where what = 'points_ledger') as before
        on tonight.dimension_no = before.dimension_no
    where tonight.fingerprint is distinct from before.fingerprint

),

numbers as (

    select connection, ref as number from entries

    union

    select connection, was_ref from entries

    union

    select connection, source_order_id from sales

    union

    select connection, source_order_id
    from {{ ref('int_orders') }}
    where channel = 'pos' and connection in (select connection from ledgers)

),

-- a sale is asked for what was taken back under the number of its return
origins as (

    select
        origins.connection,
        origins.ticket_id as number
    from {{ ref('stg_pos__tickets') }} as origins
    where origins.record_key in (
        select returns.origin_record_key
        from returns
        inner join numbers
            on returns.connection = numbers.connection
            and returns.ticket_id = numbers.number
    )

),

units as (

    select 'account' as what, connection, coalesce(account, '') as name from entries

    union

    -- an entry may have been moved
    select 'account', connection, coalesce(was_account, '') from entries

    union

    select 'account', connection, connection || ':' || member_ref from cards

    union

    select 'member', '', member_id from members

    union

    select 'number', connection, number from numbers

    union

    select 'number', connection, number from origins

    union

    -- what an earlier build looked at and nobody published
    select before.what, before.connection, before.name
    from {{ this }} as before
    inner join run_context
        on before.run_seq = run_context.run_seq

)

{% else -%}
-- depends_on: {{ ref('int_point_entries') }} {{ ref('int_touched_point_members') }} {{ ref('int_orders') }}
-- depends_on: {{ ref('int_pos_returns_linked') }} {{ ref('stg_pos__members') }} {{ ref('int_record_owners') }}
-- depends_on: {{ ref('stg_pos__tickets') }} {{ ref('int_sale_dimensions') }}
-- depends_on: {{ source('ops', 'digested_sale_dimensions') }} {{ source('ops', 'pending_batches') }}
units as (

    select cast(null as varchar) as what, cast(null as varchar) as connection, cast(null as varchar) as name

)

{% endif -%}
select
    units.what,
    units.connection,
    units.name,
    {{ key_hash("units.what || '|' || units.connection || '|' || units.name") }} as unit_no,
    run_context.run_seq
from units
cross join run_context
where units.name is not null
