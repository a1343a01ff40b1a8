"""The promises of One ID over seeded random histories, through the real dbt project.

A world holds many towns: small sets of people, cards and numbers that never meet, so that one run of the models
proves as many histories as there are towns. What fails names its town.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import pytest

from tests.identity import arrivals
from tests.identity.readers import Readers

TABLES = ("record_members", "members", "member_identifiers", "member_events", "identity_refusals")
TABLES += ("member_redirects", "int_identity_ids")
TOWNS = 12
Row = dict[str, Any]
Arrival = tuple[str, str, Row]  # connection, table, row
History = dict[str, list[Arrival]]  # by night
State = dict[str, list[tuple[Any, ...]]]


class Town:
    """Some people's cards, accounts and numbers, in no order that a chain would wish for."""

    def __init__(self, number: int, rng: np.random.Generator, nights: list[date]) -> None:
        self.name, self.rng, self.nights = f"t{number}-", rng, nights
        self.has_versions = bool(rng.integers(2))  # whether its member file tells when a row changed
        self.has_names = bool(rng.integers(2))
        self.cards: dict[str, Row] = {}
        self.users: dict[str, Row] = {}
        self.sales: list[Arrival] = []
        self.count = 0
        self.given = GivenCard(self.name, rng.spawn(1)[0], nights, self.has_versions)

    def history(self) -> History:
        return {str(night): self.night(night) for night in self.nights}

    def one(self, letter: str, of: int = 4) -> str:
        return f"{self.name}{letter}{self.rng.integers(of)}"

    def maybe(self, share: float, value: str) -> str | None:
        return value if self.rng.random() < share else None

    def moment(self, night: date) -> str:
        """Mostly the day before the night, at times long ago: a row that lands late."""
        days = int(self.rng.integers(1, 60)) if self.rng.random() < 0.2 else 1
        return str(
            datetime.combine(night, time())
            - timedelta(days=days)
            + timedelta(minutes=int(self.rng.integers(600, 1400)))
        )

    def night(self, night: date) -> list[Arrival]:
        rows = [self.card(night, self.one("c")) for _ in range(2)]
        rows += [self.user(night, self.one("o")) for _ in range(2)]
        rows += [self.sale(night) for _ in range(3)]
        rows += [self.contact(night)] if self.rng.random() < 0.5 else []
        if self.sales and self.rng.random() < 0.5:
            rows.append(self.corrected(night, self.sales[int(self.rng.integers(len(self.sales)))]))
        if self.rng.random() < 0.5:  # the whole file again
            rows += [("pos", "pos__members", row) for row in self.cards.values()]
        self.sales += [row for row in rows if row[1] in ("pos__tickets", "groupbuy__orders")]
        return by_key(rows) + self.given.night(night)

    def card(self, night: date, ref: str) -> Arrival:
        row: Row = {"member_ref": ref, "phone": self.maybe(0.8, self.one("p"))}
        if row["phone"] is None:
            del row["phone"]
        if self.has_versions:
            row["updated_at"] = self.moment(night)
        if self.has_names:
            row["name_token"] = self.one("n", 3)
        if self.rng.random() < 0.2:
            row |= {"wx_appid": "wx", "wx_openid": self.one("o")}
        self.cards[ref] = row
        return ("pos", "pos__members", row)

    def user(self, night: date, openid: str) -> Arrival:
        row = self.users.setdefault(openid, {"appid": "wx", "openid": openid}) | {
            "updated_at": self.moment(night)
        }
        if self.rng.random() < 0.4:
            row["unionid"] = self.one("u", 5)
        if self.rng.random() < 0.6:
            row |= {"phone": self.one("p"), "phone_verified_at": self.moment(night)}
        elif self.rng.random() < 0.3:
            row = {name: value for name, value in row.items() if not name.startswith("phone")}
        self.users[openid] = row
        return ("gb", "groupbuy__users", row)

    def sale(self, night: date) -> Arrival:
        self.count += 1
        at = self.moment(night)
        if self.rng.random() < 0.5:
            row: Row = {"store_code": "S1", "ticket_id": f"{self.name}{self.count}", "kind": "sale"}
            row |= {"sold_at": at, "net": "10", "member_ref": self.maybe(0.4, self.one("c"))}
            row |= {"pay_openid": self.maybe(0.5, self.one("o", 6)), "pay_appid": "wx"}
            said = self.maybe(0.4, self.one("p"))
            return ("pos", "pos__tickets", row | ({"phone": said} if said else {}))
        row = {
            "order_id": f"{self.name}{self.count}",
            "order_amount": "20",
            "store_code": "S1",
            "status": "paid",
        }
        row |= {"created_at": at, "paid_at": at, "appid": "wx", "openid": self.maybe(0.9, self.one("o"))}
        row |= {"unionid": self.maybe(0.2, self.one("u", 5)), "buyer_phone": self.one("p")}
        row |= {"phone_verified": "Y" if self.rng.random() < 0.4 else "N"}
        if self.has_names:
            row["receiver_name_token"] = self.one("n", 3)
        return ("gb", "groupbuy__orders", row)

    def contact(self, night: date) -> Arrival:
        row: Row = {"userid": "staff", "external_userid": self.one("x"), "remark_phone_count": "0"}
        row |= {"createtime": self.moment(night), "unionid": self.maybe(0.5, self.one("u", 5))}
        if self.rng.random() < 0.6:
            row |= {"phone": self.one("p"), "remark_phone_count": "1"}
        return ("we", "wecom__contacts", row)

    def corrected(self, night: date, sale: Arrival) -> Arrival:
        """A sale again, as it was or with somebody else in it."""
        connection, table, row = sale
        changed = dict(row)
        if self.rng.random() < 0.6:
            changed |= {"member_ref": self.one("c")} if table == "pos__tickets" else {"openid": self.one("o")}
        return (connection, table, changed)


