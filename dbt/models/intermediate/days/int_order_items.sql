-- Grain: one row per order with a line of which something is left. A line is bought whole: of half a refund its
-- quantity and cost stay whole, and goods given away are not bought.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key="order_no",
    meta={"affected": "int_touched_orders"},
) }}

with

lines as (

    select * from {{ ref('int_order_lines') }}

),

bought as (

    select
        order_no,
        qty,
        amount_fen - refunded_fen as kept_fen,
        cost_fen,
        is_discounted
    from lines
    where
        amount_fen - refunded_fen > 0
        and {{ touched_rows('order_no', ref('int_touched_orders')) }}

),

final as (

    select
        order_no,
        cast(sum(qty) as decimal(18, 3)) as items,
        cast(sum(case when is_discounted then kept_fen else 0 end) as bigint) as discounted_fen,
        cast(sum(case when cost_fen is not null then kept_fen - cost_fen end) as bigint) as margin_fen
    from bought
    group by order_no

)

select * from final
