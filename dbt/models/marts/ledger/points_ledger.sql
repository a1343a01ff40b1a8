-- Grain: one row per entry of the points ledger: what one source record did to one account.

select
    entry_id,
    source_entry_id,
    member_id,
    account,
    occurred_at,
    business_date,
    kind,
    points,
    chain_points,
    channel,
    connection,
    ref,
    source,
    counter_account
from {{ ref('int_point_entries') }}
