-- Grain: one row per message (one action on one member for one campaign and date): its last state in the journal.
-- A view: the push rebuilds the two marts that tell of it and nothing before them.

{{ config(materialized='view') }}

select
    message_id,
    campaign_id,
    business_date,
    member_id,
    target,
    action,
    attempt,
    state,
    vendor_code,
    vendor_ref,
    payload_sha256,
    "at",
    seq
from {{ source('ops', 'push_events') }}
qualify row_number() over (partition by message_id order by seq desc, attempt desc, state) = 1
