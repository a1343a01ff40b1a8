-- Numbers that tie one card to one account, and whether the two go by a common name. Grain: phone.
{{ config(
    materialized="incremental",
    incremental_strategy="affected",
    unique_key=["phone"],
    meta={"affected": "int_identity_affected_identifiers", "affected_columns": ["identifier"]},
) }}

-- depends_on: {{ ref("int_identity_affected_identifiers") }}
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

final as (
    select
        cards.phone,
        max(case when of_cards.name_token = of_accounts.name_token then 1 else 0 end) as agrees
    from holds as cards
    inner join holds as accounts on cards.phone = accounts.phone and not accounts.is_card
    inner join names as of_cards on cards.holder = of_cards.holder
    inner join names as of_accounts on accounts.holder = of_accounts.holder
    where cards.is_card and cards.holders = 2 and cards.cards = 1
    group by cards.phone
)

select * from final
