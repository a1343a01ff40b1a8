-- Grain: one row per disagreement between what a source reports, what it posted, and what its tickets say. Each belongs to
-- one unit: an account, a member, or the number of a ticket. A night compares those again that it touched.
{{ config(
    materialized='incremental',
    incremental_strategy='affected',
    unique_key=['what', 'unit_no'],
    meta={'affected': 'int_touched_point_units', 'number': 'unit_no'},
    on_schema_change='fail',
) }}

with

touched as (

    select what, connection, name, unit_no from {{ ref('int_touched_point_units') }}

),

touched_accounts as (

    select
        name as account,
        {{ key_hash("connection || '|' || name") }} as account_no
    from touched
    where what = 'account'

),

touched_members as (

    select {{ key_hash('name') }} as member_no from touched where what = 'member'

),

touched_numbers as (

    select
        connection,
        name as source_order_id,
        {{ key_hash("connection || '|' || name") }} as number_no
    from touched
    where what = 'number'

),

-- the same entries thrice, each time other ones
of_accounts as (

    select
        entry_id,
        connection,
        account,
        member_id,
        occurred_at,
        business_date,
        first_arrived_on,
        points,
        is_listed
    from {{ ref('int_point_entries') }}
    where counter_account <> 'locked' and {{ touched_rows('account_no', 'touched_accounts') }}

),

of_members as (

    select
        entry_id,
        member_id,
        occurred_at,
        business_date,
        chain_points
    from {{ ref('int_point_entries') }}
    where
        counter_account <> 'locked'
        and member_id is not null
        and {{ touched_rows('member_no', 'touched_members') }}

),

of_numbers as (

    select
        entry_id,
        connection,
        account,
        member_id,
        business_date,
        kind,
        points,
        ref
    from {{ ref('int_point_entries') }}
    where
        source = 'points'
        and kind in ('earn', 'spend', 'reverse')
        and ref is not null
        and {{ touched_rows('number_no', 'touched_numbers') }}

),

-- also those under the number of the return
taking_back as (

    select
        connection,
        account,
        member_id,
        ref
    from {{ ref('int_point_entries') }}
    where source = 'points' and kind = 'reverse' and points < 0

),

cards as (

    select
        connection,
        connection || ':' || member_ref as account,
        record_key,
        record_id,
        arrived_on,
        updated_at,
        points_balance
    from {{ ref('stg_pos__members') }}
    where points_balance is not null and {{ touched_rows("connection || ':' || member_ref", 'touched_accounts', 'account') }}

),

sales as (

    select
        record_no,
        record_key,
        connection,
        source_order_id,
        business_date,
        ordered_at,
        member_id,
        kind,
        status,
        net_fen,
        points_earned,
        points_spent
    from {{ ref('int_orders') }}
    where
        channel = 'pos'
        {%- if is_incremental() %}
        and (connection, source_order_id) in (select connection, source_order_id from touched_numbers)
        {%- endif %}

),

tickets as (

    select
        record_key,
        member_ref,
        phone_token
    from {{ ref('stg_pos__tickets') }}
    {%- if is_incremental() %}
    where sale_no in (select record_no from sales)
    {%- endif %}

),

returns as (

    select
        returns.record_key,
        returns.connection,
        returns.ticket_id,
        returns.kind,
        returns.net_fen,
        returns.origin_record_key,
        given.business_date
    from {{ ref('int_pos_returns_linked') }} as returns
    inner join {{ ref('int_orders') }} as given
        on returns.record_no = given.record_no
    where not returns.is_voided and returns.origin_kind = 'sale'

),

owners as (

    select
        connection,
        record_id,
        member_id
    from {{ ref('int_record_owners') }}
    where feed = 'members'

),

ledgers as (

    select * from {{ ref('int_point_ledgers') }}

),

rules as (

    select * from {{ source('ops', 'rule_ledger') }}

),

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

---------- what a card holds by the member file, and by the entries up to that state of it
reported as (

    select
        cards.connection,
        cards.account,
        cards.record_key,
        cards.record_id,
        cards.arrived_on,
        cards.points_balance,
        coalesce(
            cards.updated_at,
            {{ add_minutes('cast(' ~ add_days('cards.arrived_on', 1) ~ ' as timestamp)', 'run_context.cutover_minutes') }}
        ) as told_until,
        coalesce({{ business_date('cards.updated_at', 'run_context.cutover_minutes') }}, cards.arrived_on)
            as business_date
    from cards
    cross join run_context

),

booked as (

    select
        reported.account,
        sum(entries.points) as points,
        -- of that, what had arrived by the night of the file: a difference that goes away without it was too early
        sum(case when entries.first_arrived_on > reported.arrived_on then 0 else entries.points end) as known_points
    from reported
    inner join of_accounts as entries
        on reported.account = entries.account
        and reported.connection = entries.connection
        and entries.occurred_at <= reported.told_until
    group by reported.account

),

