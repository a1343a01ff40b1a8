-- Grain: one row per order, beneficiary, level and entry. Amounts are differences of rounded amounts, so that what is
-- left after every refund is the rounded share of what is left of the order.

with

referrals as (

    select * from {{ ref('int_referrals') }} where reason is null

),

answers as (

    select * from {{ ref('int_koc_answers') }}

),

refunds as (

    select * from {{ ref('int_refunds') }} where channel = 'groupbuy' and amount_fen <> 0

),

rule as (

    select koc_require_koc, rule_hash from {{ source('ops', 'rule_commission') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

-- as long as nobody can tell whether she qualifies nothing is due, and every refund lowers what may become due
granted as (

    select
        referrals.*,
        answers.eligible as koc_at_order,
        rule.koc_require_koc and answers.eligible = 'unknown' as is_waiting,
        rule.rule_hash
    from referrals
    cross join rule
    inner join answers
        on referrals.beneficiary_member_id = answers.member_id
        and referrals.business_date = {{ add_days('answers.asked_on', 1) }}
    where answers.eligible <> 'no' or not rule.koc_require_koc

),

given_back as (

    select
        order_key,
        business_date,
        sum(amount_fen) as amount_fen
    from refunds
    where order_key in (select order_key from granted)
    group by order_key, business_date

),

days as (

    select
        granted.order_key,
        granted.level,
        granted.net_fen,
        granted.due_on,
        granted.rate_bp,
        given_back.business_date,
        given_back.amount_fen,
        given_back.business_date > granted.due_on and not granted.is_waiting as is_late,
        sum(given_back.amount_fen) over (
            partition by granted.order_key, granted.level
            order by given_back.business_date
            rows between unbounded preceding and current row
        ) as back_fen
    from granted
    inner join given_back
        on granted.order_key = given_back.order_key

),

left_over as (

    select
        days.*,
        cast(greatest(net_fen - back_fen, 0) as bigint) as left_fen,
        cast(greatest(net_fen - back_fen + amount_fen, 0) as bigint) as left_before_fen
    from days

),

late as (

    select
        order_key,
        level,
        business_date,
        cast(row_number() over (partition by order_key, level order by business_date) as integer) as entry_no,
        left_fen,
        left_before_fen
    from left_over
    where is_late and left_fen <> left_before_fen

),

early as (

    select
        order_key,
        level,
        sum(amount_fen) as amount_fen
    from days
    where not is_late
    group by order_key, level

),

earned as (

    select
        granted.*,
        cast(greatest(granted.net_fen - coalesce(early.amount_fen, 0), 0) as bigint) as base_fen
    from granted
    left join early
        on granted.order_key = early.order_key
        and granted.level = early.level

),

entries as (

    select
        earned.order_key,
        earned.beneficiary_member_id,
        earned.level,
        0 as entry_no,
        earned.buyer_member_id,
        earned.rate_bp,
        earned.base_fen,
        {{ half_up('earned.base_fen', 'earned.rate_bp') }} as amount_fen,
        case
            when earned.base_fen = 0 then 'clawed_back'
            when earned.is_waiting or earned.due_on > run_context.as_of_date then 'pending'
            else 'due'
        end as status,
        earned.business_date,
        earned.due_on,
        earned.koc_at_order,
        earned.invite_code,
        earned.store_code,
        earned.rule_hash
    from earned
    cross join run_context

    union all

    select
        granted.order_key,
        granted.beneficiary_member_id,
        granted.level,
        late.entry_no,
        granted.buyer_member_id,
        granted.rate_bp,
        late.left_fen - late.left_before_fen,
        {{ half_up('late.left_fen', 'granted.rate_bp') }} - {{ half_up('late.left_before_fen', 'granted.rate_bp') }},
        'clawed_back',
        late.business_date,
        granted.due_on,
        granted.koc_at_order,
        granted.invite_code,
        granted.store_code,
        granted.rule_hash
    from late
    inner join granted
        on late.order_key = granted.order_key
        and late.level = granted.level

)

select
    order_key,
    beneficiary_member_id,
    cast(level as integer) as level,
    cast(entry_no as integer) as entry_no,
    buyer_member_id,
    cast(rate_bp as double) / 10000 as rate,
    cast(rate_bp as integer) as rate_bp,
    base_fen,
    amount_fen,
    status,
    {{ month_text('business_date') }} as month,
    business_date,
    due_on,
    koc_at_order,
    invite_code,
    store_code,
    rule_hash
from entries
