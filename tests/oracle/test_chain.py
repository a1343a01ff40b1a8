"""The whole chain against the oracles: simulated nights run as a shop runs them, and every published table that has an
oracle (`tables.py`) equals it, to the fen.

A range of nights in one run, then two nights singly. Before the first of these somebody declares pairs of members to be
one person each, before the second one of these to be two again, and another pair one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from dagster_project.config import load_chain
from dagster_project.orchestration.night import run_nights
from dagster_project.publish import Publication, current_publication
from dagster_project.sandbox import running_sandbox
from dagster_project.simulator import simulate
from tests.oracle.log import Event, read_events
from tests.oracle.tables import COMMISSION, TABLES, Night, Table, differences

END = date(2026, 11, 20)
DAYS = 45
PAIRS = 3


@dataclass(frozen=True)
class Story:
    """The log of a chain and its publications, oldest first; `pairs`: records that were declared one person's."""

    events: list[Event]
    nights: list[Publication]
    pairs: list[tuple[str, str]]

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
        self.events = read_events(root / "truth" / "events.csv.gz")

    def run(self, first: date, last: date) -> Publication:
        """Runs these nights in one go."""
        with running_sandbox(self.root / "sandbox" / "wecom_world.json") as sandbox:
            sandbox.set_clock(
                datetime.combine(last + timedelta(days=1), datetime.min.time()) + timedelta(hours=2)
            )
            told = self.root / "chain.yml"
            told.write_text(
                re.sub(r"http://127\.0\.0\.1:\d+", sandbox.base_url, told.read_text("utf-8")), "utf-8"
            )
            night = run_nights(self.root, first, last)
        assert night.success, night.failures
        publication = current_publication(load_chain(self.root, resolve_secrets=False).paths)
        assert publication is not None and publication.as_of == last
        return publication

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
    pairs = _pairs(nights[0])
    shop.decide(_decisions("same", pairs[:-1]))
    nights.append(shop.run(days[2], days[2]))
    shop.decide(_decisions("same", pairs[1:]) + _decisions("different", pairs[:1]))
    nights.append(shop.run(days[3], days[3]))
    return Story(shop.events, nights, pairs)


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
    publication = story.nights[night]
    assert differences(table, Night(story.events, publication), publication) == []


def test_a_wrong_fen_a_missing_and_a_surplus_row_are_told(story: Story) -> None:
    table, publication = TABLES[0], story.nights[-1]
    known = Night(story.events, publication)
    rows = dict(table.rows(known))
    (first, values), (second, _) = list(rows.items())[:2]
    rows[first] = (*values[:-1], None)
    rows[("nobody's",)] = rows.pop(second)
    told = differences(replace(table, rows=lambda _: rows), known, publication)
    assert len(told) == 3
    assert any("lacks" in line for line in told) and any("too many" in line for line in told)