balance as (

    select
        'balance|' || reported.account as difference_id,
        reported.business_date,
        reported.connection,
        reported.account,
        owners.member_id,
        'balance' as kind,
        reported.points_balance as reported,
        coalesce(booked.points, 0) as ledger,
        case when reported.points_balance = coalesce(booked.known_points, 0) then 'late,' else '' end
        || reported.record_key as evidence
    from reported
    cross join rules
    left join booked
        on reported.account = booked.account
    left join owners
        on reported.connection = owners.connection
        and reported.record_id = owners.record_id
    where abs(reported.points_balance - coalesce(booked.points, 0)) > rules.tolerance_points

),

---------- what a ticket says it earned or spent, and what was posted for it
said as (

    select
        sales.record_key,
        sales.connection,
        sales.source_order_id,
        sales.business_date,
        sales.member_id,
        sales.status,
        sales.net_fen,
        sales.points_earned,
        sales.points_spent,
        coalesce(sales.connection || ':' || tickets.member_ref, 'phone:' || tickets.phone_token) as account
    from sales
    -- what was sold before a ledger began is not expected in it, also in the morning of a part of one
    inner join ledgers
        on sales.connection = ledgers.connection
        and (sales.business_date >= ledgers.first_night or sales.ordered_at >= ledgers.first_posted_at)
    inner join tickets
        on sales.record_key = tickets.record_key
    where sales.kind in ('sale', 'recharge')

),

-- ticket numbers repeat from shop to shop: of the same account, or the same person
answered as (

    select
        said.record_key,
        entries.kind,
        sum(entries.points) as points,
        -- posted twice is another matter
        sum(distinct entries.points) as points_once,
        min(entries.entry_id) as first_entry_id,
        min(entries.account) as account
    from said
    inner join of_numbers as entries
        on said.connection = entries.connection
        and said.source_order_id = entries.ref
        and (said.account = entries.account or said.member_id = entries.member_id)
    where entries.kind in ('earn', 'spend')
    group by said.record_key, entries.kind

),

expected as (

    select record_key, 'earn' as kind, points_earned as points from said where points_earned > 0

    union all

    select record_key, 'spend', -abs(points_spent) from said where points_spent <> 0

),

postings as (

    select
        case when answered.record_key is null then expected.kind || '_not_posted' else 'amount_differs' end
        || '|' || said.record_key || '|' || expected.kind as difference_id,
        said.business_date,
        said.connection,
        said.account,
        said.member_id,
        case when answered.record_key is null then expected.kind || '_not_posted' else 'amount_differs' end as kind,
        expected.points as reported,
        coalesce(answered.points, 0) as ledger,
        said.record_key || coalesce(',' || answered.first_entry_id, '') as evidence,
        'number' as what,
        said.source_order_id as unit_name
    from expected
    inner join said
        on expected.record_key = said.record_key
    left join answered
        on expected.record_key = answered.record_key
        and expected.kind = answered.kind
    where
        -- a ticket that was voided may well have been spared both
        (answered.record_key is null and said.status <> 'voided')
        or (answered.points <> expected.points and answered.points_once <> expected.points)

),

---------- points of goods that were given back
taken_back as (

    select
        returns.record_key,
        returns.connection,
        returns.ticket_id,
        returns.kind,
        returns.net_fen as back_fen,
        returns.business_date,
        said.source_order_id,
        said.member_id,
        said.net_fen,
        answered.account,
        answered.points,
        answered.first_entry_id
    from returns
    inner join said
        on returns.origin_record_key = said.record_key
    inner join answered
        on said.record_key = answered.record_key
        and answered.kind = 'earn'
    where answered.points > 0

),

reversed as (

    select distinct taken_back.record_key
    from taken_back
    inner join taking_back as entries
        on taken_back.connection = entries.connection
        and (entries.ref = taken_back.ticket_id or entries.ref = taken_back.source_order_id)
        and (entries.account = taken_back.account or entries.member_id = taken_back.member_id)

),

-- whole points of the share that came back; a void takes all
due_back as (

    select
        taken_back.*,
        case
            when kind = 'void' then points
            when net_fen > 0
                then {{ int_div('cast(points as bigint) * least(back_fen, net_fen)', 'net_fen') }}
            else 0
        end as due_points
    from taken_back

),

reversals as (

    select
        'reversal_not_posted|' || due_back.record_key as difference_id,
        due_back.business_date,
        due_back.connection,
        due_back.account,
        due_back.member_id,
        'reversal_not_posted' as kind,
        -due_back.due_points as reported,
        0 as ledger,
        due_back.record_key || ',' || due_back.first_entry_id as evidence,
        'number' as what,
        due_back.source_order_id as unit_name
    from due_back
    left join reversed
        on due_back.record_key = reversed.record_key
    where reversed.record_key is null and due_back.due_points >= 1

),

