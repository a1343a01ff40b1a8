"""Time: repeated, ranged, killed and rebuilt nights publish the same bytes; what was decided on a night stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance import readers
from tests.acceptance.chainkit import tree
from tests.acceptance.scenarios import BEFORE, EARLY, Lab
from tests.acceptance.world import LAST

AS_OF = ("member_metrics", "churn_tiers", "koc", "segment_members")
STATE = ("record_members", "members", "member_identifiers", "member_events", "identity_refusals", "orders", "order_lines",
         "segments")  # fmt: skip


def _difference(a: dict[str, str], b: dict[str, str]) -> list[str]:
    return sorted(path for path in a.keys() | b.keys() if a.get(path) != b.get(path))


def _undated(current: Path, table: str) -> list[dict[str, object]]:
    """The rows; dates of people WeCom knows left out: a snapshot not taken on a night cannot be taken later."""
    known = {row["member_id"] for row in readers.rows(current, "members", "has_wecom")}
    rows = readers.rows(current, table)
    for row in rows:
        if known & {row.get("member_id"), row.get("other_member_id")}:
            for column in ("first_seen_on", "valid_from", "valid_to", "occurred_on"):
                row.pop(column, None)
            if table == "member_events":
                row.pop("event_id")
    return sorted(rows, key=repr)


@pytest.mark.job("main")
def test_decisions_of_an_earlier_night_are_still_there_byte_for_byte(lab: Lab, current: Path) -> None:
    early = tree(lab.folder / "early")
    for table in AS_OF:
        part = {
            path: digest for path, digest in early.items() if path.startswith(f"{table}/as_of_date={EARLY}")
        }
        assert part, f"{table} has no rows of {EARLY}"
        assert {path: tree(current).get(path) for path in part} == part


@pytest.mark.job("rebuilt")
def test_rebuild_from_the_lake_alone_gives_the_same_bytes(lab: Lab) -> None:
    assert _difference(lab.job("rebuilt"), lab.job("main")["tree"]) == []


@pytest.mark.job("killed")
def test_kill_then_run_again_gives_the_same_bytes(lab: Lab) -> None:
    job = lab.job("killed")
    assert _difference(job["tree"], lab.job("main")["tree"]) == [], job["moments"]


@pytest.mark.job("killed")
def test_readers_see_a_whole_night_after_a_kill(lab: Lab) -> None:
    job = lab.job("killed")
    assert set(job["seen"]) <= {EARLY, LAST}, job["moments"]


@pytest.mark.slow
@pytest.mark.job("killed_often")
def test_four_kills_in_a_row_change_no_byte(lab: Lab) -> None:
    job = lab.job("killed_often")
    assert _difference(job["tree"], lab.job("main")["tree"]) == [], job["moments"]
    assert set(job["seen"]) <= {EARLY, LAST}, job["moments"]


@pytest.mark.slow
@pytest.mark.job("again")
def test_running_a_night_twice_changes_no_byte(lab: Lab) -> None:
    assert _difference(lab.job("again")["repeated"], lab.job("main")["tree"]) == []


@pytest.mark.slow
@pytest.mark.job("again")
def test_an_older_night_run_again_does_not_publish_backwards(lab: Lab) -> None:
    assert _difference(lab.job("again")["older"], lab.job("main")["tree"]) == []


@pytest.mark.slow
@pytest.mark.job("nights")
def test_range_and_each_night_agree(lab: Lab, current: Path) -> None:
    """State tables and the last night's rows; the nights between are published only by --each-night."""
    other = lab.job("nights")["root"] / "published" / "current"
    for table in STATE:
        assert _undated(current, table) == _undated(other, table), table
    for table in AS_OF:
        night = f"as_of_date = date '{LAST}'"
        assert readers.rows(current, table, night) == readers.rows(other, table, night), table
    days = [
        sorted((r["store_code"], str(r["business_date"]), r["orders"], r["net_fen"], r["identified_orders"], r["new_members"])
               for r in readers.rows(folder, "store_days"))
        for folder in (current, other)
    ]  # fmt: skip
    assert days[0] == days[1]


@pytest.mark.slow
@pytest.mark.job("truncated")
def test_the_lake_cut_at_a_night_rebuilds_what_was_published_that_night(lab: Lab) -> None:
    """State and that night's rows; the rows of the night before it cannot come back without its own run."""
    rebuilt = tree((lab.job("truncated") / "published" / "current").resolve())
    then = tree(lab.folder / "before")
    state = tuple(f"{table}/" for table in (*STATE, "store_days", "messages"))
    wanted = {p: d for p, d in then.items() if p.startswith(state) or f"={BEFORE}/" in p}
    assert {p.split("/")[0] for p in wanted} >= {*STATE, *AS_OF, "store_days"}
    assert sorted(p for p, digest in wanted.items() if rebuilt.get(p) != digest) == []
    assert sorted(p for p in rebuilt if p.startswith(state) and p not in then) == []


@pytest.mark.slow
@pytest.mark.job("fresh")
def test_the_whole_history_in_another_folder_gives_the_same_bytes(lab: Lab) -> None:
    assert _difference(lab.job("fresh"), lab.job("main")["tree"]) == []