class GivenCard:
    """Two with proved numbers who pay in turns, or one after the other, for a card whose number on file moves on."""

    def __init__(self, town: str, rng: np.random.Generator, nights: list[date], has_versions: bool) -> None:
        self.town, self.rng, self.first, self.has_versions = f"{town}given", rng, nights[0], has_versions
        self.in_turns = bool(rng.integers(2))
        self.given_on = nights[int(rng.integers(1, len(nights)))]
        self.renumbered_on = self.given_on + timedelta(days=int(rng.integers(1, 120)))
        self.numbers = [f"{self.town}-p{number}" for number in range(3)]
        self.count = 0

    def night(self, night: date) -> list[Arrival]:
        is_given, is_renumbered = night >= self.given_on, night >= self.renumbered_on
        number = self.numbers[is_given + is_renumbered]
        rows = [self.user(0, self.numbers[0], self.first)] if night == self.first else []
        rows += [self.user(1, self.numbers[2] if is_renumbered else self.numbers[1], night)]
        rows += [self.card(number, night)]
        for _ in range(int(self.rng.integers(6))):
            rows.append(self.sale(int(self.rng.integers(2)) if self.in_turns else int(is_given), night))
        return rows

    def user(self, who: int, phone: str, night: date) -> Arrival:
        told = "2025-06-01 09:00:00" if night == self.first else f"{night - timedelta(days=1)} 09:00:00"
        row = {"appid": "wx", "openid": f"{self.town}-o{who}", "registered_at": "2025-06-01 09:00:00"}
        return (
            "gb",
            "groupbuy__users",
            row | {"phone": phone, "phone_verified_at": told, "updated_at": told},
        )

    def card(self, phone: str, night: date) -> Arrival:
        row: Row = {"member_ref": self.town, "phone": phone, "created_at": "2025-06-01 09:00:00"}
        if self.has_versions:
            row["updated_at"] = f"{night - timedelta(days=1)} 10:00:00"
        return ("pos", "pos__members", row)

    def sale(self, who: int, night: date) -> Arrival:
        self.count += 1
        at = datetime.combine(night, time(12)) - timedelta(days=int(self.rng.integers(1, 4)))
        row = {"store_code": "S1", "ticket_id": f"{self.town}-{self.count}", "kind": "sale", "net": "10"}
        payer = {"pay_openid": f"{self.town}-o{who}", "pay_appid": "wx"}
        return ("pos", "pos__tickets", row | payer | {"sold_at": str(at), "member_ref": self.town})


