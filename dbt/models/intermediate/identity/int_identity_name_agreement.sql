-- How far a card's name and an account's names agree where one number ties one card to one account: whether a
-- different name means anything in this chain. One row.
{{ config(materialized="table") }}

with pairs as (
    select * from {{ ref("int_identity_name_pairs") }}
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
