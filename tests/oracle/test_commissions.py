"""The oracle of commission and incentives against figures worked out by hand."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

import pytest

from tests.oracle.commissions import Held, Terms, books, half_up, ranking, statements
from tests.oracle.incentives import Staff, leader_contributions, settlements, staff_credits
from tests.oracle.incentives import Terms as Credits
from tests.oracle.log import Event, Known, event_of

_NIGHT = date(2026, 11, 20)
_FREE = Terms(require_koc=False)


def _event(kind: str, feed: str, record_id: str, day: int, detail: Any = None, **columns: str) -> Event:
    at = datetime(2026, 10 + day // 32, day % 32 or 1, 10)
    connection = {"tickets": "p", "group_members": "w"}.get(feed, "g")
    told = json.dumps(detail or {})
    row = {"kind": kind, "connection": connection, "feed": feed, "record_id": record_id, "at": str(at)}
    return event_of({**row, "night": str(at.date()), "store_code": "S1", "detail": told, **columns})


def _account(name: str, invited_by: str = "") -> Event:
    return _event("registered", "users", f"x|{name}", 1, {"own_invite_code": name.upper()}, ref=invited_by)


def _order(number: str, buyer: str, code: str, fen: int, day: int = 2) -> list[Event]:
    detail = {"appid": "x", "openid": buyer, "invite_code": code, "leader_id": "L1"}
    placed = _event("order_placed", "orders", number, day, detail, amount_fen=str(fen))
    return [placed, _event("order_paid", "orders", number, day, amount_fen=str(fen))]


def _known(*events: Event, **owner: str) -> Known:
    """Accounts are their own members, unless `owner` says otherwise; orders are their buyer's."""
    people = {}
    for event in events:
        name = event.detail.get("openid") or event.record_id.split("|")[-1]
        if event.kind != "order_paid":
            people[event.record] = owner.get(name, name)
    return Known(events, _NIGHT, people)


@pytest.mark.parametrize(("fen", "earned"), [(1, 0), (3, 0), (4, 1), (7, 1), (9, 1), (10, 2)])
def test_half_a_fen_is_rounded_up(fen: int, earned: int) -> None:
    assert half_up(fen, 1500) == earned


def test_two_levels_earn_and_a_late_refund_takes_back() -> None:
    told = [_account("a", invited_by="B"), _account("b"), _account("c"), *_order("1", "c", "A", 1003)]
    told.append(_event("refund_done", "refunds", "r1", 9, ref="1", amount_fen="3"))  # the seventh day
    told.append(_event("refund_done", "refunds", "r2", 10, ref="1", amount_fen="10"))
    found = books(_known(*told), _FREE)
    assert {key[1:]: (e.base, e.amount, e.status) for key, e in found.entries.items()} == {
        ("a", 1, 0): (1000, 150, "due"),
        ("a", 1, 1): (-10, -1, "clawed_back"),  # 148.5 of 990 is 149
        ("b", 2, 0): (1000, 50, "due"),
        ("b", 2, 1): (-10, 0, "clawed_back"),
    }
    assert statements(found)["2026-10", "a"].due == 149
    assert ranking(found) == {("2026-10", 1): ("a", 1, 990, 149)}


def test_nobody_earns_by_buying_from_herself_or_in_a_circle() -> None:
    told = [_account("a", invited_by="B"), _account("b"), _account("a2")]
    told += [
        *_order("own", "a", "A", 100),
        *_order("second", "a2", "A", 100),
        *_order("circle", "b", "A", 100),
    ]
    told += [*_order("case", "c", "a", 100)]
    apart, merged = books(_known(*told), _FREE), books(_known(*told, a2="a"), _FREE)
    of = "groupbuy|g|"
    assert {key[0].removeprefix(of): reason for key, (_, reason) in merged.refusals.items()} == {
        "own": "self", "second": "duplicate_account", "circle": "circular", "case": "unknown_code",
    }  # fmt: skip
    assert (f"{of}second", 1) not in apart.refusals and (f"{of}second", "a", 1, 0) in apart.entries


def test_two_accounts_on_one_number_earn_nothing_from_each_other() -> None:
    told = [_account("a", invited_by="C"), _account("a2"), _account("c"), *_order("1", "a2", "A", 100)]
    known, day = _known(*told), date(2026, 10, 2)

    def refused(on: bool = True, **held: Held) -> dict[int, tuple[str | None, str]]:
        terms = Terms(require_koc=False, refuse_shared_phone=on)
        found = books(known, terms, held={member: [one] for member, one in held.items()})
        return {level: why for (_, level), why in found.refusals.items()}

    number = Held("P", day)
    assert refused(a=number, a2=number) == {1: ("a", "duplicate_account")}
    assert refused(c=number, a2=number) == {2: ("c", "duplicate_account")}
    assert refused(a=number, a2=Held("P", date(2026, 9, 1), date(2026, 10, 1))) == {}
    assert refused(a=number, a2=Held("Q", day)) == {}
    assert refused(False, a=number, a2=number) == {}


def test_cashier_leader_and_shop() -> None:
    joined = _event("chat_join", "group_members", "c|m", 3, {"join_scene": 3}, state="E1")
    told = [
        *_order("1", "m", "", 1000, day=5),
        _event("sale", "tickets", "S1|1", 6, amount_fen="550"),
        joined,
    ]
    known = _known(*told, **{"c|m": "m", "1": "m"})
    for one in known.bought.values():
        one.member = "m"
    staff = [Staff("p", "E1", None, "S1")]
    credited = staff_credits(known, [date(2026, 10, 3), date(2026, 10, 9)], staff, {"S1"})
    assert [(c.joined, c.stayed, c.first_orders, c.amount) for c in credited.values()] == [(1, 0, 1, 300)]
    credited = staff_credits(known, [date(2026, 10, 3), date(2026, 10, 10)], staff, {"S1"})
    assert [(c.stayed, c.amount) for c in credited.values()] == [(1, 500)]
    leaders = {("g", "L1")}
    [found] = leader_contributions(known, leaders).values()
    assert (found.members, found.groupbuy_fen, found.commission) == ({"m"}, 1000, 80)
    assert (found.counter_fen, found.counter_commission) == (550, 6)
    assert (
        leader_contributions(known, leaders, Credits(bind_days=0))["2026-10", "g", "L1"].counter_orders == 0
    )
    settled = settlements(known, books(known, _FREE), credited, leaders)
    assert (settled["2026-10", "shop", "S1"].sales, settled["2026-10", "shop", "S1"].due) == (
        1550,
        1550 - 86 - 500,
    )
    assert settled["2026-10", "leader", "g:L1"].due == 86
