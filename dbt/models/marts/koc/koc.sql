-- Grain: one row per member, as of the night that is published.
-- Where nobody can know who shares, because no file of shares ever came or none for long, the answer is unknown,
-- never no and never zero.

with

metrics as (

    select as_of_date, member_id, spend_30d_fen from {{ ref('member_metrics') }}

),

engagements as (

    select * from {{ ref('engagements') }} where kind in ('share', 'complaint')

),

accounts as (

    select * from {{ ref('int_invite_accounts') }}

),

rule as (

    select * from {{ source('ops', 'rule_koc') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

share_nights as (

    select
        min(first_night) as first_night,
        max(last_night) as last_night
    from {{ source('ops', 'available_feeds') }}
    where kind = 'groupbuy' and feed = 'shares'

),

share_feed as (

    select
        share_nights.first_night,
        {{ days_between('share_nights.last_night', 'run_context.as_of_date') }} as silent_days,
        coalesce(
            {{ days_between('share_nights.last_night', 'run_context.as_of_date') }} < rule.silent_share_days, false
        ) as is_available,
        -- the files begin inside the days that shares are counted over
        coalesce({{ days_between('share_nights.first_night', 'run_context.as_of_date') }} < {{ koc_days() }} - 1, false)
            as is_partial
    from share_nights
    cross join run_context
    cross join rule

),

counted as (

    select
        engagements.member_id,
        cast(sum(case
            when
                engagements.kind = 'share'
                and {{ in_window('engagements.business_date', 'run_context.as_of_date', koc_days()) }}
                then 1
            else 0
        end) as integer) as shares,
        cast(sum(case
            when
                engagements.kind = 'complaint'
                and engagements.is_counted
                and engagements.business_date <= run_context.as_of_date
                then 1
            else 0
        end) as integer) as complaints
    from engagements
    cross join run_context
    where engagements.member_id is not null
    group by engagements.member_id

),

own_codes as (

    select
        member_id,
        own_invite_code,
        row_number() over (partition by member_id order by account_turn) as place
    from accounts
    where member_id is not null and own_invite_code is not null

),

facts as (

    select
        metrics.as_of_date,
        metrics.member_id,
        metrics.spend_30d_fen,
        case when share_feed.is_available then coalesce(counted.shares, 0) end as shares_30d,
        coalesce(counted.complaints, 0) as complaints,
        own_codes.own_invite_code,
        share_feed.first_night,
        share_feed.silent_days,
        share_feed.is_partial,
        rule.spend_30d_fen as needed_spend_fen,
        rule.shares_30d as needed_shares,
        rule.max_complaints,
        rule.rule_hash
    from metrics
    cross join rule
    cross join share_feed
    left join counted
        on metrics.member_id = counted.member_id
    left join own_codes
        on metrics.member_id = own_codes.member_id
        and own_codes.place = 1

),

answered as (

    select
        facts.*,
        {{ koc_answer('facts.spend_30d_fen', 'facts.shares_30d', 'facts.complaints', 'rule') }} as eligible,
        case when facts.spend_30d_fen < facts.needed_spend_fen then 1 else 0 end
        + case when facts.shares_30d < facts.needed_shares then 1 else 0 end
        + case when facts.complaints > facts.max_complaints then 1 else 0 end as conditions_missed
    from facts
    cross join rule

)

select
    as_of_date,
    member_id,
    spend_30d_fen,
    shares_30d,
    complaints,
    eligible,
    case
        when shares_30d is null and silent_days is null then '没有分享数据，无法判断'
        when shares_30d is null
            then '分享数据已 ' || cast(silent_days as varchar) || ' 天没有到，无法判断'
        when spend_30d_fen < needed_spend_fen
            then '近{{ koc_days() }}天消费 ' || {{ yuan_text('spend_30d_fen') }} || ' 元，不足 '
                || {{ yuan_text('needed_spend_fen') }} || ' 元'
        when shares_30d < needed_shares
            then '近{{ koc_days() }}天分享 ' || cast(shares_30d as varchar) || ' 次，不足 ' || cast(needed_shares as varchar) || ' 次'
                || case when is_partial then '（' || cast(first_night as varchar) || ' 起才有分享数据）' else '' end
        when complaints > max_complaints
            then '有 ' || cast(complaints as varchar) || ' 次投诉，超过 ' || cast(max_complaints as varchar) || ' 次'
        else '消费、分享、投诉三项全部达标'
    end as reason,
    case
        when eligible = 'unknown' then null
        when eligible = 'yes' then 'qualified'
        when conditions_missed = 1 then 'close'
        else 'none'
    end as level,
    coalesce(
        own_invite_code,
        case when eligible = 'yes' then {{ own_invite_code('member_id') }} end
    ) as invite_code,
    rule_hash
from answered
