-- Grain: one row per thing a person did with us besides buying, as one source record says; not of what is read as a whole
-- every night (int_current_engagements). A row is made again when its record was told, and changes hands with it.
{{ config(
    materialized='incremental',
    incremental_strategy='affected',
    unique_key='record_no',
    meta={'affected': 'int_touched_engagements'},
    on_schema_change='fail',
) }}

with

touched as (

    select * from {{ ref('int_touched_engagements') }}

),

told as (

    select connection, feed, record_id, record_no from touched where is_told

),

shares as (

    select connection, record_id, record_key, shared_at, first_arrived_on, activity_id
    from {{ ref('stg_groupbuy__shares') }}
    {%- if is_incremental() %}
    where (connection, record_id) in (select connection, record_id from told where feed = 'shares')
    {%- endif %}

),

complaints as (

    select connection, record_id, record_key, opened_at, first_arrived_on, store_code, order_id, ticket_id, status
    from {{ ref('stg_groupbuy__complaints') }}
    {%- if is_incremental() %}
    where (connection, record_id) in (select connection, record_id from told where feed = 'complaints')
    {%- endif %}

),

users as (

    select connection, record_id, record_key, registered_at, first_arrived_on, invited_by_code
    from {{ ref('stg_groupbuy__users') }}
    {%- if is_incremental() %}
    where (connection, record_id) in (select connection, record_id from told where feed = 'users')
    {%- endif %}

),

ledger as (

    select *
    from {{ ref('int_ledger_engagements') }}
    where {{ touched_rows('record_no', 'told') }}

),

owners as (

    select record_no, member_id
    from {{ ref('int_record_owners') }}
    where {{ touched_rows('record_no', 'touched') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

done as (

    select
        'share' as kind, connection, {{ key_hash('record_key') }} as record_no, record_id, shared_at as at_source,
        first_arrived_on, 'groupbuy' as channel, cast(null as varchar) as store_code, activity_id as ref,
        cast(null as bigint) as amount_fen, cast(null as decimal(18, 3)) as points, true as is_counted,
        cast(null as varchar) as member_id
    from shares

    union all

    select
        'complaint', connection, {{ key_hash('record_key') }}, record_id, opened_at, first_arrived_on, 'groupbuy',
        store_code, coalesce(order_id, ticket_id), null, null, status is distinct from 'withdrawn', null
    from complaints

    union all

    select
        'registered', connection, {{ key_hash('record_key') }}, record_id, registered_at, first_arrived_on, 'groupbuy',
        null, invited_by_code, null, null, true, null
    from users

    union all

    select
        kind, connection, record_no, record_id, occurred_at, first_arrived_on, channel, null, ref, amount_fen, points,
        true, member_id
    from ledger

),

final as (

    select
        done.kind || '|' || done.connection || '|' || done.record_id as engagement_key,
        -- a source that does not say when: the night we first saw it
        coalesce({{ business_date('done.at_source', 'run_context.cutover_minutes') }}, done.first_arrived_on)
            as business_date,
        done.at_source as "at",
        done.kind,
        coalesce(done.member_id, owners.member_id) as member_id,
        done.channel,
        done.connection,
        done.store_code,
        done.ref,
        done.amount_fen,
        done.points,
        done.is_counted,
        done.record_no
    from done
    cross join run_context
    left join owners
        on done.record_no = owners.record_no
    {%- if is_incremental() %}

    union all

    select
        known.engagement_key,
        known.business_date,
        known."at",
        known.kind,
        owners.member_id,
        known.channel,
        known.connection,
        known.store_code,
        known.ref,
        known.amount_fen,
        known.points,
        known.is_counted,
        known.record_no
    from {{ this }} as known
    left join owners
        on known.record_no = owners.record_no
    where known.record_no in (select record_no from touched where not is_told)
    {%- endif %}

)

select * from final
