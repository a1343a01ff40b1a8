-- Grain: one row per (connection, leader_id), its newest version.

with

arrivals as (

    select
        {{ record_columns('leaders', ['leader_id']) }},
        leader_id,
        name_token,
        {{ yes_no('name_is_test') }} as name_is_test,
        phone_token,
        phone_masked,
        phone_kind,
        store_code,
        parent_leader_id,
        {{ instant('joined_at') }} as joined_at
    from {{ source('raw', 'groupbuy__leaders') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
