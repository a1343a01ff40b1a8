"""The whole chain against the oracles: simulated nights run as a shop runs them, and every published table that has an
oracle (`tables.py`) equals it, to the fen.

A range of nights in one run, then two nights singly. Before the first of these somebody declares pairs of members to be
one person each, before the second one of these to be two again, and another pair one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.activation import push
from dagster_project.config import load_chain
from dagster_project.orchestration.markdown import decide_evening
from dagster_project.orchestration.night import run_nights
from dagster_project.publish import Publication, current_publication
from dagster_project.sandbox import running_sandbox
from dagster_project.simulator import simulate
from tests.oracle import markdown
from tests.oracle.churn import firings, tiers
from tests.oracle.log import Event, read_events
from tests.oracle.tables import COMMISSION, PAIRED, TABLES, Night, Table, differences

END = date(2026, 11, 20)
DAYS = 45
PAIRS = 3


@dataclass(frozen=True)
class Story:
    """The log of a chain and its publications, oldest first; `pairs`: records that were declared one person's. Messages
    were sent after each night but the last, and the last day has an evening list."""

    root: Path
    events: list[Event]
    nights: list[Publication]
    pairs: list[tuple[str, str]]

    def known(self, night: int) -> Night:
        return Night(self.events, self.nights[night], self.root / "lake")

    def member_of(self, night: int, record: str) -> str:
        connection, feed, record_id = record.split("|", 2)
        found = duckdb.execute(
            f"select member_id from {self.nights[night].sql('record_members')}"
            " where connection = ? and feed = ? and record_id = ?",
            [connection, feed, record_id],
        ).fetchall()
        return str(found[0][0])


class Shop:
    """A simulated chain with its WeCom server."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        simulate(root, basis="synthetic", persons=400, stores=3, days=DAYS, seed=seed, end=END)
        (root / "rules" / "commission.yml").write_text(COMMISSION, "utf-8")
        (root / "rules" / "pairs.yml").write_text(PAIRED, "utf-8")
        self.events = read_events(root / "truth" / "events.csv.gz")

    @contextmanager
    def _wecom(self, now: datetime) -> Iterator[None]:
        with running_sandbox(self.root / "sandbox" / "wecom_world.json") as sandbox:
            sandbox.set_clock(now)
            told = self.root / "chain.yml"
            told.write_text(
                re.sub(r"http://127\.0\.0\.1:\d+", sandbox.base_url, told.read_text("utf-8")), "utf-8"
            )
            yield

    def run(self, first: date, last: date) -> Publication:
        """Runs these nights in one go."""
        with self._wecom(datetime.combine(last + timedelta(days=1), time(2))):
            night = run_nights(self.root, first, last)
        assert night.success, night.failures
        publication = current_publication(load_chain(self.root, resolve_secrets=False).paths)
        assert publication is not None and publication.as_of == last
        return publication

    def push(self, night: date) -> None:
        """Sends what was decided in `night`, on the morning after."""
        with self._wecom(datetime.combine(night + timedelta(days=1), time(10, 30))):
            push(load_chain(self.root), night, live=True, sleep=lambda _: None)

    def evening(self, day: date) -> None:
        """The evening list of `day`."""
        decide_evening(load_chain(self.root, resolve_secrets=False), day)

    def decide(self, text: str) -> None:
        (self.root / "rules" / "identity_decisions.yml").write_text(text, "utf-8")


def _pairs(publication: Publication) -> list[tuple[str, str]]:
    """Cards of members who buy a lot and are different people, two and two."""
    cards = duckdb.execute(
        "select 'pos_main|members|' || min(record_id) as card, count(distinct orders.order_key) as bought"
        f" from {publication.sql('record_members')} as records inner join {publication.sql('orders')} as orders using (member_id)"
        " where records.feed = 'members' group by member_id order by bought desc, card"
    ).fetchall()
    names = [card for card, _ in cards[: 4 * PAIRS : 2]]
    return list(zip(names[::2], names[1::2], strict=True))


def _decisions(word: str, pairs: list[tuple[str, str]]) -> str:
    return "".join(f'- {word}: ["{a}", "{b}"]\n' for a, b in pairs)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WECOM_SECRET", "demo")
        patch.delenv("LINLI_KEY", raising=False)  # the chain makes a key of its own
        yield _story(Shop(tmp_path_factory.mktemp("story") / "chain", seed=16))


def _story(shop: Shop) -> Story:
    days = [END - timedelta(days=ago) for ago in (DAYS - 1, 2, 1, 0)]
    nights = [shop.run(days[0], days[1])]
    shop.push(days[1])
    pairs = _pairs(nights[0])
    shop.decide(_decisions("same", pairs[:-1]))
    nights.append(shop.run(days[2], days[2]))
    shop.push(days[2])
    shop.evening(days[3])
    shop.decide(_decisions("same", pairs[1:]) + _decisions("different", pairs[:1]))
    nights.append(shop.run(days[3], days[3]))
    return Story(shop.root, shop.events, nights, pairs)


