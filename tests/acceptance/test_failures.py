"""What goes wrong at a source: told, put aside, and never a reason to lose the rest; a wrong unit stops the night."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import pytest

from tests.acceptance import readers
from tests.acceptance.chainkit import new_chain, run, tree
from tests.acceptance.scenarios import LAST, NEXT, Lab, published_night
from tests.acceptance.world import World


@pytest.mark.job("main")
def test_broken_files_are_put_aside_with_a_reason_and_the_rest_goes_on(lab: Lab, world: World) -> None:
    root = lab.job("main")["root"]
    with duckdb.connect(str(root / "warehouse.duckdb"), read_only=True) as connection:
        files = connection.execute("select night, file, status, reason from ops.files").fetchall()
        sums = connection.execute(
            "select count(*) from ops.files where status = 'loaded' and rows_read <> rows_loaded + rows_repeated + rows_rejected"
        ).fetchone()
    aside = {(night, name): reason for night, name, status, reason in files if status == "quarantined"}
    assert set(aside) == {(d.night, d.name) for d in world.deliveries if d.fate == "broken"}
    assert all(aside.values())
    repeated = {(night, name) for night, name, status, _ in files if status == "repeated"}
    assert repeated == {(d.night, d.name) for d in world.deliveries if d.fate == "repeat"}
    assert sums == (0,)


@pytest.mark.job("main")
def test_broken_and_missing_sources_are_said_aloud(lab: Lab) -> None:
    first, rest = (o.stdout + o.stderr for o in lab.job("main")["outputs"])
    assert "no_net.csv" in rest and "导出 订单(1).xlsx" in rest
    assert re.search(r"! .*crm", first), "WeCom was down"


@pytest.mark.job("main")
def test_staff_whose_customers_could_not_be_read_are_named(lab: Lab) -> None:
    """A snapshot that is not whole is not an ordinary night: 60111 for one member of staff."""
    assert "ghost" in lab.job("main")["outputs"][1].stdout


@pytest.mark.slow
@pytest.mark.job("nights")
def test_a_connection_that_brings_nothing_tonight_is_named(lab: Lab) -> None:
    assert "till_west" in lab.job("nights")["output"].stdout.split("✓")[1]


@pytest.mark.job("main")
def test_the_publication_tells_how_old_every_source_is(current: Path) -> None:
    told = json.loads((current / "publication.json").read_text())
    ages = {(s["connection"], s["feed"]): s for s in told["sources"]}
    assert told["as_of_date"] == LAST.isoformat()
    assert ages["till_east", "tickets"]["age_days"] == 0
    assert ages["till_east", "products"]["age_days"] == 13


@pytest.mark.job("refused")
def test_a_failing_blocking_check_keeps_the_last_good_publication(lab: Lab) -> None:
    job = lab.job("refused")
    assert job["stopped"].returncode == 1, job["stopped"].stdout[-2000:]
    assert job["published"] == lab.job("main")["tree"]
    assert "fen.csv" in job["stopped"].stdout  # says which file


@pytest.mark.slow
@pytest.mark.job("resumed")
def test_the_night_goes_on_when_the_bad_file_is_refused_by_hand(lab: Lab) -> None:
    job = lab.job("resumed")
    assert job["output"].returncode == 0, job["output"].stdout[-2000:] + job["output"].stderr[-2000:]
    assert published_night(job["root"]) == NEXT
    names = {r["source_order_id"] for r in readers.rows(job["root"] / "published" / "current", "orders")}
    assert not [name for name in names if name.startswith("bad")]


@pytest.mark.slow
@pytest.mark.job("offline")
def test_wecom_down_and_no_file_at_all_still_publishes(lab: Lab) -> None:
    """The customers read the night before stay: a relation is gone only when its pages were read."""
    job = lab.job("offline")
    assert job["output"].returncode == 0, job["output"].stdout[-3000:]
    assert "crm" in job["output"].stdout
    assert published_night(job["root"]) == NEXT
    current = job["root"] / "published" / "current"
    before = readers.rows(lab.job("main")["root"] / "published" / "current", "members", "has_wecom")
    assert {r["member_id"] for r in readers.rows(current, "members", "has_wecom")} == {
        r["member_id"] for r in before
    }


@pytest.mark.job("main")
def test_wecom_pages_token_and_errors_were_met(lab: Lab) -> None:
    """The stub's unkindness happened, nothing unknown was asked, and every customer of a readable page is there."""
    current = lab.job("main")["root"] / "published" / "current"
    assert lab.stub.unknown == []
    assert lab.stub.tokens == 2
    found = {r["record_id"] for r in readers.rows(current, "record_members", "feed = 'contacts'")}
    assert {c["external_userid"] for c in lab.world.wecom["contacts"]} == {r.split("|")[-1] for r in found}


@pytest.mark.job("main")
def test_landing_is_read_only_for_us(lab: Lab, world: World, tmp_path: Path) -> None:
    world.write_landing(tmp_path)
    assert set(tree(tmp_path)) == set(tree(lab.job("main")["root"] / "landing"))


def test_a_missing_secret_names_file_line_and_key(world: World, tmp_path: Path) -> None:
    root = new_chain(tmp_path / "chain", world, "http://127.0.0.1:9")
    result = run(root, LAST, HARBOUR_SECRET=None)
    assert result.returncode != 0
    assert "chain.yml" in result.stderr and "HARBOUR_SECRET" in result.stderr and "7" in result.stderr
    assert not (root / "lake").exists()
