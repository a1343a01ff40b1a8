-- Grain: one row per member with goods of the days that rules look back, or of a high-margin category ever.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key="member_id",
    meta={"affected": "int_stale_members", "number": "member_no"},
) }}
-- depends_on: {{ ref('int_stale_members') }}

with

lines as (

    select
        order_no, member_no, days_ago, qty, is_high_margin
    from {{ ref('int_purchase_lines') }}

),

members as (

    select member_no, member_id from {{ ref('int_member_windows') }}

),

sums as (

    select
        member_no,
        cast(coalesce(sum(qty) filter (where days_ago < 90), 0) as decimal(18, 3)) as items_90d,
        cast(count(distinct case when is_high_margin then order_no end) as integer) as high_margin_orders_total
    from lines
    group by member_no

)

select
    members.member_no,
    members.member_id,
    sums.items_90d,
    sums.high_margin_orders_total
from sums
inner join members
    on sums.member_no = members.member_no
