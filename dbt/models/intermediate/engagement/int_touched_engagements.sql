-- Records of whose engagements anything may be otherwise than in the last green build: of which a version arrived or an
-- entry of points was made again (told), and which only belong to somebody else. Grain: record. Empty in a build of
-- everything.
{{ config(materialized='incremental', incremental_strategy='replaced') }}

{% set feeds = "('shares', 'complaints', 'users', 'coupon_events')" %}

with

run_context as (

    select * from {{ source('ops', 'run_context') }}

),

arrivals as (

    select connection, feed, record_id, record_key as record_no
    from {{ ref('stg_identity__arrivals') }}
    where feed in {{ feeds }}

),

entries as (

    select connection, feed, record_id, record_no
    from {{ ref('int_point_entries') }}
    where touched_run = (select run_seq from run_context)

),

owners as (

    select connection, feed, record_id, record_no
    from {{ ref('int_record_owners') }}
    where touched_run = (select run_seq from run_context) and feed in {{ feeds }}

),

told as (

    select connection, feed, record_id, record_no from arrivals

    union

    select connection, feed, record_id, record_no from entries

),

touched as (

    select connection, feed, record_id, record_no, true as is_told from told

    union all

    select connection, feed, record_id, record_no, false
    from owners
    where record_no not in (select record_no from told)

)

select
    connection,
    feed,
    record_id,
    record_no,
    is_told
from touched
{%- if not is_incremental() %}
where false
{%- endif %}
