-- Grain: one row per member whose accounts ever had an entry.
{{ config(
    materialized='incremental',
    incremental_strategy='affected',
    unique_key='member_id',
    on_schema_change='fail',
    meta={'affected': 'int_touched_point_members'},
) }}

with

touched as (

    select * from {{ ref('int_touched_point_members') }}

),

entries as (

    select *
    from {{ ref('int_point_entries') }}
    where is_listed and member_id is not null and {{ touched_rows('member_no', 'touched') }}

),

held as (

    select
        member_id,
        sum(case when counter_account = 'locked' then 0 else chain_points end) as balance,
        sum(case when counter_account = 'locked' then -chain_points else 0 end) as locked,
        sum(case when counter_account <> 'locked' and channel = 'pos' then chain_points else 0 end) as pos_points,
        sum(case when counter_account <> 'locked' and channel = 'groupbuy' then chain_points else 0 end)
            as groupbuy_points,
        max(business_date) as last_entry_on
    from entries
    group by member_id

)

select
    member_id,
    cast(balance as decimal(18, 3)) as balance,
    cast(locked as decimal(18, 3)) as locked,
    cast(balance - locked as decimal(18, 3)) as available,
    cast(pos_points as decimal(18, 3)) as pos_points,
    cast(groupbuy_points as decimal(18, 3)) as groupbuy_points,
    last_entry_on
from held
