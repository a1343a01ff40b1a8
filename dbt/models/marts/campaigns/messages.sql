-- Grain: one row per message_id, the idempotency key of one action on one member, with its last state.

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
    payload_sha256,
    "at"
from {{ ref('int_push_states') }}
