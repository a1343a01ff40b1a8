-- Grain: one row per order, share or complaint that the KOC rule looked at, as of a night.
-- Told of whoever is not a plain no, of whoever spent enough, and of whoever shared or complained.

with

koc as (

    select as_of_date, member_id, spend_30d_fen, eligible from {{ ref('koc') }}

),

orders as (

    select * from {{ ref('int_orders') }} where is_purchase and member_id is not null

),

engagements as (

    select * from {{ ref('engagements') }} where kind in ('share', 'complaint') and member_id is not null

),

rule as (

    select
        spend_30d_fen,
        rule_hash
    from {{ source('ops', 'rule_koc') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

spoken as (

    select
        engagements.member_id,
        engagements.kind,
        engagements.engagement_key as ref,
        engagements.business_date,
        cast(null as bigint) as amount_fen,
        engagements.is_counted as counts
    from engagements
    cross join run_context
    where
        engagements.business_date <= run_context.as_of_date
        and (
            engagements.kind = 'complaint'
            or {{ in_window('engagements.business_date', 'run_context.as_of_date', koc_days()) }}
        )

),

told as (

    select
        koc.as_of_date,
        koc.member_id
    from koc
    cross join rule
    where
        koc.eligible <> 'no'
        or koc.spend_30d_fen >= rule.spend_30d_fen
        or koc.member_id in (select member_id from spoken)

),

bought as (

    select
        orders.member_id,
        'order' as kind,
        orders.order_key as ref,
        orders.business_date,
        orders.spend_fen as amount_fen,
        true as counts
    from orders
    cross join run_context
    where {{ in_window('orders.business_date', 'run_context.as_of_date', koc_days()) }}

),

evidence as (

    select * from bought

    union all

    select * from spoken

)

select
    told.as_of_date,
    evidence.member_id,
    evidence.kind,
    evidence.ref,
    evidence.business_date,
    evidence.amount_fen,
    evidence.counts,
    rule.rule_hash
from evidence
cross join rule
inner join told
    on evidence.member_id = told.member_id
