"""The kernel of number tenures against a plain reading of its rules, and the cases the rules were made for."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from math import comb

import numpy as np
import pyarrow as pa
import pytest

from dagster_project.identity import TenureRules, split_tenures
from dagster_project.identity.tenures import DAY

RULES = TenureRules(max_accounts=1, max_cards=3, silence=90, reregister_gap=45, names_differ=True, visit=60)
Found = list[tuple[int, bool, str, str, int | None, int | None, str | None]]


@dataclass
class Hold:
    """One holder's use of a number, times in days. kinds: bits of an account's ids, 0 for a card. born: since when
    the account is used at all; None: since it has the number. is_named: the names are its own for certain.
    said: since when the number is said; None: not before `start`."""

    start: float
    end: float
    kinds: int = 1
    records: int = 9
    moved: bool = False
    names: set[int] = field(default_factory=set)
    phone: int = 0
    born: float | None = None
    is_named: bool = True
    said: float | None = None

    @property
    def said_from(self) -> int:
        return self.starts_at if self.said is None else round(self.said * DAY)

    @property
    def born_at(self) -> int:
        return self.starts_at if self.born is None else round(self.born * DAY)

    @property
    def starts_at(self) -> int:
        return round(self.start * DAY)

    @property
    def ends_at(self) -> int:
        return round(self.end * DAY)


def account(start: float, end: float, *names: int, **about: int) -> Hold:
    return Hold(start, end, names=set(names), **about)


def card(start: float, end: float, *names: int, **about: int) -> Hold:
    return Hold(start, end, kinds=0, names=set(names), **about)


def tables(holds: list[Hold]) -> tuple[pa.Table, pa.Table]:
    whole = {
        "phone_no": [hold.phone for hold in holds],
        "kinds": [hold.kinds for hold in holds],
        "starts_at": [hold.starts_at for hold in holds],
        "ends_at": [hold.ends_at for hold in holds],
        "born_at": [hold.born_at for hold in holds],
        "said_from": [hold.said_from for hold in holds],
        "records": [hold.records for hold in holds],
        "has_moved": [int(hold.moved) for hold in holds],
        "is_named": [int(hold.is_named) for hold in holds],
    }
    named = [(number, name) for number, hold in enumerate(holds) for name in sorted(hold.names)]
    names = {"hold_no": [n for n, _ in named], "name_no": [n for _, n in named]}
    return tuple(
        pa.table({name: pa.array(values, pa.int64()) for name, values in columns.items()})
        for columns in (whole, names)
    )


def split(holds: list[Hold], rules: TenureRules = RULES) -> Found:
    found = split_tenures(*tables(holds), rules).to_pydict()
    names = ("tenure_no", "is_shared", "cause", "began_by", "cut_at", "same_as", "same_by")
    return list(zip(*(found[name] for name in names), strict=True))


def tenures(*holds: Hold, **rules: int) -> list[int]:
    return [row[0] for row in split(list(holds), RULES._replace(**rules))]


def sharing(*holds: Hold, **rules: int) -> list[str]:
    """Why each hold's tenure is shared; '' when it is not."""
    return [row[2] for row in split(list(holds), RULES._replace(**rules))]


def alike(one: Hold, other: Hold) -> bool | None:
    if one.names & other.names:
        return True
    return False if one.names and other.names and one.is_named and other.is_named else None


def is_chance(one: Hold, other: Hold) -> bool:
    """Whether two strangers might well follow each other so closely. Taking the number is a use of it, too."""
    life = max(other.born_at - min(one.born_at, one.starts_at), 0)
    wait = life if one.moved else max(other.born_at - one.ends_at, 0)
    ended_so_late = min((one.records + 1) * (wait + DAY) / (life + DAY), 1)
    return comb(one.records + other.records + 2, one.records + 1) <= 100 * ended_so_late


def follows(before: Hold, now: Hold, rules: TenureRules) -> bool:
    """Whether `now`, who comes after `before`, must be somebody else."""
    same_name = alike(before, now)
    if before.kinds & now.kinds:
        too_late = now.born_at - before.ends_at > rules.reregister_gap * DAY
        too_early = now.born_at // DAY < before.ends_at // DAY
        chance = too_late or too_early or is_chance(before, now)
        return same_name is False or (same_name is None and chance)
    of_two_sorts = bool(before.kinds) != bool(now.kinds) or bool(before.kinds and now.kinds)
    return same_name is False and (rules.names_differ or not of_two_sorts)


