-- Grain: one row per (member, campaign, business_date) before the decision that reached the member, or may have: in the
-- night what was sent until its day ended, in the afternoon of a stock count what the night before had sent as well.
-- What is announced or uncertain counts as sent: better one message too few.

with

states as (

    select * from {{ ref('int_push_states') }}

),

redirects as (

    select * from {{ ref('int_identity_redirects') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

)

select
    coalesce(redirects.member_id, states.member_id) as member_id,
    states.campaign_id,
    states.business_date,
    max(cast(states."at" as date)) as sent_on
from states
cross join run_context
left join redirects
    on states.member_id = redirects.retired_member_id
where
    states.action in ('coupon', 'message')
    and states.state in ('intent', 'accepted', 'uncertain')
    and (
        states.business_date < run_context.as_of_date
        -- what was decided in the afternoon was sent on the same day
        or (states.business_date = run_context.as_of_date and cast(states."at" as date) <= run_context.as_of_date)
        or states.business_date < run_context.stock_on
    )
group by 1, 2, 3
