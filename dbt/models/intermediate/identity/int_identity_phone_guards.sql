-- Phones that never identify anybody, and why. Grain: phone.
-- What several people share for a time is found by int_identity_tenures; these are nobody's at any time.
{{ config(materialized="table") }}

select distinct
    phone_token as phone,
    'placeholder_phone' as reason,
    'a well-known dummy number or listed in rules/identity.yml placeholder_phones' as evidence
from {{ source("ops", "placeholder_phones") }}