def stands_beside(before: Hold, now: Hold, rules: TenureRules) -> str:
    """In which way two holders at one time cannot be one person, or ''."""
    if before.kinds & now.kinds:
        return "accounts"
    if not before.kinds and not now.kinds:
        often = before.ends_at > now.starts_at and min(before.records, now.records) > 1
        replaced = before.starts_at // DAY < now.starts_at // DAY
        in_turns = often or (replaced and before.ends_at // DAY > now.starts_at // DAY)
        return "cards" if alike(before, now) is False or (in_turns and not alike(before, now)) else ""
    return "names" if rules.names_differ and alike(before, now) is False else ""


def is_beside(before: Hold, now: Hold, rules: TenureRules) -> bool:
    tied = before.starts_at == now.starts_at
    if before.kinds & now.kinds and before.ends_at <= now.starts_at and not tied:
        too_soon = now.starts_at - before.ends_at <= rules.silence * DAY
        return too_soon and alike(before, now) is None and follows(before, now, rules)
    if before.kinds & now.kinds and before.ends_at // DAY == now.starts_at // DAY:
        # one account lost and the next registered on one day
        return (tied or before.ends_at > now.starts_at) and follows(before, now, rules)
    return before.ends_at > now.starts_at or (tied and follows(before, now, rules))


def began(tenure: list[Hold], now: Hold, rules: TenureRules) -> str:
    """Why the number passed on to `now`; '' when it did not."""
    at_once = [h for h in tenure if is_beside(h, now, rules) and stands_beside(h, now, rules)]
    earlier = [h for h in tenure if not is_beside(h, now, rules)]
    known = any(alike(hold, now) for hold in tenure)
    last = max(hold.ends_at for hold in tenure)
    if not at_once and any(follows(hold, now, rules) for hold in earlier):
        return "handover"
    if not at_once and all(h.moved for h in tenure) and now.starts_at >= last and not known:
        return "moved"
    if now.said_from > last + rules.silence * DAY and not known:
        return "silence"
    return ""


def cut_at(tenure: list[Hold], now: Hold, rules: TenureRules) -> int:
    was_silent = now.said_from > max(hold.ends_at for hold in tenure) + rules.silence * DAY
    return now.said_from if was_silent else now.starts_at


def newly_shared(tenure: list[Hold], now: Hold, rules: TenureRules) -> str:
    ways = [stands_beside(hold, now, rules) for hold in tenure if is_beside(hold, now, rules)]
    cards = sum(not hold.kinds for hold in [*tenure, now])
    if ways.count("accounts") + 1 > rules.max_accounts:
        return "accounts"
    if "cards" in ways or (not now.kinds and cards > rules.max_cards):
        return "cards"
    return "names" if "names" in ways else ""


def sharing_of(tenure: list[Hold], rules: TenureRules) -> str:
    shared = ""
    for number, hold in enumerate(tenure):
        shared = newly_shared(tenure[:number], hold, rules) or shared
    return shared


def brought_along(tenure: list[Hold], now: Hold) -> list[Hold]:
    """What the next owner took on the day that tells her apart, but for the first hold of the tenure."""
    hers: list[Hold] = []
    for number in range(len(tenure) - 1, 0, -1):
        hold = tenure[number]
        if (
            hold.starts_at // DAY != now.starts_at // DAY
            or hold.kinds & now.kinds
            or alike(hold, now) is False
            or any(alike(earlier, hold) for earlier in tenure[:number])
        ):
            break
        hers.insert(0, hold)
    return hers


def one_visit(tenure: list[Hold], place: int, rules: TenureRules) -> bool:
    """Whether just this hold and the one before it were taken on one visit, and may be one person's."""
    now = tenure[place]
    if place == 0 or any(hold.starts_at % DAY == 0 for hold in tenure[place - 1 : place + 1]):
        return False
    gaps = [after.starts_at - before.starts_at for before, after in pairwise(tenure)]
    before = tenure[place - 1]
    return (
        gaps[place - 1] <= rules.visit * 60
        and all(
            gap > rules.visit * 60 for gap in gaps[max(place - 2, 0) : place - 1] + gaps[place : place + 1]
        )
        and not before.kinds & now.kinds
        and bool(before.kinds or now.kinds)
        and alike(before, now) is not False
    )


def reference(holds: list[Hold], rules: TenureRules) -> Found:
    found: Found = []
    for phone in dict.fromkeys(hold.phone for hold in holds):
        first = next(number for number, hold in enumerate(holds) if hold.phone == phone)
        turns: list[tuple[list[Hold], str, str, int | None]] = []  # holds, shared why, began by, cut at
        to_come = [hold for hold in holds if hold.phone == phone]
        while to_come:
            hold = to_come.pop(0)
            cause = began(turns[-1][0], hold, rules) if turns else ""
            if not turns:
                turns.append(([hold], "", "", None))
            elif cause == "handover" and (hers := brought_along(turns[-1][0], hold)):
                those, _, by, cut = turns.pop()
                turns.append((those[: -len(hers)], sharing_of(those[: -len(hers)], rules), by, cut))
                turns.append(([hers[0]], "", cause, hers[0].starts_at))
                to_come = [*hers[1:], hold, *to_come]
            elif cause:
                turns.append(([hold], "", cause, cut_at(turns[-1][0], hold, rules)))
            else:
                those, shared, by, cut = turns[-1]
                turns[-1] = ([*those, hold], newly_shared(those, hold, rules) or shared, by, cut)
        for number, (those, shared, by, cut) in enumerate(turns):
            for place, hold in enumerate(those):
                same = [
                    first + j
                    for j, other in enumerate(those[:place])
                    if shared and alike(other, hold) and not other.kinds & hold.kinds
                ]
                same_by = "name" if same else None
                if shared and not same and one_visit(those, place, rules):
                    same, same_by = [first + place - 1], "visit"
                found.append((number, bool(shared), shared, by, cut, same[0] if same else None, same_by))
            first += len(those)
    return found


def random_holds(rng: np.random.Generator) -> list[Hold]:
    """Holders of a few numbers; times often meet exactly, names are few, gaps lie on both sides of the limits."""
    holds = []
    for phone in range(int(rng.integers(1, 4))):
        for _ in range(int(rng.integers(1, 7))):
            start = int(rng.choice([0, 10, 20, 55, 56, 100, 101, 190, 300])) + float(rng.choice([0, 0.3]))
            end = start + int(rng.choice([0, 0, 1, 10, 45, 90, 200]))
            names = {int(name) for name in rng.integers(0, 3, int(rng.integers(0, 3)))}
            kinds = int(rng.choice([0, 0, 1, 1, 2, 3]))
            records = int(rng.choice([0, 1, 2, 4, 9, 60]))
            born = start - float(rng.choice([0, 0, 0.5, 30]))
            end += float(rng.choice([0, 0, 0.25]))
            holds.append(
                Hold(
                    start,
                    end,
                    kinds,
                    records,
                    bool(rng.integers(2)),
                    names,
                    phone,
                    born,
                    bool(rng.integers(4)),
                )
            )
            holds[-1].said = start - float(rng.choice([0, 0, 30, 100]))
            if not rng.integers(4):
                # and something of another sort on the same day
                start += float(rng.choice([0.02, 0.04, 0.5]))
                holds.append(Hold(start, end + 1, kinds=0 if kinds else 1, phone=phone))
    return sorted(holds, key=lambda hold: (hold.phone, hold.starts_at, hold.ends_at))


def random_rules(rng: np.random.Generator) -> TenureRules:
    few = [int(limit) for limit in rng.integers(1, 4, 2)]
    days = int(rng.choice([30, 90])), int(rng.choice([10, 45]))
    return TenureRules(*few, *days, bool(rng.integers(2)), int(rng.choice([60, 480])))


def test_every_number_as_the_plain_reading_of_it() -> None:
    rng = np.random.default_rng(1)
    seen: set[str] = set()
    for _ in range(3000):
        holds, rules = random_holds(rng), random_rules(rng)
        found = split(holds, rules)
        assert found == reference(holds, rules), (holds, rules)
        seen |= {row[2] for row in found} | {row[3] for row in found}
    assert seen == {"", "accounts", "cards", "names", "handover", "silence", "moved"}


def test_neither_other_numbers_nor_what_names_and_kinds_are_called_matter() -> None:
    rng = np.random.default_rng(2)
    for _ in range(500):
        holds, rules = random_holds(rng), random_rules(rng)
        whole = split(holds, rules)
        alone = [
            row[:5]
            for phone in {hold.phone: None for hold in holds}
            for row in split([hold for hold in holds if hold.phone == phone], rules)
        ]
        assert [row[:5] for row in whole] == alone
        swapped = [
            Hold(
                h.start, h.end, (h.kinds & 1) * 2**60 | (h.kinds & 2) * 4, h.records, h.moved,
                {7 - n for n in h.names}, h.phone + 5, h.born, h.is_named, h.said,
            )
            for h in holds
        ]  # fmt: skip
        assert split(swapped, rules) == whole


def test_equal_holds_change_places_without_a_trace() -> None:
    rng = np.random.default_rng(3)
    for _ in range(500):
        holds, rules = random_holds(rng), random_rules(rng)
        twice = [twin for hold in holds for twin in (hold, hold)]
        found, again = split(twice, rules), split([twice[i ^ 1] for i in range(len(twice))], rules)
        assert found == again


def test_tenures_follow_each_other_and_share_as_a_whole() -> None:
    rng = np.random.default_rng(4)
    for _ in range(500):
        holds = random_holds(rng)
        for number, row in enumerate(found := split(holds, random_rules(rng))):
            if number == 0 or holds[number - 1].phone != holds[number].phone:
                assert row[0] == 0
                assert row[4] is None
            else:
                assert row[0] - found[number - 1][0] in (0, 1)
                if row[0] == found[number - 1][0]:
                    assert row[1:5] == found[number - 1][1:5]
                else:
                    assert holds[number].said_from <= row[4] <= holds[number].starts_at


def test_a_number_passes_on_after_a_carriers_silence_and_not_a_second_before() -> None:
    at_limit = card(0, 10), card(100, 120)
    assert tenures(*at_limit) == [0, 0]
    assert tenures(at_limit[0], card(100 + 1 / DAY, 120)) == [0, 1]
    # whoever goes by the same name is the same person, however long she was away
    assert tenures(card(0, 10, 1), card(400, 410, 1)) == [0, 0]
    # not the first holder counts but the latest
    assert tenures(card(0, 90), card(20, 30), card(170, 180)) == [0, 0, 0]


def test_what_the_next_owner_took_on_one_day_is_hers() -> None:
    # her card was on file before the account that tells her apart
    hers = card(120.25, 230), account(120.5, 230)
    found = split([card(0, 110), account(0, 20), *hers])
    assert [row[:4] for row in found] == [(0, False, "", "")] * 2 + [(1, False, "", "handover")] * 2
    assert {row[4] for row in found[2:]} == {hers[0].starts_at}
    # so is the former owner's card that is still in use
    found = split([card(0, 150), account(0, 20), *hers])
    assert [row[:3] for row in found] == [(0, False, "")] * 2 + [(1, False, "")] * 2
    # a day earlier it may be the former owner's new card, and one that says her name is hers
    assert tenures(card(0, 110), account(0, 20), card(119.75, 230), account(120.5, 230)) == [0, 0, 0, 1]
    assert tenures(card(0, 110, 1), account(0, 20), card(120.25, 230, 1), account(120.5, 230)) == [0, 0, 0, 1]
    # a number has an owner before it has a next one
    assert tenures(account(0, 20), card(120.25, 230), account(120.5, 230)) == [0, 1, 1]


def test_a_number_said_at_the_till_is_not_silent() -> None:
    assert tenures(card(0, 10), account(150, 160, said=100)) == [0, 0]
    # said again after the silence: the next owner's turn began with that
    found = split([card(0, 10), account(150, 160, said=101)])
    assert [row[0] for row in found] == [0, 1]
    assert found[1][3:5] == ("silence", 101 * DAY)
    # an account that cannot be hers begins its turn with itself, unless the number was silent before it was said
    assert split([account(0, 10, 1), account(150, 160, 2, said=50)])[1][4] == 150 * DAY
    assert split([account(0, 10, 1), account(150, 160, 2, said=140)])[1][4] == 140 * DAY


def test_accounts_one_after_the_other_are_one_persons_within_the_gap() -> None:
    assert tenures(account(0, 10), account(55, 80)) == [0, 0]
    # later it may be anybody's, but no carrier hands a number out again so soon
    assert sharing(account(0, 10), account(55 + 1 / DAY, 80)) == ["accounts", "accounts"]
    assert sharing(account(0, 10), account(100, 120)) == ["accounts", "accounts"]
    assert tenures(account(0, 10), account(100 + 1 / DAY, 120)) == [0, 1]
    assert sharing(account(0, 10), account(55, 80)) == ["", ""]
    # other names speak against one person at any gap, a common one for her
    assert tenures(account(0, 10, 1), account(11, 80, 2)) == [0, 1]
    assert tenures(account(0, 10, 1, 2), account(80, 90, 2, 3)) == [0, 0]
    # two who were seen a few times each, beside when they took the number, may come one after the other by chance:
    # 9!/(4! 5!) = 126 ways, 8!/(4! 4!) = 70
    assert tenures(account(0, 10, records=3), account(20, 30, records=4)) == [0, 0]
    assert sharing(account(0, 10, records=3), account(20, 30, records=4)) == ["", ""]
    assert sharing(account(0, 10, records=3), account(20, 30, records=3)) == ["accounts", "accounts"]


def test_an_account_that_ends_the_day_another_begins_is_replaced_by_it() -> None:
    # of the 50 days of the one, the last before the other: 51 × 2 ways
    seldom = {"records": 0}
    assert sharing(account(0, 50, **seldom), account(50, 60, **seldom)) == ["", ""]
    # of 49 days it may be chance, as it may be two days later, or with a second use
    assert sharing(account(0, 49, **seldom), account(49, 60, **seldom)) == ["accounts", "accounts"]
    assert sharing(account(0, 50, **seldom), account(52, 60, **seldom)) == ["accounts", "accounts"]
    assert sharing(account(0, 50, records=1), account(50, 60, **seldom)) == ["accounts", "accounts"]
    # how long the one was used for any number, and since when the other is
    assert sharing(account(40, 50, born=0, **seldom), account(50, 60, **seldom)) == ["", ""]
    assert sharing(account(0, 50, **seldom), account(58, 60, born=50, **seldom)) == ["", ""]
    # whoever gave the number up for another one goes on elsewhere
    assert sharing(account(0, 50, moved=True, **seldom), account(50, 60, **seldom)) == [
        "accounts",
        "accounts",
    ]


def test_an_account_that_replaces_another_begins_after_it_and_soon() -> None:
    # when it took the number does not matter, but since when it is used
    assert tenures(account(0, 10), account(80, 90, born=55)) == [0, 0]
    assert sharing(account(0, 10), account(20, 90, born=9)) == ["accounts", "accounts"]
    assert tenures(account(0, 10), account(120, 190, born=9)) == [0, 1]
    # lost and registered on one day
    assert sharing(account(0, 10.75), account(10.5, 90)) == ["", ""]
    assert tenures(account(0, 10.75), account(10.5, 90)) == [0, 0]
    assert sharing(account(0, 10.75, 1), account(10.5, 90, 2)) == ["accounts", "accounts"]
    assert sharing(account(0, 11), account(10.5, 90)) == ["accounts", "accounts"]


def test_a_family_at_one_time_shares_the_number() -> None:
    family = account(0, 50), account(10, 60)
    assert tenures(*family) == [0, 0]
    assert sharing(*family) == ["accounts", "accounts"]
    assert sharing(*family, max_accounts=2) == ["", ""]
    assert sharing(account(0, 50), account(10, 60), account(20, 70), max_accounts=2) == ["accounts"] * 3
    # accounts that end when the other begins are not at one time
    assert sharing(account(0, 50), account(50, 60)) == ["", ""]
    # ids of different kinds are one person's two ends
    assert sharing(account(0, 50, kinds=1), account(10, 60, kinds=2)) == ["", ""]


def test_two_who_appear_in_one_second_do_not_follow_each_other() -> None:
    # a first full export gives all its rows one time
    for one, other in ((card(0, 0, 1), card(0, 0, 2)), (account(0, 0, 1), account(0, 0, 2))):
        assert tenures(one, other) == tenures(other, one) == [0, 0]
        assert sharing(one, other) == sharing(other, one) != ["", ""]
    assert (
        sharing(account(0, 0, 1), card(0, 0, 2)) == sharing(card(0, 0, 2), account(0, 0, 1)) == ["names"] * 2
    )
    assert sharing(card(0, 0), card(0, 0)) == ["", ""]


def test_after_a_family_the_number_may_be_somebodys_alone() -> None:
    found = split([account(0, 50), account(10, 60), account(300, 310)])
    assert [row[:4] for row in found] == [
        (0, True, "accounts", ""),
        (0, True, "accounts", ""),
        (1, False, "", "handover"),
    ]
    assert found[2][4] == 300 * DAY


def test_in_a_shared_number_names_say_who_is_whose() -> None:
    found = split([account(0, 50, 1), account(10, 60, 2), card(20, 30, 2), card(25, 40, 1)])
    assert {row[2] for row in found} == {"cards"}
    assert [row[5] for row in found] == [None, None, 1, 0]


def test_in_a_shared_number_what_was_taken_on_one_visit_is_ones() -> None:
    def ties(*more: Hold, visit: int = 60) -> list[tuple[int | None, str | None]]:
        family = account(0, 50), account(10, 60)
        rules = RULES._replace(visit=visit)
        return [row[5:] for row in split(sorted([*family, *more], key=lambda hold: hold.start), rules)]

    hour = 1 / 24
    nobody = (None, None)
    mini = {"kinds": 2}
    assert ties(card(30.5, 40), account(30.5 + hour, 40, **mini)) == [nobody, nobody, nobody, (2, "visit")]
    # a second later it may be anybody's
    assert ties(card(30.5, 40), account(30.5 + hour + 1 / DAY, 40, **mini)) == [nobody] * 4
    # how long a visit lasts is the chain's to say
    assert ties(card(30.5, 40), account(30.5 + hour + 1 / DAY, 40, **mini), visit=61)[3] == (2, "visit")
    assert ties(card(30.5, 40), account(30.5 + hour, 40, **mini), visit=59) == [nobody] * 4
    # so it is when a third was taken then, when they go by other names, or when only the date is known
    late = account(30.5 + 2 * hour, 40, kinds=4)
    assert ties(card(30.5, 40), account(30.5 + hour, 40, **mini), late) == [nobody] * 5
    assert ties(card(30.5, 40, 1), account(30.5 + hour, 40, 2, **mini)) == [nobody] * 4
    assert ties(card(30, 40), account(30, 40, **mini)) == [nobody] * 4
    # two cards are no one's, and a name says more
    assert ties(card(30.5, 40), card(30.5 + hour, 40)) == [nobody] * 4
    assert ties(card(30.5, 40, 1), account(30.5 + hour, 40, 1, **mini))[3] == (2, "name")
    # a number that is one person's needs no such tie
    assert [row[5] for row in split([card(0.5, 40), account(0.5, 40, **mini)])] == [None, None]


def test_who_took_another_number_left_this_one() -> None:
    assert tenures(card(0, 10, moved=True), card(10, 30)) == [0, 1]
    assert split([card(0, 10, moved=True), card(10, 30)])[1][3] == "moved"
    # one stayed
    assert tenures(card(0, 10, moved=True), account(0, 10), card(12, 30)) == [0, 0, 0]
    # she came back under her name
    assert tenures(card(0, 10, 1, moved=True), card(12, 30, 1)) == [0, 0]


def test_a_replaced_card_stays_with_its_owner_and_names_tell_cards_apart() -> None:
    assert sharing(card(0, 10), card(10, 20)) == ["", ""]
    assert tenures(card(0, 10, 1), card(10, 20, 2)) == [0, 1]
    # whoever replaces a card uses it no more: two at one time are two people's, unless they say one name
    assert sharing(card(0, 15), card(10, 20)) == ["cards", "cards"]
    assert sharing(card(0, 15, records=1), card(10, 20, records=0)) == ["cards", "cards"]
    # of two issued on one day neither replaces the other, and one use of either proves nothing
    assert sharing(card(10, 15, records=1), card(10.5, 20, records=9)) == ["", ""]
    assert sharing(card(10, 15, records=2), card(10.5, 20, records=2)) == ["cards", "cards"]
    # nor does one more use on the day of the new one
    assert sharing(card(0, 10.75, records=1), card(10.5, 20)) == ["", ""]
    assert sharing(card(0, 11, records=1), card(10.5, 20)) == ["cards", "cards"]
    assert sharing(card(0, 15, 1), card(10, 20, 2)) == ["cards", "cards"]
    assert sharing(card(0, 15, 1), card(10, 20, 1)) == ["", ""]
    four = [card(day, day + 1, 1) for day in range(4)]
    assert sharing(*four[:3]) == [""] * 3
    assert sharing(*four) == ["cards"] * 4


@pytest.mark.parametrize(("differ", "cause"), [(True, "names"), (False, "")])
def test_names_of_a_card_and_an_account_count_where_the_chain_writes_them(differ: bool, cause: str) -> None:
    assert sharing(account(0, 50, 1), card(10, 60, 2), names_differ=differ) == [cause, cause]
    assert tenures(account(0, 5, 1), card(10, 60, 2), names_differ=differ) == [0, int(differ)]
    # between two cards names always count
    assert tenures(card(0, 5, 1), card(10, 60, 2), names_differ=differ) == [0, 1]


def test_no_holds() -> None:
    assert split([]) == []