---------- the same once more
doubled as (

    select
        connection,
        account,
        ref,
        kind,
        points,
        count(*) as times,
        max(business_date) as business_date,
        max(member_id) as member_id,
        min(entry_id) as first_entry_id,
        max(entry_id) as last_entry_id
    from of_numbers
    where points <> 0
    group by connection, account, ref, kind, points
    having count(*) > 1

),

times_returned as (

    select
        sales.connection,
        sales.source_order_id,
        sales.member_id,
        count(*) as times
    from returns
    inner join sales
        on returns.origin_record_key = sales.record_key
    group by sales.connection, sales.source_order_id, sales.member_id

),

-- a posting in two equal parts is none
in_parts as (

    select distinct
        doubled.connection,
        doubled.account,
        doubled.ref,
        doubled.kind,
        doubled.points
    from doubled
    inner join said
        on doubled.connection = said.connection
        and doubled.ref = said.source_order_id
        and (doubled.account = said.account or doubled.member_id = said.member_id)
    inner join expected
        on said.record_key = expected.record_key
        and doubled.kind = expected.kind
        and doubled.points * doubled.times = expected.points

    union

    -- nor are reversals of a sale of which something was given back as many times
    select
        doubled.connection,
        doubled.account,
        doubled.ref,
        doubled.kind,
        doubled.points
    from doubled
    inner join times_returned
        on doubled.connection = times_returned.connection
        and doubled.ref = times_returned.source_order_id
        and (times_returned.member_id is null or doubled.member_id is null or doubled.member_id = times_returned.member_id)
        and doubled.times <= times_returned.times
    where doubled.kind = 'reverse'

),

twice as (

    select
        'posted_twice|' || coalesce(doubled.account, doubled.connection) || '|' || doubled.ref || '|' || doubled.kind
        || '|' || cast(doubled.points as varchar) as difference_id,
        doubled.business_date,
        doubled.connection,
        doubled.account,
        doubled.member_id,
        'posted_twice' as kind,
        doubled.points as reported,
        doubled.points * doubled.times as ledger,
        doubled.first_entry_id || ',' || doubled.last_entry_id as evidence,
        'number' as what,
        doubled.ref as unit_name
    from doubled
    left join in_parts
        on doubled.connection = in_parts.connection
        and doubled.account is not distinct from in_parts.account
        and doubled.ref = in_parts.ref
        and doubled.kind = in_parts.kind
        and doubled.points = in_parts.points
    where in_parts.ref is null

),

---------- accounts of nobody
unowned as (

    select
        'unowned|' || connection || '|' || coalesce(account, '') as difference_id,
        max(business_date) as business_date,
        connection,
        account,
        cast(null as varchar) as member_id,
        'unowned' as kind,
        cast(null as decimal(18, 3)) as reported,
        sum(points) as ledger,
        min(entry_id) as evidence
    from of_accounts
    where member_id is null and is_listed
    group by connection, account

),

---------- less than nothing; who never spent cannot have it
spenders as (

    select distinct member_id
    from of_members
    where chain_points < 0

),

running as (

    select
        entries.member_id,
        entries.business_date,
        entries.occurred_at,
        entries.entry_id,
        sum(entries.chain_points) over (
            partition by entries.member_id
            order by entries.occurred_at, entries.entry_id
            rows between unbounded preceding and current row
        ) as held
    from of_members as entries
    inner join spenders
        on entries.member_id = spenders.member_id

),

below as (

    select
        *,
        min(held) over (partition by member_id, business_date) as lowest,
        row_number() over (partition by member_id, business_date order by occurred_at, entry_id) as place
    from running
    where held < 0

),

negative as (

    select
        'negative_balance|' || member_id || '|' || cast(business_date as varchar) as difference_id,
        business_date,
        cast(null as varchar) as connection,
        cast(null as varchar) as account,
        member_id,
        'negative_balance' as kind,
        cast(null as decimal(18, 3)) as reported,
        lowest as ledger,
        entry_id as evidence
    from below
    where place = 1

),

differences as (

    select *, 'account' as what, account as unit_name from balance

    union all

    select * from postings

    union all

    select * from reversals

    union all

    select * from twice

    union all

    select *, 'account', coalesce(account, '') from unowned

    union all

    select *, 'member', member_id from negative

)

select
    differences.difference_id,
    differences.business_date,
    differences.connection,
    differences.account,
    differences.member_id,
    differences.kind,
    cast(differences.reported as decimal(18, 3)) as reported,
    cast(differences.ledger as decimal(18, 3)) as ledger,
    cast(differences.reported - differences.ledger as decimal(18, 3)) as difference,
    differences.evidence,
    rules.rule_hash,
    differences.what,
    {{ key_hash("differences.what || '|' || coalesce(differences.connection, '') || '|' || differences.unit_name") }} as unit_no
from differences
cross join rules
