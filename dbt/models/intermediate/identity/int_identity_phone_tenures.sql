-- One owner's time with a number after the other. Grain: phone × tenure. A number that nobody holds has no row.
{{ config(materialized="table") }}

with holds as (
    select * from {{ ref("int_identity_holds") }}
),

tenures as (
    select * from {{ ref("int_identity_tenures") }}
),

rules as (
    select * from {{ source("ops", "rule_identity") }}
),

-- in the order in which they became known
ordered as (
    select
        holds.*,
        tenures.tenure_no,
        tenures.cut_at,
        tenures.is_shared,
        tenures.cause,
        tenures.began_by,
        row_number() over (
            partition by holds.phone, tenures.tenure_no, holds.is_card order by holds.first_seen_on, holds.hold_no
        ) as place
    from holds
    inner join tenures on holds.hold_no = tenures.hold_no
),

grouped as (
    select
        phone,
        tenure_no,
        min(cut_at) as cut_at,
        max(case when is_shared then 1 else 0 end) = 1 as is_shared,
        max(cause) as cause,
        max(began_by) as began_by,
        count(distinct case when not is_card then holder end) as accounts,
        count(distinct case when is_card then holder end) as cards,
        min(starts_at) as starts_at,
        max(ends_at) as ends_at,
        min(first_seen_on) as first_seen_on,
        max(first_seen_on) as last_seen_on,
        min(case when is_card and place > rules.max_cards_per_phone then first_seen_on end) as one_card_more_on,
        min(case when not is_card and place > rules.max_wechat_accounts_per_phone then first_seen_on end) as one_account_more_on
    from ordered
    cross join rules
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
    case
        when not grouped.is_shared then null
        when grouped.cause = 'accounts' then coalesce(grouped.one_account_more_on, grouped.last_seen_on)
        when grouped.cause = 'cards' then coalesce(grouped.one_card_more_on, grouped.last_seen_on)
        else grouped.last_seen_on
    end as shared_on,
    'wechat_accounts=' || grouped.accounts || ' (max ' || rules.max_wechat_accounts_per_phone || ')'
    || ' cards=' || grouped.cards || ' (max ' || rules.max_cards_per_phone || ')' as evidence
from grouped
cross join rules
