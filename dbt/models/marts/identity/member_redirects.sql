{{ config(materialized="table") }}

select
    retired_member_id,
    member_id,
    merged_on
from {{ ref("int_identity_redirects") }}
order by retired_member_id
