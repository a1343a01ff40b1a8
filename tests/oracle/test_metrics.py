"""Published numbers of members against the oracle, after a build of everything and after nights that only make stale members anew."""

from __future__ import annotations

import math
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.config import load_chain
from dagster_project.orchestration.night import run_nights
from dagster_project.publish import Publication, current_publication
from dagster_project.simulator import simulate
from tests.oracle.log import Known, read_events
from tests.oracle.metrics import WINDOWS, Metrics, Usual, metrics

NIGHT = date(2026, 11, 20)
Rows = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Metrics], Publication]:
    """The oracle's numbers of every member with a purchase, and what is published; the last night by itself."""
    root: Path = tmp_path_factory.mktemp("metrics") / "chain"
    simulate(root, basis="synthetic", persons=250, stores=2, days=45, seed=11, end=NIGHT)
    before = NIGHT - timedelta(days=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WECOM_SECRET", "demo")
        patch.delenv("LINLI_KEY", raising=False)  # the chain makes a key of its own
        for begin, end in [(NIGHT - timedelta(days=44), before), (NIGHT, NIGHT)]:
            night = run_nights(root, begin, end)
            assert night.success, night.failures
    publication = current_publication(load_chain(root, resolve_secrets=False).paths)
    assert publication is not None
    rows = duckdb.execute(
        f"select connection, feed, record_id, member_id from {publication.sql('record_members')}"
    )
    members = {(connection, feed, record): member for connection, feed, record, member in rows.fetchall()}
    known = Known(read_events(root / "truth" / "events.csv.gz"), NIGHT, members)
    return metrics(known), publication


def _rows(publication: Publication, table: str) -> list[dict[str, Any]]:
    cursor = duckdb.execute(f"select * from {publication.sql(table)} order by all")
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _of_night(publication: Publication) -> Rows:
    return {
        row["member_id"]: row for row in _rows(publication, "member_metrics") if row["as_of_date"] == NIGHT
    }


def _windows(one: Metrics) -> dict[str, int]:
    found = {}
    for days in WINDOWS:
        window = one.windows[days]
        found |= {f"orders_{days}d": window.orders, f"spend_{days}d_fen": window.spend}
        for channel in ("pos", "groupbuy"):
            orders, fen = window.by_channel.get(channel, (0, 0))
            found |= {f"{channel}_orders_{days}d": orders, f"{channel}_spend_{days}d_fen": fen}
    return found


def test_windows_of_every_member(world: tuple[dict[str, Metrics], Publication]) -> None:
    wanted, publication = world
    found = _of_night(publication)
    assert len(wanted) > 150
    assert {m for m, row in found.items() if row["orders_total"]} == set(wanted)
    names = _windows(next(iter(wanted.values())))
    assert {m: {name: found[m][name] for name in names} for m in wanted} == {
        m: _windows(one) for m, one in wanted.items()
    }


_SAME = {
    "days_since_purchase": "days_since", "last_purchase_on": "last_on", "lifecycle": "lifecycle",
    "visit_days_30d": "visit_days_30d", "visit_days_90d": "visit_days_90d", "items_90d": "items_90d",
    "basket_90d_fen": "basket_90d", "gap_days": "gap_days", "newest_gap_days": "newest_gap_days", "busy_hour": "busy_hour",
    "busy_weekday": "busy_weekday", "groupbuy_first_on": "groupbuy_first_on", "never_high_margin": "never_high_margin",
}  # fmt: skip


def test_how_every_member_buys(world: tuple[dict[str, Metrics], Publication]) -> None:
    wanted, publication = world
    found = _of_night(publication)
    assert {m: {name: found[m][name] for name in _SAME} for m in wanted} == {
        m: {name: getattr(one, key) for name, key in _SAME.items()} for m, one in wanted.items()
    }
    assert {row["lifecycle"] for m, row in found.items() if m not in wanted} == {"none"}


def test_prices_within_a_millionth(world: tuple[dict[str, Metrics], Publication]) -> None:
    wanted, publication = world
    found = _of_night(publication)
    known = {m: one.price_index for m, one in wanted.items() if one.price_index is not None}
    assert len(known) > 20
    assert {m for m, row in found.items() if row["discount_index_90d"] is not None} == set(known)
    for member, index in known.items():
        assert math.isclose(found[member]["discount_index_90d"], index, rel_tol=1e-6, abs_tol=1e-9)
        edge = "sensitive" if index >= 1.25 else "quality" if index <= 0.75 else "neutral"
        assert found[member]["price_sensitivity"] == edge


def test_categories_of_every_member(world: tuple[dict[str, Metrics], Publication]) -> None:
    wanted, publication = world
    expected = {
        (m, *key, days): amounts
        for m, one in wanted.items()
        for days, window in one.windows.items()
        for key, amounts in window.by_category.items()
    }
    found = {
        (row["member_id"], row["category_l1"], row["category"], days): (row[f"orders_{days}d"], row[f"spend_{days}d_fen"])
        for row in _rows(publication, "member_categories")
        for days in WINDOWS
        if row[f"orders_{days}d"]
    }  # fmt: skip
    assert found == expected


def test_usual_items_of_every_member(world: tuple[dict[str, Metrics], Publication]) -> None:
    wanted, publication = world
    found: dict[str, list[Usual]] = {}
    for row in _rows(publication, "member_usual_items"):
        mine = found.setdefault(row["member_id"], [])
        mine.append(Usual(row["item_name"], row["times"], row["last_bought_on"], row["gap_days"]))
        assert row["place"] == len(mine)
    assert len(found) > 30
    assert found == {m: one.usual for m, one in wanted.items() if one.usual}


def test_a_tag_is_given_for_what_the_numbers_say(world: tuple[dict[str, Metrics], Publication]) -> None:
    wanted, publication = world
    words = {"new": "新客", "active": "活跃", "regained": "回流", "lapsed": "流失"}
    expected = {(m, words[one.lifecycle]) for m, one in wanted.items()}
    expected |= {(m, one.tier) for m, one in wanted.items() if one.tier != "active"}
    expected |= {(m, "拼团达人") for m, one in wanted.items() if one.groupbuy_first_on}
    expected |= {(m, "从未买过高毛利") for m, one in wanted.items() if one.never_high_margin}
    expected |= {(m, "常买" + one.usual[0].item_name) for m, one in wanted.items() if one.usual}
    judged = {"新客", "活跃", "回流", "流失", "L1", "L2", "L3", "拼团达人", "从未买过高毛利"}
    found = {
        (row["member_id"], row["tag"])
        for row in _rows(publication, "member_tags")
        if row["as_of_date"] == NIGHT and row["source"].startswith("rule:")
        if row["tag"] in judged or row["tag"].startswith("常买")
    }
    assert found == {(m, tag) for m, tag in expected if "婴" not in tag}