KEYS = {
    "pos__members": "member_ref",
    "groupbuy__users": "openid",
    "pos__tickets": "ticket_id",
    "groupbuy__orders": "order_id",
    "wecom__contacts": "external_userid",
}


def by_key(rows: list[Arrival]) -> list[Arrival]:
    """One row per record and night: which of two in one file is right is not for these tests."""
    return list(
        {(table, row[KEYS[table]]): (connection, table, row) for connection, table, row in rows}.values()
    )


def histories(seed: int, nights: list[date]) -> History:
    """All towns' histories in one."""
    towns = [Town(number, np.random.default_rng([seed, number]), nights).history() for number in range(TOWNS)]
    return {str(night): [row for town in towns for row in town[str(night)]] for night in nights}


def nights_apart(count: int, days: int) -> list[date]:
    return [date(2026, 1, 5) + timedelta(days=days * number) for number in range(count)]


def arrive(world: Any, night: str, rows: list[Arrival]) -> None:
    files: dict[tuple[str, str], list[Row]] = {}
    for connection, table, row in rows:
        files.setdefault((connection, table), []).append(row)
    for (connection, table), of_file in files.items():
        world.arrive(night, connection, table, *of_file)


def in_pieces(history: History, rng: np.random.Generator) -> list[tuple[str, list[Arrival]]]:
    """The same rows in smaller files, in any order."""
    pieces = []
    for night, rows in history.items():
        shuffled = [rows[place] for place in rng.permutation(len(rows))]
        pieces += [(night, shuffled[part::3]) for part in range(3)]
    return [pieces[place] for place in rng.permutation(len(pieces))]


def state(world: Any) -> State:
    return {table: world.read(f"select * from {table} order by all") for table in TABLES}


def assert_same(one: State, other: State) -> None:
    for table, rows in one.items():
        assert rows == other[table], (
            table,
            list((Counter(map(repr, rows)) - Counter(map(repr, other[table]))).elements())[:3],
            list((Counter(map(repr, other[table])) - Counter(map(repr, rows))).elements())[:3],
        )


def unruly(world: Any, rng: np.random.Generator) -> None:
    """A person changes her mind about what was: a limit, or whether two records are one customer's."""
    if rng.random() < 0.4:
        world.rule("max_cards_per_phone", int(rng.integers(1, 4)))
    if rng.random() < 0.3:
        world.rule("max_phones_per_member", int(rng.integers(1, 5)))
    undecide(world)
    for town in range(TOWNS):
        if rng.random() < 0.5:
            one, other = (f"t{town}-c{number}" for number in rng.choice(4, 2, replace=False))
            decision = "same" if rng.random() < 0.6 else "different"
            decide(world, decision, ("pos", "members", one), ("pos", "members", other))


@pytest.mark.parametrize(("seed", "nights", "days"), [(1, 5, 3), (2, 4, 30), (3, 4, 100)])
def test_night_by_night_is_at_once(new_world: Callable[..., Any], seed: int, nights: int, days: int) -> None:
    rng = np.random.default_rng(seed)
    history = histories(seed, nights_apart(nights, days))
    days_of_it = list(history)
    # the third file lands after the fourth, and an old one once more
    order = [*days_of_it[:2], days_of_it[3], days_of_it[2], *days_of_it[4:]]
    by_night, at_once, readers = new_world("by_night"), new_world("at_once", in_morsels=True), Readers()
    for place, night in enumerate(order):
        arrive(by_night, night, history[night])
        if night == days_of_it[2]:
            arrive(by_night, days_of_it[0], history[days_of_it[0]])
        if seed > 1:
            unruly(by_night, rng)
        by_night.as_of(max(order[: place + 1]))
        by_night.build()
        readers.look(by_night)
        by_night.publish()
    for night, rows in in_pieces(history, rng):
        arrive(at_once, night, rows)
    at_once.remember(by_night)
    at_once.build()
    assert_same(state(by_night), state(at_once))
    assert len(state(at_once)["members"]) > 3 * TOWNS
    assert len(state(at_once)["identity_refusals"]) > TOWNS
    kinds = {row[0] for row in at_once.read("select distinct kind from member_events")}
    assert kinds == {"created", "merged", "split", "reassigned"}
    given = at_once.read("select count(*) from int_identity_renumbered where is_anothers")
    assert given[0][0] > 0
    assert min(readers.ended, readers.returned) > 0


