{{ config(materialized="table") }}

with members as (
    select * from {{ ref("int_members_described") }}
),

households as (
    select * from {{ ref("int_identity_households") }}
),

final as (
    select
        members.member_id,
        members.phone_token,
        members.phone_masked,
        members.unionid,
        members.external_userid,
        members.wecom_staff_userid,
        members.has_pos,
        members.has_groupbuy,
        members.has_wecom,
        members.home_store_code,
        members.home_store_basis,
        members.first_seen_on,
        members.last_purchase_on,
        {{ identity_id("h", "households.head_member_id") }} as household_id,
        members.consent_marketing,
        members.consent_at,
        'active' as status
    from members
    left join households on members.member_id = households.member_id
)

select * from final
order by member_id
