-- Grain: one row per entry of the points ledger: what one source record did to one account.
-- A view: the entries are kept, and none is copied.

{{ config(materialized='view') }}

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
where is_listed