def without_slips(history: History, rng: np.random.Generator) -> tuple[History, History]:
    """The history with wrong numbers that were put right three nights later, and the one in which they never were.

    The slip stands on a card, an account or a sale; before and after it the record says what it says without it.
    """
    first, last = min(history), max(history)
    slips: list[Arrival] = []
    rights: list[Arrival] = []
    for number in range(TOWNS):
        name = f"t{number}-"
        wrong = {"phone": f"{name}p{rng.integers(4)}"}
        day = f"{first} 12:00:00"
        card = {"member_ref": f"{name}wrong", "created_at": day}
        account = {"appid": "wx", "openid": f"{name}wrong", "registered_at": day}
        order = {"order_id": f"{name}wrong", "openid": f"{name}o1", "appid": "wx", "created_at": day}
        order |= {"status": "paid", "paid_at": day, "order_amount": "5", "store_code": "S1"}
        verified = {"phone_verified_at": day}
        for connection, table, right, slip in (
            ("pos", "pos__members", card, card | wrong),
            ("gb", "groupbuy__users", account, account | wrong | verified),
            ("gb", "groupbuy__orders", order, order | {"unionid": f"{name}u{rng.integers(5)}"}),
        ):
            rights.append((connection, table, right))
            slips.append((connection, table, slip))
    with_slips = history | {first: history[first] + slips, last: history[last] + rights}
    never = history | {first: history[first] + rights, last: history[last] + rights}
    return with_slips, never


def test_a_link_that_was_put_right_is_as_if_it_never_was(new_world: Callable[..., Any]) -> None:
    history = histories(11, nights_apart(2, 3))
    with_slips, never = without_slips(history, np.random.default_rng(11))
    # dbt itself runs the nights of one, the other runs what dbt compiled
    withdrawn, clean = new_world("withdrawn", by_dbt=True), new_world("clean")
    for night, rows in with_slips.items():
        arrive(withdrawn, night, rows)
        withdrawn.build()
        linked = withdrawn.read("select count(*) from int_identity_links where identifier_a like '%wrong'")
        assert (linked[0][0] > 0) == (night == min(history))
    for night, rows in never.items():
        arrive(clean, night, rows)
    clean.build()
    # what was believed in between is history, and only there
    one, other = state(clean), state(withdrawn)
    for history_of_ids in ("member_events", "member_redirects", "int_identity_ids"):
        del one[history_of_ids], other[history_of_ids]
    assert_same(one, other)


def decide(
    world: Any,
    decision: str,
    one: tuple[str, str, str],
    other: tuple[str, str, str],
    since: str | None = None,
) -> None:
    with world.open() as con:
        con.execute(
            "insert into ops.identity_decisions values (?, ?, ?, ?, ?, ?, ?, ?, 'me', 'asked', 1)",
            [decision, *one, *other, since],
        )


def undecide(world: Any) -> None:
    with world.open() as con:
        con.execute("delete from ops.identity_decisions")


def test_decisions_are_obeyed_and_leave_no_trace_when_taken_back(world: Any) -> None:
    night = "2026-01-01"
    world.arrive(night, "pos", "pos__members", {"member_ref": "C1", "phone": "P1"}, {"member_ref": "C2"})
    verified = {"phone": "P1", "phone_verified_at": "2025-12-01 00:00:00"}
    world.arrive(night, "gb", "groupbuy__users", {"appid": "wx", "openid": "o1"} | verified)
    world.arrive(night, "gb", "groupbuy__users", {"appid": "wx", "openid": "o2"})
    card, account, stranger = ("pos", "members", "C1"), ("gb", "users", "wx|o1"), ("pos", "members", "C2")
    world.build()
    before = state(world)
    assert world.member_of(*card[1:])[0] == world.member_of(*account[1:])[0]

    decide(world, "different", card, account)
    world.build()
    assert world.member_of(*card[1:])[0] != world.member_of(*account[1:])[0]
    assert [reason for (reason,) in world.read("select reason from identity_refusals")] == [
        "decided_different"
    ]
    decided = state(world)
    world.build(rebuild=True)
    assert_same(decided, state(world))

    undecide(world)
    decide(world, "same", stranger, account)
    world.build()
    ids = {world.member_of(*record[1:])[0] for record in (card, account, stranger)}
    assert len(ids) == 1
    assert world.member_of("users", "wx|o2")[0] not in ids

    undecide(world)
    world.build()
    assert_same(before, state(world))


