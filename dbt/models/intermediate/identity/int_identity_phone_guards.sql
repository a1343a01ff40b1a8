-- Phones that never identify anybody, and why. Grain: phone.
-- What several people share for a time is found by int_identity_tenures; these are nobody's at any time: dummies that
-- are listed, and numbers that behave as if they were nobody's own.
{{ config(materialized="table") }}

with placeholders as (
    select distinct phone_token from {{ source("ops", "placeholder_phones") }}
),

suspects as (
    select * from {{ ref("int_identity_suspects") }} where namespace = 'phone'
),

final as (
    select
        phone_token as phone,
        'placeholder_phone' as reason,
        'a well-known dummy number or listed in rules/identity.yml placeholder_phones' as evidence,
        cast(null as date) as flagged_on
    from placeholders
    union all
    select
        suspects.identifier,
        suspects.reason,
        -- the counts move every night and stand in identity_suspects
        'suspect since ' || coalesce(cast(suspects.flagged_on as varchar), 'ever') as evidence,
        suspects.flagged_on
    from suspects
    left join placeholders on suspects.identifier = placeholders.phone_token
    where placeholders.phone_token is null
)

select * from final
