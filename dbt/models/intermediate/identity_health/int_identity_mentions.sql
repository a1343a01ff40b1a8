-- Where and when a record named somebody, for shown_days and the days before that they are compared with. Grain: record.
-- A sale, a posting or a share has a time of its own; a card, an account or a contact counts on the night it first came.
-- Not incremental: a corrected record moves. The window bounds the cost instead, whatever the length of the history.

with

run_context as (

    select as_of_date, cutover_minutes from {{ source('ops', 'run_context') }}

),

rules as (

    select shown_days, alarm_days from {{ source('ops', 'rule_identity_health') }}

),

stores as (

    select store_code, cutover_minutes from {{ source('ops', 'stores') }}

),

records as (

    select connection, 'tickets' as feed, record_id, store_code, sold_at as happened_at, first_arrived_on, phone_kind
    from {{ ref('stg_pos__tickets') }}

    union all

    select connection, 'members', record_id, home_store, null, first_arrived_on, phone_kind
    from {{ ref('stg_pos__members') }}

    union all

    select connection, 'points', record_id, null, occurred_at, first_arrived_on, phone_kind
    from {{ ref('stg_pos__points') }}

    union all

    select connection, 'coupon_events', record_id, null, occurred_at, first_arrived_on, phone_kind
    from {{ ref('stg_pos__coupon_events') }}

    union all

    select connection, 'staff', record_id, store_code, null, first_arrived_on, phone_kind
    from {{ ref('stg_pos__staff') }}

    union all

    select connection, 'orders', record_id, store_code, created_at, first_arrived_on, buyer_phone_kind
    from {{ ref('stg_groupbuy__orders') }}

    union all

    select connection, 'users', record_id, null, null, first_arrived_on, phone_kind
    from {{ ref('stg_groupbuy__users') }}

    union all

    select connection, 'complaints', record_id, store_code, opened_at, first_arrived_on, phone_kind
    from {{ ref('stg_groupbuy__complaints') }}

    union all

    select connection, 'shares', record_id, null, shared_at, first_arrived_on, null
    from {{ ref('stg_groupbuy__shares') }}

    union all

    select connection, 'leaders', record_id, store_code, null, first_arrived_on, phone_kind
    from {{ ref('stg_groupbuy__leaders') }}

    union all

    select connection, 'coupon_events', record_id, null, occurred_at, first_arrived_on, phone_kind
    from {{ ref('stg_groupbuy__coupon_events') }}

    union all

    -- several staff may have one contact, and a remark may hold a phone or none
    select connection, 'contacts', record_id, null, null, min(first_arrived_on), max(phone_kind)
    from {{ ref('stg_wecom__contacts') }}
    group by connection, record_id

    union all

    select connection, 'group_members', record_id, null, null, first_arrived_on, null
    from {{ ref('stg_wecom__group_members') }}

),

dated as (

    select
        records.connection,
        records.feed,
        records.record_id,
        coalesce(records.store_code, 'unknown') as store_code,
        coalesce(
            {{ business_date('records.happened_at', 'coalesce(stores.cutover_minutes, run_context.cutover_minutes)') }},
            records.first_arrived_on
        ) as business_date,
        records.phone_kind,
        run_context.as_of_date,
        {{ add_days('run_context.as_of_date', '-(rules.shown_days + rules.alarm_days)') }} as seen_until
    from records
    cross join run_context
    cross join rules
    left join stores
        on records.store_code = stores.store_code

),

final as (

    select
        connection,
        feed,
        record_id,
        store_code,
        business_date,
        phone_kind
    from dated
    where business_date <= as_of_date and business_date > seen_until

)

select * from final