def test_members_were_merged_and_taken_apart_between_the_nights(story: Story) -> None:
    same = [
        [story.member_of(night, a) == story.member_of(night, b) for a, b in story.pairs] for night in range(3)
    ]
    assert same == [[False] * PAIRS, [True, True, False], [False, True, True]]


def test_rows_came_late_on_a_single_night_too(story: Story) -> None:
    first = min(event.night for event in story.events if event.night)
    late = [
        e for e in story.events if e.night and e.at and e.night > first and (e.night - e.at.date()).days > 1
    ]
    assert any(event.night in (END, END - timedelta(days=1)) for event in late)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("night", [0, 1, 2], ids=["range", "merged", "parted"])
def test_a_published_table_equals_the_log(story: Story, night: int, table: Table) -> None:
    assert differences(table, story.known(night), story.nights[night]) == []


def test_a_wrong_fen_a_missing_and_a_surplus_row_are_told(story: Story) -> None:
    table, publication = TABLES[0], story.nights[-1]
    known = story.known(2)
    rows = dict(table.rows(known))
    (first, values), (second, _) = list(rows.items())[:2]
    rows[first] = (*values[:-1], None)
    rows[("nobody's",)] = rows.pop(second)
    told = differences(replace(table, rows=lambda _: rows), known, publication)
    assert len(told) == 3
    assert any("lacks" in line for line in told) and any("too many" in line for line in told)


def _evening(story: Story) -> dict[markdown.Key, markdown.Listed]:
    counts = [e for e in story.events if e.kind == "stock_count" and e.night and e.night <= END]
    return markdown.listed(story.known(1), counts, END)


def _rows(story: Story, table: str, columns: str) -> list[tuple[Any, ...]]:
    return duckdb.execute(f"select {columns} from {story.nights[-1].sql(table)}").fetchall()


def test_the_evening_list_is_that_of_the_counts_and_of_who_lives_near(story: Story) -> None:
    listed = _evening(story)
    stores = load_chain(story.root, resolve_secrets=False).stores
    places = {one.store_code: (one.lng, one.lat) if one.lng and one.lat else None for one in stores}
    near = markdown.audience(story.known(1), {key[0] for key in listed}, places)  # type: ignore[arg-type]
    told = Counter(shop for shop, _ in near)
    names = "item_name, category, unit, on_hand_qty, received_qty, left_ratio, snapshot_at, price_fen, markdown_fen, price_factor"
    plan = _rows(story, "markdown_plan", f"store_code, business_date, sku, {names}, audience_size")
    assert listed and near
    assert {row[:3]: row[3:] for row in plan} == {
        key: (one.item_name, one.category, one.unit, one.on_hand, one.received, one.left_ratio, one.counted_at, one.price,
              one.evening_price, 0.5, told[key[0]])
        for key, one in listed.items()
    }  # fmt: skip
    audience = _rows(story, "markdown_audience", "store_code, member_id, distance_km, orders_30d")
    assert {row[:2] for row in audience} == near.keys()
    for shop, member, kilometres, orders in audience:
        possible, bought = near[shop, member]
        assert kilometres in possible and orders == bought


def test_what_became_of_the_evening_list(story: Story) -> None:
    plan = {key: one.evening_price for key, one in _evening(story).items()}
    names = "left_qty, sold_qty, sold_fen, usual_qty, would_be_wasted_qty, wasted_qty, saved_fen"
    found = _rows(story, "markdown_results", f"store_code, business_date, sku, {names}")
    results = markdown.results(story.known(2), plan)
    assert any(one.sold for one in results.values()) and any(one.saved_fen for one in results.values())
    assert {row[:3]: row[3:] for row in found} == {key: astuple(one) for key, one in results.items()}


def test_a_recall_fires_once_a_lapse(story: Story) -> None:
    known = [story.known(night) for night in range(3)]
    last = known[-1].retired
    tiers_by_night = [
        (night.as_of, {last.get(member, member): row for member, row in tiers(night).items()})
        for night in known
    ]
    asked = [one for one in known[-1].decisions if one.campaign == "churn_l2_coupon"]
    waiting = {(one.member, one.on + timedelta(days=1)) for one in asked if one.outcome == "capped"}
    # whom the cap kept waiting is asked again, and has fired already
    decided = [(one.on, one.member) for one in asked if (one.member, one.on) not in waiting]
    assert {day for day, _ in decided} == {night.as_of for night in known}
    assert sorted(decided) == sorted(firings(tiers_by_night, "L2"))
