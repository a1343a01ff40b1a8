"""The oracles of lapses, pairs and the evening markdown against figures worked out by hand."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from tests.oracle import markdown
from tests.oracle.churn import Tier, firings, tiers
from tests.oracle.log import Event, Known, event_of
from tests.oracle.pairs import Rules, pairs

_NIGHT = date(2026, 11, 20)


def _event(kind: str, at: datetime, **columns: str) -> Event:
    row = {"kind": kind, "connection": "pos_main", "feed": "tickets", "at": at.isoformat(" "),
           "night": (at - timedelta(hours=4)).date().isoformat(), "store_code": "S01", **columns}  # fmt: skip
    return event_of(row)


def _sale(record_id: str, at: datetime, *lines: tuple[str, str, int], member: str = "m") -> list[Event]:
    """A sale of lines (sku, qty, fen)."""
    total = sum(fen for _, _, fen in lines)
    sale = _event("sale", at, record_id=record_id, person_id=member, amount_fen=str(total))
    return [sale] + [
        _event(
            "sale_line",
            at,
            record_id=record_id,
            line_no=str(n),
            sku=sku,
            qty=qty,
            amount_fen=str(fen),
            detail="[0, 0, 0]",
        )
        for n, (sku, qty, fen) in enumerate(lines, start=1)
    ]


def _product(sku: str, fen: int = 500, category: str = "叶菜", night: int = 1) -> Event:
    detail = f'{{"item_name": "{sku}"}}'
    at = datetime(2026, 11, night, 4)
    return _event("product", at, feed="products", record_id=sku, sku=sku, category=category, category_l1="蔬菜",
                  amount_fen=str(fen), detail=detail)  # fmt: skip


def _count(sku: str, at: datetime, on_hand: str, received: str) -> Event:
    detail = f'{{"received_qty": {received}}}'
    return _event("stock_count", at, feed="stock", sku=sku, qty=on_hand, detail=detail)


def _known(events: list[Event], as_of: date = _NIGHT) -> Known:
    owner = {event.record: event.person_id or "m" for event in events if event.kind != "sale_line"}
    return Known(events, as_of, owner)


@pytest.mark.parametrize(
    ("days", "tier", "entered"),
    [(6, "active", 6), (7, "L1", 0), (14, "L1", 7), (15, "L2", 0), (29, "L2", 14), (30, "L3", 0)],
)
def test_a_tier_is_entered_on_its_day(days: int, tier: str, entered: int) -> None:
    day = _NIGHT - timedelta(days=days)
    sale = _sale("S01|1", datetime(day.year, day.month, day.day, 9), ("egg", "1", 100))
    row = tiers(_known([_product("egg"), *sale]))["m"]
    assert (row.tier, row.entered_on, row.usual_item) == (tier, _NIGHT - timedelta(days=entered), None)


@pytest.mark.parametrize(
    ("item", "times", "usual_item"),
    [("egg", 2, None), ("egg", 3, "egg"), ("婴儿米粉", 3, None), ("INFANT milk", 3, None)],
)
def test_a_usual_item_is_that_of_the_metrics(item: str, times: int, usual_item: str | None) -> None:
    sales = [
        event
        for day in range(1, times + 1)
        for event in _sale(f"S01|{day}", datetime(2026, 11, day, 9), (item, "1", 100))
    ]
    assert tiers(_known([_product(item), *sales]))["m"].usual_item == usual_item


def test_a_late_purchase_does_not_fire_again() -> None:
    def night(day: int, last: int) -> tuple[date, dict[str, Tier]]:
        on = date(2026, 11, day)
        last_on = date(2026, 11, last)
        since = (on - last_on).days
        name = "L2" if since >= 15 else "L1"
        return on, {"m": Tier("m", last_on, since, name, last_on, None)}

    # fires on the 16th; on the 17th a purchase of the 2nd arrives, on the 18th one of the 16th itself
    told = [night(15, 1), night(16, 1), night(17, 2), night(18, 3), night(29, 12), night(30, 15)]
    assert firings(told, "L2") == [(date(2026, 11, 16), "m")]
    assert (
        len(
            firings(
                [*told, (date(2026, 12, 2), {"m": Tier("m", date(2026, 11, 17), 15, "L2", _NIGHT, None)})],
                "L2",
            )
        )
        == 2
    )


def test_a_pair_needs_its_support_and_lift_exactly() -> None:
    at = datetime(2026, 11, 19, 9)
    events = [_product("a"), _product("b"), _product("c")]
    baskets = [("a", "b")] * 3 + [("a",)] * 2 + [("b",)] * 2 + [("c",)] * 3
    for number, goods in enumerate(baskets):
        events += _sale(f"S01|{number}", at + timedelta(minutes=number), *((sku, "1", 100) for sku in goods))
    found = pairs(_known(events), Rules(min_orders=3, min_support=Fraction(3, 10), min_lift=Fraction(30, 25)))
    assert set(found) == {("a", "b"), ("b", "a")}
    assert found["a", "b"].lift == Fraction(30, 25)
    for short in (Rules(min_orders=4), Rules(min_orders=3, min_support=Fraction(31, 100)),
                  Rules(min_orders=3, min_lift=Fraction(121, 100))):  # fmt: skip
        assert pairs(_known(events), short) == {}


@pytest.mark.parametrize(
    ("on_hand", "received", "is_listed"),
    [("2.999", "10", False), ("3", "10", True), ("0", "0", False), ("0.1", "0", True)],
)
def test_a_third_left_is_listed(on_hand: str, received: str, is_listed: bool) -> None:
    before = _known([_product("x", fen=501)], date(2026, 11, 19))
    found = markdown.listed(before, [_count("x", datetime(2026, 11, 20, 16), on_hand, received)], _NIGHT)
    assert bool(found) is is_listed
    assert [row.evening_price for row in found.values()] == [251] * is_listed


def test_the_later_of_two_counts_holds() -> None:
    before = _known([_product("x")], date(2026, 11, 19))
    two = [
        _count("x", datetime(2026, 11, 20, 16, 30), "1", "10"),
        _count("x", datetime(2026, 11, 20, 16), "9", "10"),
    ]
    assert markdown.listed(before, two, _NIGHT) == {}
    assert len(markdown.listed(before, two[1:], _NIGHT)) == 1
    outside = [_count("x", datetime(2026, 11, 20, 17, 0, 1), "9", "10")]
    assert markdown.listed(before, outside, _NIGHT) == {}


def test_near_is_a_kilometre() -> None:
    def lives(lat: float) -> Event:
        detail = f'{{"lng": "120", "lat": "{lat}"}}'
        return _event("registered", datetime(2026, 11, 1, 9), feed="users", record_id="a|o", detail=detail)

    def told(lat: float, orders: int) -> bool:
        events = [_product("x"), lives(lat)]
        for number in range(orders):
            events += _sale(f"S01|{number}", datetime(2026, 11, 19, 9, number), ("x", "1", 100))
        return bool(markdown.audience(_known(events), ["S01", "S02"], {"S01": (120.0, 30.0), "S02": None}))

    assert (told(30.0089842, 4), told(30.0090022, 4), told(30.0, 3)) == (True, False, False)


def test_what_was_saved_is_beyond_the_usual() -> None:
    evening = datetime(2026, 11, 20, 18)
    events = [_product("x"), _count("x", datetime(2026, 11, 20, 16), "10", "10")]
    events += _sale("S01|1", evening, ("x", "3.5", 875)) + _sale(
        "S01|2", evening.replace(hour=16), ("x", "9", 900)
    )
    for week, qty in ((1, "3"), (2, "1"), (3, "0.5")):
        events += _sale(f"S01|w{week}", evening - timedelta(weeks=week), ("x", qty, 100))
    key = ("S01", _NIGHT, "x")
    row = markdown.results(_known(events), {key: 250})[key]
    assert (row.left, row.sold, row.sold_fen, row.usual) == (Decimal(10), Decimal("3.5"), 875, Decimal(1))
    assert (row.would_be_wasted, row.wasted, row.saved_fen) == (Decimal(9), Decimal("6.5"), 625)
