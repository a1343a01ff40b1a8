-- Changes of the number that the member file gives a card, and whether it is another person's from there on: accounts of two
-- people prove the new number and the last one before that anybody proved. Grain: card × change.
{{ config(materialized="table") }}

with holds as (
    select * from {{ ref("int_identity_holds") }}
),

tenures as (
    select * from {{ ref("int_identity_tenures") }} where not is_shared
),

numbers as (
    select
        hold_no,
        holder,
        starts_at,
        lag(has_moved) over in_order as has_left,
        lag(ends_at) over in_order as left_at
    from holds
    where is_card
    window in_order as (partition by holder order by starts_at, hold_no)
),

-- a number that is corrected back was never left
changes as (
    select * from numbers where has_left and left_at <= starts_at
),

-- accounts that hold a number in the same owner's time as the card
provers as (
    select
        cards.hold_no as card_hold,
        cards.holder as card,
        cards.starts_at,
        accounts.holder,
        accounts.kinds,
        accounts.born_at,
        accounts.ends_at
    from holds as cards
    inner join tenures as of_card on cards.hold_no = of_card.hold_no
    inner join holds as accounts on cards.phone = accounts.phone and not accounts.is_card
    inner join tenures as of_account
        on accounts.hold_no = of_account.hold_no and of_card.tenure_no = of_account.tenure_no
    where cards.is_card
),

proved as (
    select
        card_hold,
        lag(card_hold) over (partition by card order by starts_at, card_hold) as hold_before
    from provers
    group by card_hold, card, starts_at
),

-- two accounts of one kind that are in use at one time are two people's, and neither person had both numbers
strangers as (
    select proved.card_hold
    from proved
    inner join provers as before on proved.hold_before = before.card_hold
    inner join provers as after on proved.card_hold = after.card_hold
    group by 1
    having
        max(case when before.holder = after.holder then 1 else 0 end) = 0
        and max(
            case
                when
                    {{ has_bit("cast(before.kinds as bigint)", "cast(after.kinds as bigint)") }}
                    and before.born_at <= after.ends_at
                    and after.born_at <= before.ends_at
                    then 1
                else 0
            end
        ) = 1
)

select
    substr(changes.holder, 12) as card,
    changes.starts_at as changed_at,
    strangers.card_hold is not null as is_anothers
from changes
left join strangers on changes.hold_no = strangers.card_hold
