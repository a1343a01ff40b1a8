"""Two members that were declared one person and are two again: every table stands as if they had never been one."""

from __future__ import annotations

import re
import shutil
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from dagster_project.config import load_chain
from dagster_project.orchestration.night import run_nights
from dagster_project.publish import Publication, current_publication, published_tables
from dagster_project.sandbox import running_sandbox
from dagster_project.simulator import simulate

END = date(2026, 11, 20)
DAYS = 12
# what was decided while they were one stays decided: who was asked, in which arm, and what came of it
DECIDED = {"campaign_candidates", "messages", "recall_lapses", "experiment_results"}


def night(root: Path, first: date, last: date) -> Publication:
    with running_sandbox(root / "sandbox" / "wecom_world.json") as sandbox:
        sandbox.set_clock(
            datetime.combine(last + timedelta(days=1), datetime.min.time()) + timedelta(hours=2)
        )
        told = root / "chain.yml"
        told.write_text(
            re.sub(r"http://127\.0\.0\.1:\d+", sandbox.base_url, told.read_text("utf-8")), "utf-8"
        )
        found = run_nights(root, first, last)
    assert found.success, found.failures
    publication = current_publication(load_chain(root, resolve_secrets=False).paths)
    assert publication is not None and publication.as_of == last
    return publication


def buyers(publication: Publication) -> list[str]:
    """The cards of the two members who buy most."""
    return [
        card
        for card, _ in duckdb.execute(
            "select 'pos_main|members|' || min(record_id) as card, count(distinct orders.order_key) as bought"
            f" from {publication.sql('record_members')} as records"
            f" inner join {publication.sql('orders')} as orders using (member_id)"
            " where records.feed = 'members' group by member_id order by bought desc, card limit 2"
        ).fetchall()
    ]


def rows(publication: Publication, table: str, as_of: date | None) -> list[tuple[object, ...]]:
    only = f" where as_of_date = date '{as_of}'" if as_of else ""
    return duckdb.execute(f"select * from {publication.sql(table)}{only} order by all").fetchall()


def test_parted_members_stand_as_if_they_had_never_been_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WECOM_SECRET", "demo")
    monkeypatch.delenv("LINLI_KEY", raising=False)
    root, never = tmp_path / "merged", tmp_path / "never"
    simulate(root, basis="synthetic", persons=150, stores=2, days=DAYS, seed=5, end=END)
    before = night(root, END - timedelta(days=DAYS - 1), END - timedelta(days=2))
    shutil.copytree(root, never, symlinks=True)
    one, other = buyers(before)
    decisions = root / "rules" / "identity_decisions.yml"
    was = decisions.read_text("utf-8")
    decisions.write_text(f'{was}\n- same: ["{one}", "{other}"]\n', "utf-8")
    merged = night(root, END - timedelta(days=1), END - timedelta(days=1))
    together = {
        row[3] for row in rows(merged, "record_members", None) if "|".join(map(str, row[:3])) in (one, other)
    }
    assert len(together) == 1
    decisions.write_text(was, "utf-8")
    parted = night(root, END, END)

    straight = night(never, END - timedelta(days=1), END)
    different = [
        spec.name
        for spec in published_tables()
        if spec.name not in DECIDED
        for as_of in [END if spec.kind == "as_of" else None]
        if rows(parted, spec.name, as_of) != rows(straight, spec.name, as_of)
    ]
    assert different == []
