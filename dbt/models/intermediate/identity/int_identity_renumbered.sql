-- Cards whose number on file changed, at the last change, and whether both numbers are proved by accounts of two people:
-- then the card is another's from there on. Grain: card.
{{ config(materialized="table") }}

with holds as (
    select * from {{ ref("int_identity_holds") }}
),

tenures as (
    select * from {{ ref("int_identity_tenures") }} where not is_shared
),

in_order as (
    select
        hold_no,
        holder,
        phone,
        starts_at,
        has_moved,
        lag(hold_no) over numbers as left_hold,
        lead(hold_no) over numbers as next_hold,
        max(case when has_moved then 0 else hold_no + 1 end) over (partition by holder) = hold_no + 1
        and count(case when not has_moved then 1 end) over (partition by holder) = 1 as is_todays
    from holds
    where is_card
    window numbers as (partition by holder order by starts_at, hold_no)
),

changes as (
    select
        later.holder,
        substr(later.holder, 12) as card,
        later.hold_no as taken_hold,
        later.left_hold,
        later.starts_at as changed_at
    from in_order as later
    inner join holds as earlier on later.left_hold = earlier.hold_no
    where later.is_todays and later.next_hold is null and earlier.has_moved and earlier.phone != later.phone
),

-- accounts that hold a number in the same owner's time as the card
provers as (
    select
        cards.hold_no as card_hold,
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

-- two accounts of one kind that are in use at one time are two people's, and neither person had both numbers
strangers as (
    select changes.card
    from changes
    inner join provers as before on changes.left_hold = before.card_hold
    inner join provers as after on changes.taken_hold = after.card_hold
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
    changes.card,
    changes.changed_at,
    strangers.card is not null as is_anothers
from changes
left join strangers on changes.card = strangers.card
