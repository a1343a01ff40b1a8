-- Grain: one row per refund that moved money. A source without a status says so by the time it finished.
{{ config(materialized="view") }}

select
    connection,
    refund_id,
    order_id,
    line_no,
    amount_fen,
    coalesce(finished_at, applied_at) as refunded_at
from {{ ref('stg_groupbuy__refunds') }}
where status = 'done' or (status is null and finished_at is not null)
