-- Grain: one row per (connection, userid, external_userid), its newest version.

with

arrivals as (

    select
        {{ record_columns('contacts', ['userid', 'external_userid'], record_id=['external_userid']) }},
        userid,
        external_userid,
        unionid,
        cast(type as integer) as type,
        {{ instant('createtime') }} as createtime,
        cast(add_way as integer) as add_way,
        state,
        oper_userid,
        tag_ids,
        cast(remark_phone_count as integer) as remark_phone_count,
        remark_name_token,
        phone_token,
        phone_masked,
        phone_kind
    from {{ source('raw', 'wecom__contacts') }}
    where {{ is_pending() }}

),

{{ latest_version('arrivals') }}
