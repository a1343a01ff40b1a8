"""Killed at any step, or robbed of the warehouse or the files: the next run ends where an undisturbed one does."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dagster_project.publish import PublicationContext, PublishError, current_publication, publish, recover
from dagster_project.publish.relations import digests

D = date(2024, 3, 5)
DAY = timedelta(days=1)
# In order; one of the per-table steps stands for all.
STEPS = (
    "recovered",
    "digested",
    "written:orders",
    "folder_renamed",
    "marts_changed",
    "committed",
    "decisions_written",
    "link_made",
    "switched",
    "pruned",
)


class KilledError(Exception):
    """Stands for a kill that Python still sees."""


def _kill_at(name: str) -> Callable[[str], None]:
    def step(done: str) -> None:
        if done == name:
            raise KilledError(name)

    return step


def _assert_whole(chain: Any) -> None:
    """What readers see is one publication, every file of it as its digests say."""
    publication = current_publication(chain)
    with duckdb.connect() as con:
        for name, table in publication.tables.items():
            for key, file in zip(sorted(table.partitions), publication.files(name), strict=True):
                found = digests(
                    con, table.shape, f"read_parquet('{file}', hive_partitioning = false)", split=False
                )
                assert found[""] == table.partitions[key], (name, key)


def _assert_agree(chain: Any) -> None:
    """`marts` holds what readers see."""
    publication = current_publication(chain)
    assert chain.held().to_json() == publication.to_json()
    with duckdb.connect(str(chain.warehouse)) as con:
        for name, table in publication.tables.items():
            rows = {part: found for part, found in table.partitions.items() if found[0]}
            split = table.shape.kind != "state"
            assert {
                part: found
                for part, found in digests(con, table.shape, f"marts.{name}", split=split).items()
                if found[0]
            } == rows, name


@pytest.fixture(scope="module")
def two_nights(
    new_chain: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str]]:
    """A chain whose second night is audited and not yet published, and the tree that publishing it gives."""
    chain = new_chain(tmp_path_factory.mktemp("two") / "chain")
    chain.night(D, days=2)
    chain.audit(D + DAY, days=3, corrected=D)
    audited = chain.root.with_name("audited")
    shutil.copytree(chain.root, audited, symlinks=True)
    seen: list[str] = []
    chain.publish(D + DAY, seen.append)
    assert [step for step in seen if not step.startswith("written:") or step in STEPS] == list(STEPS)
    return audited, chain.tree()


@pytest.fixture
def undisturbed(two_nights: tuple[Path, dict[str, str]]) -> dict[str, str]:
    return two_nights[1]


@pytest.fixture
def second_night(chain: Any, two_nights: tuple[Path, dict[str, str]]) -> Any:
    shutil.copytree(two_nights[0], chain.root, symlinks=True, dirs_exist_ok=True)
    return chain


@pytest.mark.parametrize("step", STEPS)
def test_failure_at_a_step_leaves_a_whole_publication_and_a_rerun_the_same_bytes(
    step: str, second_night: Any, undisturbed: dict[str, str]
) -> None:
    with pytest.raises(KilledError):
        second_night.publish(D + DAY, _kill_at(step))
    _assert_whole(second_night)
    switched = STEPS.index(step) >= STEPS.index("switched")
    assert current_publication(second_night).as_of == (D + DAY if switched else D)
    second_night.publish(D + DAY)
    assert second_night.tree() == undisturbed
    _assert_agree(second_night)


_SCRIPT = """
import os, sys
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from dagster_project.publish import PublicationContext, publish, published_tables

