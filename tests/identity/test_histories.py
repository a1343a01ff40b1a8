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

TABLES = ("record_members", "members", "member_identifiers", "member_events", "identity_refusals")
STATE = TABLES[:3]
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
        return by_key(rows)

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
        row = {"order_id": f"{self.name}{self.count}", "order_amount": "20", "store_code": "S1", "status": "paid"}
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


KEYS = {
    "pos__members": "member_ref",
    "groupbuy__users": "openid",
    "pos__tickets": "ticket_id",
    "groupbuy__orders": "order_id",
    "wecom__contacts": "external_userid",
}


def by_key(rows: list[Arrival]) -> list[Arrival]:
    """One row per record and night: which of two in one file is right is not for these tests."""
    return list({(table, row[KEYS[table]]): (connection, table, row) for connection, table, row in rows}.values())


def histories(seed: int, nights: list[date]) -> History:
    """All towns' histories in one."""
    towns = [
        Town(number, np.random.default_rng([seed, number]), nights).history() for number in range(TOWNS)
    ]
    return {str(night): [row for town in towns for row in town[str(night)]] for night in nights}


def nights_apart(count: int, days: int) -> list[date]:
    return [date(2026, 1, 5) + timedelta(days=days * number) for number in range(count)]


def arrive(world: Any, night: str, rows: list[Arrival]) -> None:
    for connection, table, row in rows:
        world.arrive(night, connection, table, row)


def state(world: Any, tables: tuple[str, ...] = TABLES) -> State:
    return {table: world.read(f"select * from {table}") for table in tables}


def assert_same(one: State, other: State) -> None:
    for table, rows in one.items():
        assert rows == other[table], (
            table,
            list((Counter(map(repr, rows)) - Counter(map(repr, other[table]))).elements())[:3],
            list((Counter(map(repr, other[table])) - Counter(map(repr, rows))).elements())[:3],
        )


@pytest.mark.parametrize(("seed", "nights", "days"), [(1, 5, 3), (2, 4, 30), (3, 4, 100)])
def test_night_by_night_is_at_once(new_world: Callable[[str], Any], seed: int, nights: int, days: int) -> None:
    rng = np.random.default_rng(seed)
    history = histories(seed, nights_apart(nights, days))
    days_of_it = list(history)
    # the third file lands after the fourth, and an old one once more
    order = [*days_of_it[:2], days_of_it[3], days_of_it[2], *days_of_it[4:]]
    by_night, at_once = new_world("by_night"), new_world("at_once")
    for night in order:
        arrive(by_night, night, history[night])
        if night == days_of_it[2]:
            arrive(by_night, days_of_it[0], history[days_of_it[0]])
        by_night.build()
    whole = [(night, row) for night, rows in history.items() for row in rows]
    for place in rng.permutation(len(whole)):
        night, row = whole[place]
        arrive(at_once, night, [row])
    at_once.build()
    assert_same(state(by_night), state(at_once))
    assert len(state(at_once)["members"]) > 3 * TOWNS
    assert len(state(at_once)["identity_refusals"]) > TOWNS
    kinds = {row[0] for row in at_once.read("select kind from member_events")}
    assert {"created", "merged"} <= kinds
