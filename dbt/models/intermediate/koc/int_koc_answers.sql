-- Grain: one row per member who may earn for an order and day before it: what the KOC rule says of that day, by all
-- that is known tonight. A day before the first file of shares, or long after the last, is unknown.

with

asked as (

    select distinct
        beneficiary_member_id as member_id,
        {{ add_days('business_date', -1) }} as asked_on
    from {{ ref('int_referrals') }}
    where reason is null

),

days as (

    select
        member_id,
        {{ key_hash('member_id') }} as member_no,
        asked_on
    from asked

),

orders as (

    select member_no, business_date, spend_fen from {{ ref('int_orders') }} where is_purchase

),

engagements as (

    select * from {{ ref('engagements') }} where kind in ('share', 'complaint')

),

rule as (

    select * from {{ source('ops', 'rule_koc') }}

),

share_nights as (

    select
        min(first_night) as first_night,
        max(last_night) as last_night
    from {{ source('ops', 'available_feeds') }}
    where kind = 'groupbuy' and feed = 'shares'

),

spent as (

    select
        days.member_id,
        days.asked_on,
        cast(sum(orders.spend_fen) as bigint) as spend_fen
    from days
    inner join orders
        on days.member_no = orders.member_no
        and orders.business_date <= days.asked_on
    where {{ in_window('orders.business_date', 'days.asked_on', koc_days()) }}
    group by days.member_id, days.asked_on

),

spoken as (

    select
        days.member_id,
        days.asked_on,
        cast(sum(case
            when engagements.kind = 'share' and {{ in_window('engagements.business_date', 'days.asked_on', koc_days()) }} then 1
            else 0
        end) as integer) as shares,
        cast(sum(case when engagements.kind = 'complaint' and engagements.is_counted then 1 else 0 end) as integer)
            as complaints
    from days
    inner join engagements
        on days.member_id = engagements.member_id
        and engagements.business_date <= days.asked_on
    group by days.member_id, days.asked_on

),

facts as (

    select
        days.member_id,
        days.asked_on,
        coalesce(spent.spend_fen, 0) as spend_30d_fen,
        case
            when
                days.asked_on >= share_nights.first_night
                and {{ days_between('share_nights.last_night', 'days.asked_on') }} < rule.silent_share_days
                then coalesce(spoken.shares, 0)
        end as shares_30d,
        coalesce(spoken.complaints, 0) as complaints
    from days
    cross join share_nights
    cross join rule
    left join spent
        on days.member_id = spent.member_id
        and days.asked_on = spent.asked_on
    left join spoken
        on days.member_id = spoken.member_id
        and days.asked_on = spoken.asked_on

)

select
    facts.member_id,
    facts.asked_on,
    facts.spend_30d_fen,
    facts.shares_30d,
    facts.complaints,
    {{ koc_answer('facts.spend_30d_fen', 'facts.shares_30d', 'facts.complaints', 'rule') }} as eligible
from facts
cross join rule
