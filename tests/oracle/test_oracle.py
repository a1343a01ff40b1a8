"""The oracles against figures worked out by hand, and against a simulated world whose members are its persons."""

from __future__ import annotations

import csv
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from dagster_project.simulator import simulate
from tests.oracle.koc import koc
from tests.oracle.ledgers import balances, coupons, entries, reported_differences
from tests.oracle.log import Event, Known, event_of, read_events
from tests.oracle.metrics import metrics

_NIGHT = date(2026, 11, 20)


def _event(kind: str, feed: str, record_id: str, at: datetime, **columns: str) -> Event:
    connection = (
        "group_main" if feed in ("orders", "users", "shares", "complaints", "refunds") else "pos_main"
    )
    night = max(date(2026, 10, 1), (at - timedelta(hours=4)).date())
    row = {"kind": kind, "connection": connection, "feed": feed, "record_id": record_id, "at": at.isoformat(" "),
           "night": night.isoformat(), "store_code": "S01", **columns}  # fmt: skip
    return event_of(row)


def _known(events: list[Event], as_of: date = _NIGHT, **members: str) -> Known:
    """`members`: record id → member; everything else is `m`'s."""
    owner = {event.record: members.get(event.record_id.replace("|", "_"), "m") for event in events}
    return Known(events, as_of, owner)


def _sale(record_id: str, days_ago: int, fen: int, hour: int = 10) -> Event:
    at = datetime(2026, 11, 20, hour) - timedelta(days=days_ago)
    return _event("sale", "tickets", f"S01|{record_id}", at, amount_fen=str(fen))


@pytest.mark.parametrize(
    ("days_ago", "tier"),
    [(6, "active"), (7, "L1"), (14, "L1"), (15, "L2"), (29, "L2"), (30, "L3")],
)
def test_tiers_change_at_7_15_and_30_days(days_ago: int, tier: str) -> None:
    found = metrics(_known([_sale("1", days_ago, 100)]))["m"]
    assert (found.days_since, found.tier) == (days_ago, tier)


def test_a_window_has_its_last_day_and_not_the_one_before() -> None:
    found = metrics(_known([_sale("1", 29, 100), _sale("2", 30, 1000), _sale("3", 0, 10)]))["m"]
    assert [found.windows[n].spend for n in (7, 30, 90)] == [10, 110, 1110]
    assert (found.gap_days, found.newest_gap_days) == (15.0, 29)


def test_what_is_sold_before_four_belongs_to_the_day_before() -> None:
    known = _known([_sale("1", 0, 100, hour=3), _sale("2", 0, 100, hour=4)])
    assert [one.day for one in known.purchases] == [date(2026, 11, 19), _NIGHT]


def test_returns_voids_and_recharges_are_not_bought() -> None:
    sale, other = _sale("1", 3, 1000), _sale("2", 3, 500)
    back = _event(
        "return",
        "tickets",
        "S01|1R",
        datetime(2026, 11, 19, 9),
        ref="S01|1",
        amount_fen="400",
        state="linked",
    )
    void = _event("void", "tickets", "S01|2V", datetime(2026, 11, 19, 9), ref="S01|2", amount_fen="500")
    lost = _event("return", "tickets", "S01|3R", datetime(2026, 11, 19, 9), amount_fen="70", state="unlinked")
    top_up = _event("recharge", "tickets", "S01|4Z", datetime(2026, 11, 19, 9), amount_fen="9000")
    known = _known([sale, other, back, void, lost, top_up])
    assert [(one.record_id, one.spend) for one in known.purchases] == [("S01|1", 600)]
    assert known.bought["pos|pos_main|S01|3R"].refund == 70 and len(known.bought) == 3
    # the night before, nobody knew of it
    assert _known([sale, other, back, void], date(2026, 11, 18)).bought["pos|pos_main|S01|1"].spend == 1000


def _shares(number: int) -> list[Event]:
    return [_event("share", "shares", f"SH{n}", datetime(2026, 11, 10, 9)) for n in range(number)]


@pytest.mark.parametrize(
    ("fen", "shares", "eligible"),
    [(29_999, 5, "no"), (30_000, 5, "yes"), (30_000, 4, "no"), (30_000, 0, "unknown")],
)
def test_a_recommender_spends_300_and_shares_five_times(fen: int, shares: int, eligible: str) -> None:
    assert koc(_known([_sale("1", 29, fen), *_shares(shares)]))["m"].eligible == eligible


def test_a_complaint_counts_until_it_is_withdrawn() -> None:
    told = [_sale("1", 1, 30_000), *_shares(5)]
    told.append(_event("complaint_opened", "complaints", "CP1", datetime(2026, 11, 12, 9), ref="S01|1"))
    assert koc(_known(told))["m"].eligible == "no"
    told.append(_event("complaint_withdrawn", "complaints", "CP1", datetime(2026, 11, 18, 9), ref="S01|1"))
    assert koc(_known(told))["m"].eligible == "yes"
    assert koc(_known(told, date(2026, 11, 17)))["m"].eligible == "no"


def test_a_balance_may_fall_below_nothing_for_a_day() -> None:
    def entry(kind: str, number: str, day: int, points: int) -> Event:
        at = datetime(2026, 11, day, 9)
        return _event(f"points_{kind}", "points", number, at, points=str(points), detail='{"card": "c"}')

    found = balances(
        _known([entry("earn", "1", 2, 50), entry("spend", "2", 3, -80), entry("earn", "3", 4, 40)])
    )["m"]
    assert (found.balance, found.negative_days) == (10, {date(2026, 11, 3)})


