"""The afternoon's run on a simulated chain: killed at every step, repeated, late, corrected, and the night after it."""

from __future__ import annotations

import csv
import gzip
import io
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.config import load_chain
from dagster_project.orchestration.markdown import decide_evening, run_evening
from dagster_project.orchestration.night import run_nights
from dagster_project.publish import PublishError, current_publication, last_published_as_of
from dagster_project.simulator import simulate
from dagster_project.warehouse import NotReadyError, connect
from tests.oracle import markdown as oracle
from tests.oracle.log import Known, read_events

_END = date(2026, 11, 21)
_DAYS = 24
BEFORE, TODAY = _END - timedelta(days=2), _END - timedelta(days=1)
STEPS = ("landed", "prepared", "decided", "kept", "published")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain without WeCom, published up to BEFORE."""
    root = tmp_path_factory.mktemp("evening") / "chain"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINLI_KEY", "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=")
        simulate(root, basis="synthetic", persons=300, stores=2, days=_DAYS, seed=3, end=_END)
        config = root / "chain.yml"
        lines = config.read_text("utf-8").splitlines()
        config.write_text("\n".join(line for line in lines if "wecom" not in line) + "\n", "utf-8")
        result = run_nights(root, _END - timedelta(days=_DAYS - 1), BEFORE)
        assert result.success, result.failures
    return root


@pytest.fixture
def root(base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(base, tmp_path / "chain", symlinks=True))


def _rows(root: Path, table: str, day: date = TODAY) -> list[dict[str, Any]]:
    publication = current_publication(load_chain(root).paths)
    assert publication is not None
    if not publication.tables[table].rows:
        return []
    with duckdb.connect() as con:
        found = con.sql(
            f"select * from {publication.sql(table)} where business_date = date '{day}' order by all"
        )
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def _evening(root: Path) -> dict[str, list[dict[str, Any]]]:
    return {name: _rows(root, name) for name in ("markdown_plan", "markdown_audience", "campaign_candidates")}


def _stock(base: Path, change: Callable[[dict[str, str]], bool]) -> str:
    """The simulated stock file of today with the rows for which `change`, which may alter them, says so."""
    [path] = (base / "landing" / "pos_main" / "stock" / TODAY.isoformat()).glob("stock_*")
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode("utf-8-sig"))))
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys())
    writer.writeheader()
    writer.writerows(row for row in rows if change(row))
    return out.getvalue()


def _bring(root: Path, name: str, text: str, *, alone: bool = False) -> None:
    folder = root / "landing" / "pos_main" / "stock" / TODAY.isoformat()
    if alone:
        for path in folder.iterdir():
            path.unlink()
    (folder / name).write_text(text, "utf-8")


class _KilledError(Exception):
    pass


def test_killed_at_every_step_and_repeated_the_lists_are_the_same(root: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(root, tmp_path / "whole", symlinks=True))
    whole = decide_evening(load_chain(other), TODAY)
    assert whole.publication is not None and whole.as_of == BEFORE
    for killed_at in STEPS:

        def step(name: str, killed_at: str = killed_at) -> None:
            if name == killed_at:
                raise _KilledError(name)

        with pytest.raises(_KilledError):
            decide_evening(load_chain(root), TODAY, step=step)
        published = _rows(root, "markdown_plan")
        assert published == (_rows(other, "markdown_plan") if killed_at == "published" else [])
    again = decide_evening(load_chain(root), TODAY)
    assert again.publication is not None
    assert again.publication.publication_id == whole.publication.publication_id
    assert _evening(root) == _evening(other)
    assert (again.shops, again.audience, again.candidates) == (whole.shops, whole.audience, whole.candidates)
    # what the oracle makes of the log
    publication = again.publication
    with duckdb.connect() as con:
        owners = con.sql(
            f"select connection, feed, record_id, member_id from {publication.sql('record_members')}"
        )
        members = {tuple(row[:3]): row[3] for row in owners.fetchall()}
    events = read_events(root / "truth" / "events.csv.gz")
    before = Known(events, BEFORE, members)
    listed = oracle.listed(before, [e for e in events if e.kind == "stock_count" and e.night == TODAY], TODAY)
    plan = _rows(root, "markdown_plan")
    assert {(r["store_code"], r["business_date"], r["sku"]) for r in plan} == listed.keys() and plan
    shops = {s.store_code: (s.lng, s.lat) if s.lng and s.lat else None for s in load_chain(root).stores}
    near = oracle.audience(before, {key[0] for key in listed}, shops)  # type: ignore[arg-type]
    told = _rows(root, "markdown_audience")
    assert {(r["store_code"], r["member_id"]) for r in told} == near.keys() and near
    assert {r["rule_hash"] for r in (*plan, *told)} == {load_chain(root).rules.markdown.hash}


def test_late_corrected_and_followed_by_nights(base: Path, root: Path) -> None:
    first, second = sorted(store.store_code for store in load_chain(root).stores)
    _bring(root, "a.csv", _stock(base, lambda row: row["store_code"] == first), alone=True)
    result = decide_evening(load_chain(root), TODAY)
    assert set(result.shops) == {first}
    assert any(second in warning for warning in result.warnings)
    early = _rows(root, "markdown_plan")

    # the second shop's count comes late, with one of the first shop that says that nothing is left
    def corrected(row: dict[str, str]) -> bool:
        if row["store_code"] == first:
            row["on_hand_qty"] = "0"
        return True

    _bring(root, "b.csv", _stock(base, corrected))
    result = decide_evening(load_chain(root), TODAY)
    assert set(result.shops) == {first, second}
    evening = _evening(root)
    assert [row for row in evening["markdown_plan"] if row["store_code"] == first] == early
    assert _rows(root, "markdown_results") == []

    # the night before is run again: readers keep the evening, and the afternoon can be repeated
    assert run_nights(root, BEFORE, BEFORE).success
    assert last_published_as_of(load_chain(root).paths) == BEFORE
    assert _evening(root) == evening
    with connect(root / "warehouse.duckdb") as con:
        late = con.execute(
            "select count(*) from staging.stg_pos__stock where arrived_on > ?", [BEFORE]
        ).fetchall()
    assert late == [(0,)]
    decide_evening(load_chain(root), TODAY)
    assert _evening(root) == evening

    # the night of the day
    assert run_nights(root, TODAY, TODAY).success
    after = _evening(root)
    assert after["markdown_plan"] == evening["markdown_plan"]
    assert after["markdown_audience"] == evening["markdown_audience"]
    mine = [row for row in after["campaign_candidates"] if row["campaign_id"] == "evening_markdown"]
    assert [(r["member_id"], r["outcome"], r["planned_at"]) for r in mine] == [
        (r["member_id"], r["outcome"], r["planned_at"]) for r in evening["campaign_candidates"]
    ]
    results = {(row["store_code"], row["sku"]): row for row in _rows(root, "markdown_results")}
    assert results.keys() == {(row["store_code"], row["sku"]) for row in after["markdown_plan"]}
    assert {row["left_qty"] for (store, _), row in results.items() if store == first} == {0}
    with pytest.raises(PublishError, match="不能再定"):
        run_evening(root, TODAY)


def test_a_day_without_counts_lists_nothing(root: Path) -> None:
    shutil.rmtree(root / "landing" / "pos_main" / "stock" / TODAY.isoformat())
    result = run_evening(root, TODAY)
    assert (result.shops, result.audience, result.candidates) == ({}, 0, 0)
    assert result.warnings and result.report is not None
    assert _evening(root)["markdown_plan"] == []


@pytest.mark.parametrize(
    ("state", "value", "day", "reason", "nights"),
    [
        # the night of the day itself was begun early: nothing is missing before it
        ("attempted_as_of", f"{TODAY}", TODAY, rf"{TODAY} 那一晚开始了，没有跑完", rf"--date {BEFORE}$"),
        # the night before was begun and not published: it, and not the one that is, has to run
        ("attempted_as_of", f"{TODAY}", _END, rf"{TODAY} 那一晚开始了", rf"--date {TODAY}$"),
        ("attempted_as_of", f"{TODAY}", _END + timedelta(days=1), rf"{TODAY} 那一晚开始了",
         rf"--from {TODAY} --to {_END}$"),
        ("built_as_of", f"{TODAY}", TODAY, rf"{BEFORE} 那一晚重跑过，没有跑完", rf"--date {BEFORE}$"),
        ("staging_code", "older", TODAY, "程序升级以后还没有跑过一晚", rf"--date {BEFORE}$"),
    ],
)  # fmt: skip
def test_why_an_evening_cannot_be_decided_and_what_to_run(
    root: Path, state: str, value: str, day: date, reason: str, nights: str
) -> None:
    with connect(root / "warehouse.duckdb") as con:
        con.execute("update ops.state set value = ? where name = ?", [value, state])
    with pytest.raises(
        NotReadyError, match=rf"最新发布是 {BEFORE}.*{reason}.*linli run --chain \S+ {nights}"
    ):
        decide_evening(load_chain(root), day)


def test_a_missing_night_is_told_with_the_run_that_brings_it(root: Path) -> None:
    late = decide_evening(load_chain(root), _END)
    assert any(f"最新是 {BEFORE}" in line and line.endswith(f"--date {TODAY}") for line in late.warnings)


def test_nothing_published_is_no_evening(root: Path) -> None:
    shutil.rmtree(root / "published")
    (root / "warehouse.duckdb").unlink()
    with pytest.raises(PublishError, match="还没有任何发布"):
        run_evening(root, TODAY)
