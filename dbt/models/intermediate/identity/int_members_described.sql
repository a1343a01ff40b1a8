-- What the records say about each member, but for whom she lives with: that depends on others. Grain: member.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key="member_id",
    on_schema_change="fail",
    meta={"affected": "int_identity_affected_ids"},
) }}

-- depends_on: {{ ref("int_identity_affected_ids") }}

with identifiers as (
    select * from {{ ref("int_identity_members") }}
),

recognitions as (
    select *
    from {{ ref("int_record_recognitions") }}
    where member_id in (select member_id from identifiers)
),

base as (
    select distinct member_id, member_since as first_seen_on
    from identifiers
),

-- staff and leaders are recognised, yet being on the payroll is not being a customer of that channel
channels as (
    select
        member_id,
        max(case when kind = 'pos' then 1 else 0 end) = 1 as has_pos,
        max(case when kind = 'groupbuy' then 1 else 0 end) = 1 as has_groupbuy,
        max(case when kind = 'wecom' then 1 else 0 end) = 1 as has_wecom
    from recognitions
    where feed not in ('staff', 'leaders')
    group by 1
),

-- what the records say of each identifier; the newest saying of the most trusted source wins
sayings as (
    select
        identifiers.member_id,
        identifiers.namespace,
        identifiers.identifier,
        case
            when identifiers.namespace != 'phone' then 0
            when statements.basis = 'verified_phone' then 1
            when statements.kind = 'pos' and statements.feed = 'members' then 2
            when statements.role = 'own' then 3
            else 4
        end
        -- a number that passed on, or was replaced, comes after every one that the member still has
        + case
            when identifiers.valid_to is not null or statements.ended_at is not null then 10
            else 0
        end as trust,
        max(statements.last_at) as last_said_at,
        max(coalesce(statements.first_seen_on, identifiers.first_seen_on)) as last_said_on,
        min(statements.masked) as masked
    from identifiers
    -- a phone that is known only as a card number has no statement of its own
    left join {{ ref("int_identity_affected_statements") }} as statements
        on
            identifiers.namespace = statements.namespace
            and identifiers.identifier = statements.identifier
            and statements.role in ('own', 'said')
    where identifiers.namespace in ('phone', 'unionid', 'external_userid')
    group by 1, 2, 3, 4
),

ranked_sayings as (
    select
        *,
        row_number() over (
            partition by member_id, namespace
            order by trust, last_said_on desc, last_said_at desc nulls last, identifier
        ) as place
    from sayings
),

chosen as (
    select
        member_id,
        max(case when namespace = 'phone' then identifier end) as phone_token,
        max(case when namespace = 'phone' then masked end) as phone_masked,
        max(case when namespace = 'unionid' then identifier end) as unionid,
        max(case when namespace = 'external_userid' then identifier end) as external_userid
    from ranked_sayings
    where place = 1
    group by 1
),

-- of several who follow a contact, the one who added it last
followers as (
    select
        external_userid,
        userid,
        row_number() over (
            partition by external_userid
            order by createtime desc nulls last, connection, userid
        ) as place
    from {{ ref("int_wecom_contacts_current") }}
),

purchases as (
    select
        recognitions.member_id,
        purchases.order_key,
        purchases.store_code,
        purchases.ordered_at,
        purchases.business_date
    from {{ ref("int_purchases_netted") }} as purchases
    inner join recognitions
        on {{ same_record('purchases', 'recognitions') }}
    where purchases.is_purchase
),

last_purchases as (
    select member_id, max(business_date) as last_purchase_on
    from purchases
    group by 1
),

first_purchases as (
    select
        member_id,
        store_code,
        row_number() over (partition by member_id order by ordered_at, order_key) as place
    from purchases
    where store_code is not null
),

stores as (
    select store_code, lng, lat from {{ source("ops", "stores") }}
),

