-- Grain: one row per (connection, tag_id), its newest version.

with

arrivals as (

    select
        {{ record_columns('tags', ['tag_id']) }},
        tag_id,
        group_id,
        tag_name,
        group_name,
        {{ yes_no('deleted') }} as deleted
    from {{ source('raw', 'wecom__tags') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
