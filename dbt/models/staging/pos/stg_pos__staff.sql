-- Grain: one row per (connection, staff_id), its newest version.

with

arrivals as (

    select
        {{ record_columns('staff', ['staff_id']) }},
        staff_id,
        store_code,
        name_token,
        {{ yes_no('name_is_test') }} as name_is_test,
        role,
        phone_token,
        phone_masked,
        phone_kind,
        wecom_userid
    from {{ source('raw', 'pos__staff') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