def sale(ticket: str, at: str, **who: str) -> Row:
    return arrivals.sale(ticket, sold_at=at, **who)


def order(order_id: str, at: str, openid: str, phone: str) -> Row:
    proved = {"buyer_phone": phone, "phone_verified": "Y"}
    return arrivals.order(order_id, appid="wx", openid=openid, created_at=at, paid_at=at, **proved)


def two_owners(world: Any) -> None:
    """Number P1 is oA's in March and oB's in October, with a sale to either."""
    world.arrive(
        "2026-02-01",
        "gb",
        "groupbuy__orders",
        *(order(f"A{day}", f"2025-03-{day:02} 10:00:00", "oA", "P1") for day in range(1, 10)),
        *(order(f"B{day}", f"2025-10-{day:02} 10:00:00", "oB", "P1") for day in range(1, 10)),
    )
    world.arrive(
        "2026-02-01",
        "pos",
        "pos__tickets",
        sale("before", "2025-03-05 12:00:00", phone="P1"),
        sale("after", "2025-10-05 12:00:00", phone="P1"),
    )


def test_a_recycled_number_is_each_owners_in_her_own_time(world: Any) -> None:
    two_owners(world)
    world.build()
    first, second = world.member_of("orders", "A1")[0], world.member_of("orders", "B1")[0]
    assert first != second
    assert world.member_of("tickets", "S1|before") == (first, "phone")
    assert world.member_of("tickets", "S1|after") == (second, "phone")
    held = world.read(
        "select member_id, valid_from::varchar, valid_to::varchar from member_identifiers"
        " where namespace = 'phone' order by valid_from"
    )
    assert held == [(first, "2025-03-01", "2025-10-01"), (second, "2025-10-01", None)]


def test_a_decision_about_a_number_means_its_owner_at_the_time(world: Any) -> None:
    two_owners(world)
    world.arrive(
        "2026-02-01",
        "pos",
        "pos__members",
        {"member_ref": "C1", "created_at": "2025-12-01 00:00:00"},
        {"member_ref": "C2", "created_at": "2025-01-01 00:00:00"},
    )
    decide(world, "same", ("pos", "members", "C1"), ("pos", "tickets", "S1|before"))
    decide(world, "same", ("pos", "tickets", "S1|after"), ("pos", "members", "C2"))
    world.build()
    first, second = world.member_of("orders", "A1")[0], world.member_of("orders", "B1")[0]
    assert [world.member_of("members", card)[0] for card in ("C1", "C2")] == [first, second]
    assert first != second


@pytest.mark.parametrize(("ticket", "its"), [("before", "A1"), ("after", "B1")])
def test_of_two_records_that_say_only_a_number_the_owners_at_the_time_are_one(
    world: Any, ticket: str, its: str
) -> None:
    two_owners(world)
    world.arrive("2026-02-01", "pos", "pos__tickets", sale("other", "2025-10-05 12:00:00", phone="P2"))
    decide(world, "same", ("pos", "tickets", f"S1|{ticket}"), ("pos", "tickets", "S1|other"))
    world.build()
    members = {name: world.member_of("orders", name)[0] for name in ("A1", "B1")}
    assert members["A1"] != members["B1"]
    assert world.member_of("tickets", "S1|other") == (members[its], "phone")