places as (
    select
        recognitions.member_id,
        users.lng,
        users.lat,
        row_number() over (
            partition by recognitions.member_id
            order by users.arrived_on desc, users.updated_at desc nulls last, users.record_key
        ) as place
    from {{ ref("stg_groupbuy__users") }} as users
    inner join recognitions
        on
            users.connection = recognitions.connection
            and recognitions.feed = 'users'
            and users.record_id = recognitions.record_id
    where users.lng is not null and users.lat is not null
),

rule as (
    select home_store_max_m / 1000.0 as max_km from {{ source("ops", "rule_identity") }}
),

nearest_stores as (
    select
        member_id,
        store_code,
        row_number() over (partition by member_id order by km, store_code) as place
    from (
        select
            places.member_id,
            stores.store_code,
            rule.max_km,
            {{ distance_km("places.lng", "places.lat", "stores.lng", "stores.lat") }} as km
        from places
        cross join rule
        -- the box spares most distances; one degree of latitude is 111 km
        inner join stores
            on stores.lat between
                places.lat - rule.max_km / 110.0
                and places.lat + rule.max_km / 110.0
        where places.place = 1
    ) as distances
    where km <= max_km
),

cards as (
    select
        recognitions.member_id,
        pos_members.home_store,
        pos_members.arrived_on,
        pos_members.updated_at,
        pos_members.record_key,
        pos_members.consent_marketing,
        pos_members.consent_at
    from {{ ref("stg_pos__members") }} as pos_members
    inner join recognitions
        on
            pos_members.connection = recognitions.connection
            and recognitions.feed = 'members'
            and pos_members.record_id = recognitions.record_id
),

declared_stores as (
    select
        cards.member_id,
        cards.home_store as store_code,
        row_number() over (
            partition by cards.member_id
            order by cards.arrived_on desc, cards.updated_at desc nulls last, cards.record_key
        ) as place
    from cards
    inner join stores on cards.home_store = stores.store_code
),

consents as (
    select member_id, consent_marketing, consent_at from cards
    union all
    select recognitions.member_id, users.consent_marketing, users.consent_at
    from {{ ref("stg_groupbuy__users") }} as users
    inner join recognitions
        on
            users.connection = recognitions.connection
            and recognitions.feed = 'users'
            and users.record_id = recognitions.record_id
),

-- the newest statement holds; of two at one instant the refusal does
ranked_consents as (
    select
        *,
        row_number() over (
            partition by member_id
            order by consent_at desc nulls last, case when consent_marketing then 1 else 0 end
        ) as place
    from consents
    where consent_marketing is not null
)

select
    base.member_id,
    chosen.phone_token,
    chosen.phone_masked,
    chosen.unionid,
    chosen.external_userid,
    followers.userid as wecom_staff_userid,
    coalesce(channels.has_pos, false) as has_pos,
    coalesce(channels.has_groupbuy, false) as has_groupbuy,
    coalesce(channels.has_wecom, false) as has_wecom,
    coalesce(first_purchases.store_code, nearest_stores.store_code, declared_stores.store_code) as home_store_code,
    case
        when first_purchases.store_code is not null then 'first_purchase'
        when nearest_stores.store_code is not null then 'location'
        when declared_stores.store_code is not null then 'declared'
    end as home_store_basis,
    base.first_seen_on,
    last_purchases.last_purchase_on,
    case when ranked_consents.consent_marketing then 'Y' when not ranked_consents.consent_marketing then 'N' end
        as consent_marketing,
    ranked_consents.consent_at
from base
left join channels on base.member_id = channels.member_id
left join chosen on base.member_id = chosen.member_id
left join followers on chosen.external_userid = followers.external_userid and followers.place = 1
left join first_purchases on base.member_id = first_purchases.member_id and first_purchases.place = 1
left join last_purchases on base.member_id = last_purchases.member_id
left join nearest_stores on base.member_id = nearest_stores.member_id and nearest_stores.place = 1
left join declared_stores on base.member_id = declared_stores.member_id and declared_stores.place = 1
left join ranked_consents on base.member_id = ranked_consents.member_id and ranked_consents.place = 1
