-- Members who share a number that proves none of them: one household, while they are no more than a family is.
-- Grain: phone × member.
{{ config(materialized="table") }}

with sharing as (
    select distinct
        links.identifier_b as phone,
        members.member_id,
        members.member_since
    from {{ ref("int_identity_links") }} as links
    inner join {{ ref("int_identity_members") }} as members
        on links.namespace_a = members.namespace and links.identifier_a = members.identifier and members.segment = ''
    where links.refusal = 'shared_phone'
),

counted as (
    select *, count(*) over (partition by phone) as members
    from sharing
)

select
    counted.phone,
    counted.member_id,
    counted.member_since,
    dense_rank() over (order by counted.member_since, counted.member_id) - 1 as member_no
from counted
cross join {{ source("ops", "rule_identity") }} as rules
where counted.members between 2 and rules.max_household_members
