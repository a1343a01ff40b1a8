-- Grain: namespace × shop × business date, the last shown_days. Not incremental: what is shared or suspect is known of all
-- days anew each night; the window bounds the cost.

{% set shop_day = ['namespace', 'store_code', 'business_date'] %}

with

mentions as (

    select * from {{ ref('int_identity_mentions') }}

),

statements as (

    select connection, feed, record_id, namespace, identifier from {{ ref('int_identity_statements') }}

),

suspects as (

    select * from {{ ref('int_identity_suspects') }}

),

shared_identifiers as (

    select distinct namespace, identifier
    from {{ ref('member_identifiers') }}
    where is_shared

),

placeholders as (

    select distinct 'phone' as namespace, phone_token as identifier from {{ source('ops', 'placeholder_phones') }}

),

rules as (

    select * from {{ source('ops', 'rule_identity_health') }}

),

run_context as (

    select as_of_date from {{ source('ops', 'run_context') }}

),

uses as (

    select
        statements.namespace,
        mentions.store_code,
        mentions.business_date,
        statements.identifier,
        count(*) as statements,
        count(distinct statements.connection || '|' || statements.feed || '|' || statements.record_id) as records
    from mentions
    inner join statements
        on {{ same_record('mentions', 'statements') }}
    group by
        statements.namespace,
        mentions.store_code,
        mentions.business_date,
        statements.identifier

),

used as (

    select
        uses.namespace,
        uses.store_code,
        uses.business_date,
        sum(uses.statements) as statements,
        count(*) as identifiers,
        percentile_disc(0.5) within group (order by uses.records) as records_p50,
        percentile_disc(0.99) within group (order by uses.records) as records_p99,
        max(uses.records) as records_max,
        cast(max(uses.statements) as double) / cast(sum(uses.statements) as double) as top_share,
        count(shared_identifiers.identifier) as shared_identifiers,
        coalesce(sum(case when placeholders.identifier is not null then uses.statements end), 0) as placeholder_statements,
        count(suspects.identifier) as suspect_identifiers
    from uses
    left join shared_identifiers
        on uses.namespace = shared_identifiers.namespace and uses.identifier = shared_identifiers.identifier
    left join placeholders
        on uses.namespace = placeholders.namespace and uses.identifier = placeholders.identifier
    left join suspects
        on uses.namespace = suspects.namespace and uses.identifier = suspects.identifier
    group by uses.namespace, uses.store_code, uses.business_date

),

-- phone fields that hold no number anybody could be known by
invalid_phones as (

    select
        'phone' as namespace,
        store_code,
        business_date,
        count(*) filter (where phone_kind = 'masked') as masked_phones,
        count(*) filter (where phone_kind != 'masked') as invalid_phones
    from mentions
    where phone_kind is not null and phone_kind != 'placeholder' and not {{ is_linkable_phone('phone_kind') }}
    group by store_code, business_date

),

flagged as (

    select
        namespace,
        coalesce(store_code, 'unknown') as store_code,
        flagged_on as business_date,
        count(*) as newly_flagged
    from suspects
    group by namespace, coalesce(store_code, 'unknown'), flagged_on

),

grain as (

    select namespace, store_code, business_date from used

    union

    select namespace, store_code, business_date from invalid_phones

    union

    select flagged.namespace, flagged.store_code, flagged.business_date
    from flagged
    cross join run_context
    cross join rules
    where flagged.business_date > {{ add_days('run_context.as_of_date', '-(rules.shown_days + rules.alarm_days)') }}

),

measured as (

    select
        grain.namespace,
        grain.store_code,
        grain.business_date,
        coalesce(used.statements, 0) as statements,
        coalesce(used.identifiers, 0) as identifiers,
        used.records_p50,
        used.records_p99,
        coalesce(used.records_max, 0) as records_max,
        used.top_share,
        coalesce(used.shared_identifiers, 0) as shared_identifiers,
        coalesce(used.placeholder_statements, 0) as placeholder_statements,
        coalesce(invalid_phones.masked_phones, 0) as masked_phones,
        coalesce(invalid_phones.invalid_phones, 0) as invalid_phones,
        coalesce(used.suspect_identifiers, 0) as suspect_identifiers,
        coalesce(flagged.newly_flagged, 0) as newly_flagged,
        coalesce(used.placeholder_statements, 0) + coalesce(invalid_phones.invalid_phones, 0) as bad_values
    from grain
    left join used
        on {{ equal_in(shop_day, 'grain', 'used') }}
    left join invalid_phones
        on {{ equal_in(shop_day, 'grain', 'invalid_phones') }}
    left join flagged
        on {{ equal_in(shop_day, 'grain', 'flagged') }}

),

