-- Grain: one row per member, as of the night that is published.
-- Where no file of shares ever arrived nobody knows who shares: the answer is unknown, never no and never zero.

with

metrics as (

    select * from {{ ref('member_metrics') }}

),

rule as (

    select * from {{ source('ops', 'rule_koc') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

share_feed as (

    select count(*) > 0 as is_available
    from {{ source('ops', 'available_feeds') }}
    where kind = 'groupbuy' and feed = 'shares'

),

shares as (

    select
        shares.member_id,
        count(*) as shares_30d
    from {{ ref('int_member_shares') }} as shares
    cross join run_context
    where {{ days_between('shares.business_date', 'run_context.as_of_date') }} between 0 and 29
    group by shares.member_id

),

complaints as (

    select
        complaints.member_id,
        count(*) as complaints
    from {{ ref('int_member_complaints') }} as complaints
    cross join run_context
    where complaints.business_date <= run_context.as_of_date
    group by complaints.member_id

),

invite_codes as (

    select
        record_members.member_id,
        min(users.own_invite_code) as invite_code
    from {{ ref('stg_groupbuy__users') }} as users
    inner join {{ ref('record_members') }} as record_members
        on users.connection = record_members.connection
        and record_members.feed = 'users'
        and users.record_id = record_members.record_id
    where record_members.member_id is not null
    group by record_members.member_id

),

facts as (

    select
        metrics.as_of_date,
        metrics.member_id,
        metrics.spend_30d_fen,
        case when share_feed.is_available then cast(coalesce(shares.shares_30d, 0) as integer) end as shares_30d,
        cast(coalesce(complaints.complaints, 0) as integer) as complaints,
        invite_codes.invite_code,
        rule.spend_30d_fen as needed_spend_fen,
        rule.shares_30d as needed_shares,
        rule.max_complaints,
        rule.rule_hash
    from metrics
    cross join rule
    cross join share_feed
    left join shares
        on metrics.member_id = shares.member_id
    left join complaints
        on metrics.member_id = complaints.member_id
    left join invite_codes
        on metrics.member_id = invite_codes.member_id

)

select
    as_of_date,
    member_id,
    spend_30d_fen,
    shares_30d,
    complaints,
    case
        when shares_30d is null then 'unknown'
        when spend_30d_fen >= needed_spend_fen and shares_30d >= needed_shares and complaints <= max_complaints
            then 'yes'
        else 'no'
    end as eligible,
    case
        when shares_30d is null then '没有分享数据，无法判断'
        when spend_30d_fen < needed_spend_fen
            then '近30天消费 ' || {{ yuan_text('spend_30d_fen') }} || ' 元，不足 '
                || {{ yuan_text('needed_spend_fen') }} || ' 元'
        when shares_30d < needed_shares
            then '近30天分享 ' || cast(shares_30d as varchar) || ' 次，不足 ' || cast(needed_shares as varchar) || ' 次'
        when complaints > max_complaints
            then '有 ' || cast(complaints as varchar) || ' 次投诉，超过 ' || cast(max_complaints as varchar) || ' 次'
        else '消费、分享、投诉三项全部达标'
    end as reason,
    invite_code,
    rule_hash
from facts