def _order(record_id: str, day: int, detail: str) -> Event:
    detail = f'{{"appid": "a", "openid": "o", {detail}}}'
    return _event(
        "order_placed", "orders", record_id, datetime(2026, 11, day, 9), amount_fen="900", detail=detail
    )


def test_an_unpaid_order_locks_points_and_coupon_until_it_is_paid_or_closed() -> None:
    placed = _order("G1", 10, '"points_spent": 100, "coupon_code": "C"')
    issued = _event("coupon_issued", "coupon_events", "E1", datetime(2026, 11, 1, 9), ref="C")
    found = balances(_known([placed]))["m"]
    assert (found.balance, found.locked, found.available) == (0, 100, -100)
    assert coupons(_known([placed, issued]))["C"].status == "locked"
    paid = _event("order_paid", "orders", "G1", datetime(2026, 11, 11, 9), state="late", points="9")
    found = balances(_known([placed, paid]))["m"]
    assert (found.balance, found.locked) == (-91, 0)
    one = coupons(_known([placed, issued, paid]))["C"]
    assert one.status == "redeemed" and one.exceptions == {("use_not_posted", "G1")}
    closed = _event("order_unpaid", "orders", "G1", datetime(2026, 11, 11, 9))
    assert balances(_known([placed, closed]))["m"].locked == 0
    assert coupons(_known([placed, issued, closed]))["C"].status == "issued"


def test_what_is_wrong_with_a_coupon() -> None:
    def told(kind: str, number: str, minute: int) -> Event:
        at = datetime(2026, 11, 3, 9) + timedelta(minutes=minute)
        return _event(f"coupon_{kind}", "coupon_events", number, at, ref="C", state="T")

    def wrong(*events: Event, **members: str) -> set[tuple[str, str]]:
        return coupons(_known(list(events), **members))["C"].exceptions

    assert wrong(told("issued", "1", 0), told("redeemed", "2", 0)) == set()  # in the same minute
    assert wrong(told("issued", "1", 1), told("redeemed", "2", 0)) == {("before_issue", "2")}
    assert wrong(told("redeemed", "2", 0)) == {("never_issued", "2")}
    assert wrong(told("issued", "1", 0), told("redeemed", "2", 1), told("redeemed", "3", 2)) == {
        ("redeemed_twice", "3")
    }
    assert wrong(told("issued", "1", 0), told("expired", "3", 5), told("redeemed", "2", 5)) == set()
    assert wrong(told("issued", "1", 0), told("expired", "3", 5), told("redeemed", "2", 6)) == {
        ("after_expiry", "2")
    }
    assert wrong(told("issued", "1", 0), told("redeemed", "2", 1), **{"2": "n"}) == {("other_member", "2")}
    # swept away after it was used: late, and no fault
    late = coupons(_known([told("issued", "1", 0), told("redeemed", "2", 1), told("expired", "3", 9)]))["C"]
    assert late.status == "redeemed" and late.exceptions == set()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Known:
    out: Path = tmp_path_factory.mktemp("oracle") / "chain"
    simulate(out, basis="synthetic", persons=1200, stores=3, days=60, seed=4, end=_NIGHT)
    with (out / "truth" / "records.csv").open(encoding="utf-8") as rows:
        persons = {
            (row["connection"], row["feed"], row["record_id"]): row["person_id"]
            for row in csv.DictReader(rows)
        }
    return Known(read_events(out / "truth" / "events.csv.gz"), _NIGHT, persons)


def test_lines_add_up_to_their_orders(world: Known) -> None:
    assert len(world.purchases) > 3000
    for one in world.bought.values():
        if one.channel == "pos" and one.net:
            # what is off beyond the lines was off the whole ticket: a coupon
            whole = one.discount - sum(line.discount for line in one.lines)
            assert sum(line.amount for line in one.lines) - whole == one.net
            assert whole in (0, min(800, (one.net + whole) // 2))
            assert 0 <= one.refund <= one.net
        assert all(0 <= line.refunded <= line.amount for line in one.lines if one.net)


def test_the_books_of_a_world_add_up(world: Known) -> None:
    booked = entries(world)
    found = balances(world)
    moved = sum(e.points for e in booked if e.kind not in ("lock", "release") and e.member)
    assert sum(one.balance for one in found.values()) == moved
    assert any(one.negative_days for one in found.values())
    # everything that was held was let go, but what the last day holds
    held = {e.ref for e in booked if e.kind == "lock"} - {e.ref for e in booked if e.kind == "release"}
    assert len(held) <= 3
    off = reported_differences(world)
    assert off and all(difference in (100, 200, 300, 400, 500) for difference in off.values())
    kinds = {kind for one in coupons(world).values() for kind, _ in one.exceptions}
    assert {"before_issue", "never_issued", "redeemed_twice", "after_expiry", "other_member"} <= kinds


def test_everybody_s_numbers_hang_together(world: Known) -> None:
    found = metrics(world)
    assert {one.lifecycle for one in found.values()} >= {"new", "active", "lapsed"}
    for one in found.values():
        spends = [one.windows[n].spend for n in (7, 30, 90, 365)]
        assert spends == sorted(spends)
        for window in one.windows.values():
            assert sum(fen for _, fen in window.by_channel.values()) == window.spend
        assert one.usual == sorted(one.usual, key=lambda usual: -usual.times)
    # who is drawn to offers buys more of them; on the whole people buy as what is on offer lets expect
    known = [one.price_index for one in found.values() if one.price_index is not None]
    assert len(known) > 50 and 0.7 < sum(known) / len(known) < 1.3
    assert {one.eligible for one in koc(world).values()} == {"yes", "no"}
