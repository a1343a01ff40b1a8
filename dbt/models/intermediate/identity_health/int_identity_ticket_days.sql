-- On how many till sales a phone or card was used that day, and at whose till. Grain: identifier × shop × cashier × day.

with

tickets as (

    select
        connection,
        store_code,
        cashier_id,
        member_ref,
        phone_token,
        phone_kind,
        sold_at,
        first_arrived_on
    from {{ ref('stg_pos__tickets') }}
    where kind = 'sale'

),

stores as (

    select store_code, cutover_minutes from {{ source('ops', 'stores') }}

),

run_context as (

    select cutover_minutes from {{ source('ops', 'run_context') }}

),

dated as (

    select
        tickets.*,
        {{ business_date('tickets.sold_at', 'coalesce(stores.cutover_minutes, run_context.cutover_minutes)') }}
            as business_date
    from tickets
    cross join run_context
    left join stores
        on tickets.store_code = stores.store_code

),

uses as (

    select 'phone' as namespace, phone_token as identifier, connection, store_code, cashier_id, business_date, first_arrived_on
    from dated
    where phone_token is not null and {{ is_linkable_phone('phone_kind') }}

    union all

    select 'pos_member', connection || ':' || member_ref, connection, store_code, cashier_id, business_date, first_arrived_on
    from dated
    where member_ref is not null

),

final as (

    select
        namespace,
        identifier,
        connection,
        store_code,
        cashier_id,
        business_date,
        cast(count(*) as integer) as tickets,
        max(first_arrived_on) as arrived_on
    from uses
    group by
        namespace,
        identifier,
        connection,
        store_code,
        cashier_id,
        business_date

)

select * from final
