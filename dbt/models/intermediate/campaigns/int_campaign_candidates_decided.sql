-- Grain: one row per (campaign_id, member_id) decided tonight. Goes back into the lake as the memory of later nights,
-- so nothing that happens after the decision shows here.

with

triggered as (

    select * from {{ ref('int_campaign_candidates_triggered') }}

),

campaigns as (

    select * from {{ source('ops', 'rule_campaigns') }}

),

members as (

    select * from {{ ref('members') }}

),

reach as (

    select * from {{ ref('int_member_reach') }}

),

touches as (

    select * from {{ ref('int_member_touches') }}

),

{{ decided_candidates() }}

select * from final