def test_who_is_not_one_owner_of_a_number_may_be_the_other(world: Any) -> None:
    two_owners(world)
    world.arrive(
        "2026-02-01",
        "pos",
        "pos__members",
        {"member_ref": "C1", "phone": "P1", "created_at": "2025-10-20 00:00:00"},
    )
    world.build()
    assert world.member_of("members", "C1")[0] == world.member_of("orders", "B1")[0]
    decide(world, "different", ("pos", "members", "C1"), ("pos", "tickets", "S1|before"))
    world.build()
    assert world.member_of("members", "C1")[0] == world.member_of("orders", "B1")[0]
    decide(world, "different", ("pos", "members", "C1"), ("pos", "tickets", "S1|after"))
    world.build()
    assert (
        len(
            {
                world.member_of(*record)[0]
                for record in (("members", "C1"), ("orders", "A1"), ("orders", "B1"))
            }
        )
        == 3
    )


def test_a_decision_with_a_date_leaves_the_nights_before_as_they_were(world: Any) -> None:
    world.arrive(
        "2026-02-01", "pos", "pos__members", {"member_ref": "C1", "phone": "P1"}, {"member_ref": "C2"}
    )
    world.arrive("2026-02-01", "gb", "groupbuy__orders", order("A", "2026-01-05 10:00:00", "oA", "P1"))
    account, first, other = ("gb", "orders", "A"), ("pos", "members", "C1"), ("pos", "members", "C2")
    events = "select occurred_on::varchar, kind from member_events where occurred_on > date '2026-02-01' order by 1, 2"
    world.build()
    published = world.read("select * from member_events order by all")
    decide(world, "different", first, account, "2026-02-10")
    decide(world, "same", other, account, "2026-02-12")
    decide(world, "same", other, first, "2027-01-01")
    world.build()
    assert world.member_of(*first[1:])[0] != world.member_of(*account[1:])[0]
    assert world.member_of(*other[1:])[0] == world.member_of(*account[1:])[0]
    assert world.read(events) == [("2026-02-10", "split"), ("2026-02-12", "merged")]
    assert (
        world.read("select * from member_events where occurred_on <= date '2026-02-01' order by all")
        == published
    )


def test_who_share_a_number_are_a_household_and_never_one_member(world: Any) -> None:
    at = "2025-12-{:02} 10:00:00"
    together = [
        order(f"{openid}{day}", at.format(day), openid, "P1")
        for day in (1, 2, 3, 4)
        for openid in ("o1", "o2")
    ]
    world.arrive("2026-02-01", "gb", "groupbuy__orders", *together, order("Z", at.format(1), "o3", "P3"))
    world.arrive("2026-02-01", "pos", "pos__tickets", sale("T", at.format(2), phone="P1"))
    world.build()
    [one, other, alone] = [world.member_of("orders", record)[0] for record in ("o11", "o21", "Z")]
    assert len({one, other, alone}) == 3
    assert world.member_of("tickets", "S1|T") == (None, "shared_phone")
    households = dict(world.read("select member_id, household_id from members"))
    assert households[one] == households[other] is not None
    assert households[alone] is None


def test_a_payer_becomes_known_by_paying_for_one_card_and_doubtful_by_two(world: Any) -> None:
    at = "2025-12-{:02} 10:00:00"
    payer = {"pay_appid": "wx", "pay_openid": "pays"}
    world.arrive("2026-02-01", "pos", "pos__members", {"member_ref": "C1"}, {"member_ref": "C2"})
    world.arrive(
        "2026-02-01",
        "pos",
        "pos__tickets",
        sale("T1", at.format(1), member_ref="C1", **payer),
        sale("T2", at.format(2), member_ref="C1", **payer),
        sale("T3", at.format(3), **payer),
        sale("T4", at.format(4), pay_appid="wx", pay_openid="once"),
    )
    world.build()
    card = world.member_of("members", "C1")[0]
    assert world.member_of("tickets", "S1|T3") == (card, "pay_openid")
    assert world.member_of("tickets", "S1|T4") == (None, "unknown_identifier")
    # she pays for her sister, too: from now on her account is her own and says nothing of a card
    world.arrive("2026-02-02", "pos", "pos__tickets", sale("T5", at.format(5), member_ref="C2", **payer))
    world.build()
    member, basis = world.member_of("tickets", "S1|T3")
    assert basis == "pay_openid"
    assert member not in (None, card, world.member_of("members", "C2")[0])