root, as_of, kill_at = Path(sys.argv[1]), date.fromisoformat(sys.argv[2]), sys.argv[3]
publish(
    root / "warehouse.duckdb",
    SimpleNamespace(lake=root / "lake", published=root / "published"),
    as_of=as_of,
    context=PublicationContext(
        [{"connection": "pos_main", "feed": "tickets", "last_night": as_of, "age_days": 0}], {"checks": 3}
    ),
    tables=[table for table in published_tables() if table.name in sys.argv[4:]],
    step=lambda done: os._exit(9) if done == kill_at else None,
)
"""


def test_process_killed_at_every_step_in_turn(second_night: Any, undisturbed: dict[str, str]) -> None:
    tables = list(current_publication(second_night).tables)
    for step in ("written:orders", "folder_renamed", "marts_changed", "committed", "link_made"):
        # Each process meets what the one before it left; the last one finds the night committed and settles it.
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT, str(second_night.root), str(D + DAY), step, *tables], check=False
        )
        assert done.returncode == (9 if step != "link_made" else 0)
        _assert_whole(second_night)
    assert second_night.tree() == undisturbed
    _assert_agree(second_night)


@pytest.mark.parametrize("step", ["folder_renamed", "committed"])
def test_recovery_alone_settles_a_killed_night(
    step: str, second_night: Any, undisturbed: dict[str, str]
) -> None:
    before = second_night.tree()
    with pytest.raises(KilledError):
        second_night.publish(D + DAY, _kill_at(step))
    recover(second_night.warehouse, second_night)
    assert second_night.tree() == (undisturbed if step == "committed" else before)
    _assert_agree(second_night)


def test_first_night_killed_before_it_counted(chain: Any, make_chain: Callable[[str], Any]) -> None:
    chain.audit(D)
    with pytest.raises(KilledError):
        chain.publish(D, _kill_at("folder_renamed"))
    assert current_publication(chain) is None
    chain.night(D, corrected=D)
    other = make_chain("other")
    other.night(D, corrected=D)
    assert chain.tree() == other.tree()


def test_a_committed_night_is_kept_when_other_rows_follow(
    chain: Any, make_chain: Callable[[str], Any]
) -> None:
    other = make_chain("other")
    for each, kill in ((chain, True), (other, False)):
        each.night(D)
        each.audit(D + DAY)
        if kill:
            with pytest.raises(KilledError):
                each.publish(D + DAY, _kill_at("committed"))
        else:
            each.publish(D + DAY)
        each.night(D + DAY, corrected=D)
    assert chain.tree() == other.tree()
    assert len(current_publication(chain).earlier) == 2


def test_rebuilt_warehouse_gets_the_earlier_nights_back(chain: Any) -> None:
    chain.night(D)
    chain.night(D + DAY)
    tree = chain.tree()
    chain.warehouse.unlink()
    chain.night(D + DAY)
    assert chain.tree() == tree
    assert chain.query("select distinct as_of_date from marts.churn_tiers order by 1") == [(D,), (D + DAY,)]
    _assert_agree(chain)


def test_older_warehouse_follows_what_readers_saw(chain: Any) -> None:
    chain.night(D)
    backup = chain.root / "backup.duckdb"
    shutil.copy(chain.warehouse, backup)
    chain.night(D + DAY)
    tree = chain.tree()
    shutil.copy(backup, chain.warehouse)
    recover(chain.warehouse, chain)
    assert chain.tree() == tree
    _assert_agree(chain)


def test_lost_files_are_written_again_from_the_warehouse(chain: Any) -> None:
    chain.night(D)
    chain.night(D + DAY)
    old = current_publication(chain).earlier[0]
    tree = {
        path: content
        for path, content in chain.tree().items()
        if old not in path
        and not any(f"{kept}/{D}" in path for kept in ("campaign_candidates", "member_ids"))
    }
    shutil.rmtree(chain.published)
    shutil.rmtree(chain.lake)
    recover(chain.warehouse, chain)
    assert chain.tree() == tree
    _assert_agree(chain)


def test_lost_table_and_lost_file_come_back(chain: Any) -> None:
    publication = chain.night(D)
    chain.query("drop table marts.orders")
    recover(chain.warehouse, chain)
    _assert_agree(chain)
    publication.files("orders")[0].unlink()
    publication.files("churn_tiers")[0].unlink()
    second = chain.night(D + DAY, days=5)
    assert {
        "orders/business_date=2024-03-02/data.parquet",
        "churn_tiers/as_of_date=2024-03-05/data.parquet",
    } <= set(second.written)
    _assert_whole(chain)


def test_a_lost_link_is_not_taken_for_a_new_chain(chain: Any) -> None:
    chain.night(D)
    chain.night(D + DAY)
    tree = chain.tree()
    link = chain.published / "current"
    link.unlink()
    chain.warehouse.unlink()
    chain.audit(D + DAY)
    with pytest.raises(PublishError, match=r"current 不见了：请执行 ln -s publications/2024-03-06-"):
        chain.publish(D + DAY)
    link.symlink_to(Path("publications", max(p.name for p in (chain.published / "publications").iterdir())))
    chain.publish(D + DAY)
    assert chain.tree() == tree


def test_a_failing_commit_switches_nothing(second_night: Any) -> None:
    before = second_night.tree()
    with duckdb.connect(str(second_night.warehouse)) as con:
        # A view where a table must go fails inside the transaction, after other tables were changed.
        con.execute("drop table marts.record_members; create view marts.record_members as select 1 as a")
        held = con.execute("select count(*) from marts.orders").fetchone()
    with pytest.raises(duckdb.Error):
        second_night.publish(D + DAY)
    assert second_night.query("select count(*) from marts.orders") == [held]
    second_night.query("drop view marts.record_members")
    recover(second_night.warehouse, second_night)
    assert second_night.tree() == before
    _assert_agree(second_night)


@settings(max_examples=2, deadline=None, derandomize=True, phases=[Phase.generate])
@given(
    nights=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 1), st.sampled_from((*STEPS, ""))), min_size=3, max_size=3
    )
)
def test_any_history_with_kills_ends_as_the_history_without(
    nights: list[tuple[int, int, str]],
    tmp_path_factory: pytest.TempPathFactory,
    new_chain: Callable[[Path], Any],
) -> None:
    root = tmp_path_factory.mktemp("history")
    killed, smooth = new_chain(root / "killed"), new_chain(root / "smooth")
    as_of = D
    for late, ahead, step in nights:
        as_of += ahead * DAY
        for each in (killed, smooth):
            each.audit(as_of, days=2, corrected=as_of - late * DAY)
        try:
            killed.publish(as_of, _kill_at(step))
        except KilledError:
            killed.publish(as_of)
        smooth.publish(as_of)
        assert killed.tree() == smooth.tree()
    _assert_agree(killed)


def test_an_open_connection_serves_as_well(chain: Any) -> None:
    chain.full = True
    chain.audit(D)
    with duckdb.connect(str(chain.warehouse)) as con:
        publication = publish(con, chain, as_of=D, context=PublicationContext())
        assert con.execute("select count(*) from marts.orders").fetchone() == (16,)
    assert publication.quality == {}
