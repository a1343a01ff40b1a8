-- One owner's time with a number after the other. Grain: phone × tenure. A number that nobody holds has no row.
{{ config(materialized="table") }}

with holds as (
    select * from {{ ref("int_identity_holds") }}
),

tenures as (
    select * from {{ ref("int_identity_tenures") }}
),

grouped as (
    select
        holds.phone,
        tenures.tenure_no,
        min(tenures.cut_at) as cut_at,
        max(case when tenures.is_shared then 1 else 0 end) = 1 as is_shared,
        max(tenures.cause) as cause,
        max(tenures.began_by) as began_by,
        count(distinct case when not holds.is_card then holds.holder end) as accounts,
        count(distinct case when holds.is_card then holds.holder end) as cards,
        min(holds.starts_at) as starts_at,
        max(holds.ends_at) as ends_at,
        min(holds.first_seen_on) as first_seen_on,
        max(holds.first_seen_on) as last_seen_on
    from holds
    inner join tenures on holds.hold_no = tenures.hold_no
    group by 1, 2
)

select
    grouped.phone,
    grouped.tenure_no,
    case when grouped.tenure_no = 0 then '' else cast({{ seconds_to_instant("grouped.cut_at") }} as varchar) end as segment,
    {{ seconds_to_instant("grouped.cut_at") }} as valid_from,
    {{ seconds_to_instant("lead(grouped.cut_at) over (partition by grouped.phone order by grouped.tenure_no)") }} as valid_to,
    grouped.is_shared,
    case when grouped.is_shared then 'shared_phone' end as refusal,
    grouped.began_by,
    grouped.accounts,
    grouped.cards,
    grouped.starts_at,
    grouped.ends_at,
    grouped.first_seen_on,
    grouped.last_seen_on,
    'wechat_accounts=' || grouped.accounts || ' (max ' || rules.max_wechat_accounts_per_phone || ')'
    || ' cards=' || grouped.cards || ' (max ' || rules.max_cards_per_phone || ')' as evidence
from grouped
cross join {{ source("ops", "rule_identity") }} as rules
