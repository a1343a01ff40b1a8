-- Where a member id that was merged away leads today. Grain: retired member id.
{{ config(materialized="table") }}

select
    own_member_id as retired_member_id,
    member_id,
    merged_on
from {{ ref("int_identity_members") }}
where own_member_id is not null and merged_on is not null
