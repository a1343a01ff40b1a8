-- Grain: one row per (connection, entry_id), its newest version.

with

arrivals as (

    select
        {{ record_columns('points', ['entry_id']) }},
        entry_id,
        member_ref,
        phone_token,
        phone_masked,
        phone_kind,
        {{ instant('occurred_at') }} as occurred_at,
        kind,
        {{ quantity('points') }} as points,
        ref_id
    from {{ source('raw', 'pos__points') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
