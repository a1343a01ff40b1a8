-- Grain: one row per (connection, userid, external_userid, tag_id) that was ever seen.

with

tagged as (

    select
        _connection, _night, _file, _row_no, _batch_id, userid, external_userid, {{ json_items('tag_ids') }} as tag_id
    from {{ source('raw', 'wecom__contacts') }}
    where {{ is_pending() }}

),

arrivals as (

    select
        {{ record_columns('contacts', ['userid', 'external_userid', 'tag_id'], record_id=['external_userid']) }},
        userid,
        external_userid,
        tag_id
    from tagged
    where tag_id is not null

),

{{ latest_version('arrivals') }}
