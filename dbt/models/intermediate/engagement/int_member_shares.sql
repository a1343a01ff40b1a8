-- Grain: one row per share of a group-buy link by a known member.

select
    shares.record_key,
    record_members.member_id,
    {{ business_date('shares.shared_at', 'run_context.cutover_minutes') }} as business_date
from {{ ref('stg_groupbuy__shares') }} as shares
cross join {{ source('ops', 'run_context') }} as run_context
inner join {{ ref('record_members') }} as record_members
    on shares.connection = record_members.connection
    and record_members.feed = 'shares'
    and shares.record_id = record_members.record_id
where record_members.member_id is not null
