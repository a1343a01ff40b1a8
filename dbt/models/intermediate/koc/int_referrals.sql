-- Grain: one row per paid group-buy order and level with somebody who brought it, or a code that says so; with the
-- reason when nothing can be earned, whatever the KOC rule says. An order that is refused at level 1 has no level 2.

with

rule as (

    select
        koc_level1_bp,
        koc_level2_bp,
        koc_refund_window_days,
        koc_max_circle,
        koc_refuse_shared_phone,
        {{ position_of("'invite_code'", 'koc_attribution') }} as code_place,
        {{ position_of("'sharer'", 'koc_attribution') }} as sharer_place,
        {{ position_of("'inviter'", 'koc_attribution') }} as inviter_place
    from {{ source('ops', 'rule_commission') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

codes as (

    select * from {{ ref('invite_codes') }}

),

accounts as (

    select * from {{ ref('int_invite_accounts') }}

),

inviters as (

    select * from {{ ref('int_inviters') }}

),

identifiers as {{ read_in_place() }} (

    select * from {{ ref('member_identifiers') }}

),

refusals as {{ read_in_place() }} (

    select * from {{ ref('identity_refusals') }}

),

orders as (

    select sales.*
    from {{ ref('int_orders') }} as sales
    cross join rule
    cross join run_context
    where
        sales.channel = 'groupbuy'
        and sales.is_listed
        and sales.net_fen > 0
        and sales.business_date <= run_context.as_of_date
        and (
            (sales.invite_code is not null and rule.code_place > 0)
            or (sales.sharer is not null and rule.sharer_place > 0)
            or (sales.member_id is not null and rule.inviter_place > 0)
        )

),

buyers as (

    select
        connection,
        record_id,
        {{ account_of('appid', 'openid', 'connection') }} as account
    from {{ ref('stg_groupbuy__orders') }}

),

-- what names somebody, by its turn in the rule
named as (

    select
        orders.order_key,
        orders.connection,
        orders.record_id,
        orders.store_code,
        orders.member_id as buyer_member_id,
        orders.business_date,
        orders.net_fen,
        orders.is_test,
        case when rule.code_place > 0 then orders.invite_code end as invite_code,
        codes.is_shared,
        codes.member_id as code_member_id,
        sharers.member_id as sharer_member_id,
        sharers.account as sharer_account,
        inviters.inviter_member_id,
        inviters.code as inviter_code,
        case when codes.member_id is not null then rule.code_place else 1000 end as code_place,
        case when sharers.member_id is not null then rule.sharer_place else 1000 end as sharer_place,
        case when inviters.inviter_member_id is not null then rule.inviter_place else 1000 end as inviter_place
    from orders
    cross join rule
    left join codes
        on orders.invite_code = codes.code
        and rule.code_place > 0
    left join accounts as sharers
        on orders.connection = sharers.connection
        and orders.sharer = sharers.account
        and rule.sharer_place > 0
    left join inviters
        on orders.member_id = inviters.member_id
        and rule.inviter_place > 0

),

brought as (

    select
        named.*,
        case
            when least(code_place, sharer_place, inviter_place) = 1000 then null
            when code_place < least(sharer_place, inviter_place) then code_member_id
            when sharer_place < inviter_place then sharer_member_id
            else inviter_member_id
        end as beneficiary_member_id,
        -- what the buyer's own account is held against
        case when code_place <= least(sharer_place, inviter_place) then invite_code end as by_code,
        case
            when sharer_place < least(code_place, inviter_place) then sharer_account
        end as by_account,
        case when inviter_place < least(code_place, sharer_place) then inviter_code end as by_inviter_code
    from named

),

-- whose WeChat account verified a number that One ID follows for nobody, because several hold it at one time
shared_numbers as (

    select distinct
        owners.member_id,
        numbers.identifier as phone,
        numbers.valid_from,
        numbers.valid_to
    from refusals
    cross join rule
    inner join identifiers as owners
        on refusals.identifier_a = owners.identifier
        and owners.namespace = 'openid'
    inner join identifiers as numbers
        on owners.member_id = numbers.member_id
        and refusals.identifier_b = numbers.identifier
        and numbers.namespace = 'phone'
    where
        rule.koc_refuse_shared_phone
        and refusals.reason = 'shared_phone'
        and refusals.namespace_a = 'openid'
        and refusals.namespace_b = 'phone'

),

-- two accounts on one number look like one person with two, whoever they are
same_number as (

    select distinct
        orders.order_key,
        theirs.member_id
    from orders
    inner join shared_numbers as mine
        on orders.member_id = mine.member_id
    inner join shared_numbers as theirs
        on mine.phone = theirs.phone
        and mine.member_id <> theirs.member_id
    where
        cast(orders.ordered_at as date) >= greatest(mine.valid_from, theirs.valid_from)
        and (mine.valid_to is null or cast(orders.ordered_at as date) <= mine.valid_to)
        and (theirs.valid_to is null or cast(orders.ordered_at as date) <= theirs.valid_to)

),

-- who stands above whom, as far as the rule looks: only people who brought somebody can be on the way
standing as (

    select distinct beneficiary_member_id as member_id
    from brought
    where beneficiary_member_id is not null

    union

    select distinct inviter_member_id
    from inviters

),

above_1 as (

    select
        inviters.member_id,
        inviters.inviter_member_id as above_id,
        1 as steps
    from inviters
    inner join standing
        on inviters.member_id = standing.member_id

),

-- each round doubles the steps: 2, 4, 8, 16
{% for round in range(1, 5) %}
above_{{ 2 ** round }} as (

    select
        member_id,
        above_id,
        min(steps) as steps
    from (
        select * from above_{{ 2 ** (round - 1) }}

        union all

        select
            lower_half.member_id,
            upper_half.above_id,
            lower_half.steps + upper_half.steps as steps
        from above_{{ 2 ** (round - 1) }} as lower_half
        inner join above_{{ 2 ** (round - 1) }} as upper_half
            on lower_half.above_id = upper_half.member_id
    ) as ways
    group by member_id, above_id

),
{% endfor %}

above as (

    select above_16.*
    from above_16
    cross join rule
    where above_16.steps <= rule.koc_max_circle

),

level_1 as (

    select
        brought.*,
        buyers.account as buyer_account,
        case
            when brought.is_test then 'test_order'
            when brought.beneficiary_member_id is null and brought.is_shared then 'shared_code'
            when brought.beneficiary_member_id is null then 'unknown_code'
            when brought.beneficiary_member_id = brought.buyer_member_id then
                case
                    when
                        buyers.account is null
                        or buyers.account = brought.by_account
                        or own.own_invite_code = coalesce(brought.by_code, brought.by_inviter_code)
                        or codes.source = 'linli'
                        then 'self'
                    else 'duplicate_account'
                end
            when same_number.member_id is not null then 'duplicate_account'
            when above.steps is not null then 'circular'
        end as reason,
        coalesce(brought.by_account, codes.account) as beneficiary_account,
        above.steps
    from brought
    left join buyers
        on brought.connection = buyers.connection
        and brought.record_id = buyers.record_id
    left join accounts as own
        on buyers.connection = own.connection
        and buyers.account = own.account
    left join codes
        on coalesce(brought.by_code, brought.by_inviter_code) = codes.code
    left join above
        on brought.beneficiary_member_id = above.member_id
        and brought.buyer_member_id = above.above_id
    left join same_number
        on brought.order_key = same_number.order_key
        and brought.beneficiary_member_id = same_number.member_id

),

level_2 as (

    select
        level_1.*,
        inviters.inviter_member_id as second_member_id,
        inviters.code as second_code,
        case
            when inviters.inviter_member_id = level_1.buyer_member_id then 'circular'
            when inviters.inviter_member_id = level_1.beneficiary_member_id then 'circular'
            when same_number.member_id is not null then 'duplicate_account'
            when second_above.steps is not null then 'circular'
        end as second_reason,
        second_above.steps as second_steps
    from level_1
    inner join inviters
        on level_1.beneficiary_member_id = inviters.member_id
    left join above as second_above
        on inviters.inviter_member_id = second_above.member_id
        and level_1.buyer_member_id = second_above.above_id
    left join same_number
        on level_1.order_key = same_number.order_key
        and inviters.inviter_member_id = same_number.member_id
    where level_1.reason is null

),

levels as (

    select
        level_1.order_key,
        1 as level,
        level_1.beneficiary_member_id,
        level_1.buyer_member_id,
        level_1.store_code,
        level_1.business_date,
        level_1.net_fen,
        level_1.invite_code,
        level_1.reason,
        case
            when level_1.reason is null then null
            when level_1.reason = 'duplicate_account'
                then coalesce(level_1.by_code || ',', level_1.by_inviter_code || ',', '')
                    || coalesce(level_1.beneficiary_account || ',', '') || coalesce(level_1.buyer_account, level_1.buyer_member_id)
            when level_1.reason = 'self'
                then coalesce(level_1.by_code, level_1.by_inviter_code, level_1.by_account)
            when level_1.reason = 'circular'
                then coalesce(level_1.by_code, level_1.by_inviter_code, level_1.by_account)
                    || ',circle of ' || cast(level_1.steps + 1 as varchar)
            when level_1.reason = 'test_order'
                then coalesce(level_1.invite_code, level_1.by_inviter_code, level_1.by_account)
            else level_1.invite_code
        end as evidence,
        rule.koc_level1_bp as rate_bp
    from level_1
    cross join rule
    -- without a code nobody claimed anything
    where level_1.beneficiary_member_id is not null or level_1.invite_code is not null

    union all

    select
        level_2.order_key,
        2 as level,
        level_2.second_member_id,
        level_2.buyer_member_id,
        level_2.store_code,
        level_2.business_date,
        level_2.net_fen,
        level_2.invite_code,
        level_2.second_reason,
        case
            when level_2.second_reason is null then null
            when level_2.second_member_id = level_2.buyer_member_id then level_2.second_code || ',circle of 2'
            when level_2.second_member_id = level_2.beneficiary_member_id then level_2.second_code || ',circle of 1'
            when level_2.second_reason = 'duplicate_account'
                then level_2.second_code || ',' || coalesce(level_2.buyer_account, level_2.buyer_member_id)
            else level_2.second_code || ',circle of ' || cast(level_2.second_steps + 1 as varchar)
        end as evidence,
        rule.koc_level2_bp
    from level_2
    cross join rule

)

select
    levels.order_key,
    levels.level,
    levels.beneficiary_member_id,
    levels.buyer_member_id,
    levels.store_code,
    levels.business_date,
    {{ add_days('levels.business_date', 'rule.koc_refund_window_days') }} as due_on,
    levels.net_fen,
    levels.invite_code,
    levels.reason,
    levels.evidence,
    levels.rate_bp
from levels
cross join rule
where levels.rate_bp > 0