-- a shop is compared with itself: its own days among alarm_days before that have any row
baselines as (

    select
        days.namespace,
        days.store_code,
        days.business_date,
        count(*) as days_before,
        percentile_disc(0.5) within group (order by earlier.statements) as usual_statements,
        percentile_disc(0.5) within group (order by earlier.records_max) as usual_records_max,
        percentile_disc(0.5) within group (order by earlier.bad_values) as usual_bad_values
    from measured as days
    cross join rules
    inner join measured as earlier
        on
            days.namespace = earlier.namespace
            and days.store_code = earlier.store_code
            and earlier.business_date < days.business_date
            and earlier.business_date >= {{ add_days('days.business_date', '-rules.alarm_days') }}
    group by days.namespace, days.store_code, days.business_date

),

judged as (

    select
        measured.*,
        baselines.days_before,
        baselines.usual_statements,
        baselines.usual_records_max,
        baselines.usual_bad_values,
        case
            when greatest(measured.statements, baselines.usual_statements) < rules.alarm_min_statements then null
            when
                measured.statements > rules.alarm_factor * baselines.usual_statements
                or rules.alarm_factor * measured.statements < baselines.usual_statements
                then 'statements ' || measured.statements || ', usually ' || baselines.usual_statements
        end as volume_alarm,
        case
            when
                measured.records_max >= rules.suspect_min_people
                and measured.records_max > rules.alarm_factor * greatest(baselines.usual_records_max, 1)
                then 'one value on ' || measured.records_max || ' records, usually ' || baselines.usual_records_max
        end as top_alarm,
        case
            when
                measured.bad_values >= rules.suspect_min_people
                and measured.bad_values > rules.alarm_factor * greatest(baselines.usual_bad_values, 1)
                then
                    'placeholder or invalid phones ' || measured.bad_values || ', usually ' || baselines.usual_bad_values
        end as bad_alarm
    from measured
    cross join rules
    -- of too few of the shop's own days nothing is usual yet
    left join baselines
        on {{ equal_in(shop_day, 'measured', 'baselines') }}
            and baselines.days_before >= rules.alarm_min_days

),

final as (

    select
        judged.namespace,
        judged.store_code,
        judged.business_date,
        cast(judged.statements as bigint) as statements,
        cast(judged.identifiers as bigint) as identifiers,
        cast(judged.records_p50 as bigint) as records_p50,
        cast(judged.records_p99 as bigint) as records_p99,
        cast(judged.records_max as bigint) as records_max,
        judged.top_share,
        cast(judged.shared_identifiers as bigint) as shared_identifiers,
        cast(judged.placeholder_statements as bigint) as placeholder_statements,
        cast(judged.masked_phones as bigint) as masked_phones,
        cast(judged.invalid_phones as bigint) as invalid_phones,
        cast(judged.suspect_identifiers as bigint) as suspect_identifiers,
        cast(judged.newly_flagged as bigint) as newly_flagged,
        cast(judged.usual_statements as bigint) as usual_statements,
        cast(judged.usual_records_max as bigint) as usual_records_max,
        cast(judged.usual_bad_values as bigint) as usual_bad_values,
        judged.volume_alarm is not null as is_volume_alarm,
        judged.top_alarm is not null as is_top_alarm,
        judged.bad_alarm is not null as is_bad_alarm,
        coalesce(judged.volume_alarm, judged.top_alarm, judged.bad_alarm) is not null as is_alarm,
        case
            when coalesce(judged.volume_alarm, judged.top_alarm, judged.bad_alarm) is not null
                then
                    coalesce(judged.volume_alarm || '; ', '')
                    || coalesce(judged.top_alarm || '; ', '')
                    || coalesce(judged.bad_alarm || '; ', '')
                    || 'median of ' || judged.days_before || ' days before'
        end as alarm
    from judged
    cross join run_context
    cross join rules
    where
        judged.business_date > {{ add_days('run_context.as_of_date', '-rules.shown_days') }}
        and judged.business_date <= run_context.as_of_date

)

select * from final
