-- Grain: one row per complaint of a known member that was not withdrawn.

select
    complaints.record_key,
    record_members.member_id,
    {{ business_date('complaints.opened_at', 'run_context.cutover_minutes') }} as business_date
from {{ ref('stg_groupbuy__complaints') }} as complaints
cross join {{ source('ops', 'run_context') }} as run_context
inner join {{ ref('record_members') }} as record_members
    on complaints.connection = record_members.connection
    and record_members.feed = 'complaints'
    and complaints.record_id = record_members.record_id
where
    record_members.member_id is not null
    and complaints.status is distinct from 'withdrawn'
