-- How far a card's name and an account's names agree where one number ties one card to one account: whether a
-- different name means anything in this chain. One row.
{{ config(materialized="table") }}

with holds as (
    select
        *,
        count(*) over (partition by phone) as holders,
        count(case when is_card then 1 end) over (partition by phone) as cards
    from {{ ref("int_identity_holds") }}
),

names as (
    select * from {{ ref("int_identity_names") }}
),

pairs as (
    select
        cards.phone,
        max(case when of_cards.name_token = of_accounts.name_token then 1 else 0 end) as agrees
    from holds as cards
    inner join holds as accounts on cards.phone = accounts.phone and not accounts.is_card
    inner join names as of_cards on cards.holder = of_cards.holder
    inner join names as of_accounts on accounts.holder = of_accounts.holder
    where cards.is_card and cards.holders = 2 and cards.cards = 1
    group by cards.phone
),

counted as (
    select
        count(*) as pairs,
        coalesce(sum(agrees), 0) as agreeing
    from pairs
)

select
    counted.pairs,
    counted.agreeing,
    counted.pairs >= rules.name_agreement_min_pairs
    and counted.agreeing >= counted.pairs * rules.name_agreement_min_share as names_differ
from counted
cross join {{ source("ops", "rule_identity") }} as rules
