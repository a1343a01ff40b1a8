"""The member centre's benchmark: a small world is built cold and for one more night, and the command prints it."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from dagster_project.benchmarks import marts as benchmark
from dagster_project.benchmarks import marts_models
from dagster_project.benchmarks.marts import Measured, Run
from dagster_project.benchmarks.marts_segments import segments, shares
from dagster_project.benchmarks.marts_world import CATEGORIES, GROUPS, Sizes
from dagster_project.cli.bench import marts
from dagster_project.segments import SegmentFile, check

SIZES = Sizes(members=2000, nights=20, a_night=60)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world of 2,000 members that bare DuckDB has built on night 0, with night 1 put on top."""
    folder = tmp_path_factory.mktemp("marts") / "world"
    marts_models.prepare(folder, SIZES, 0, lambda _: None)
    with marts_models.bare_warehouse(folder) as connection:
        marts_models.bare(connection, folder, "cold", marts_models.PACKAGED)()
    marts_models.next_night(folder, 1)
    return folder


def one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    [(value,)] = connection.execute(query).fetchall()
    return int(value)


def test_the_world_is_what_it_says(world: Path) -> None:
    with marts_models.bare_warehouse(world) as con:
        orders = one(con, "select count(*) from audit.orders")
        assert orders == pytest.approx(SIZES.orders, rel=0.02)
        assert one(con, "select count(*) from audit.order_lines") == pytest.approx(SIZES.lines, rel=0.1)
        assert one(con, "select count(*) from audit.member_metrics") == pytest.approx(SIZES.members, rel=0.01)
        # lines add up to what was paid, and nearly every order has a member
        assert (
            one(con, "select count(*) from audit.orders where is_purchase and member_id is null")
            < 0.1 * orders
        )
        unbalanced = "select count(*) from intermediate.int_pos_lines_unbalanced"
        assert one(con, unbalanced) == 0
        tonight = "from staging.stg_pos__tickets where arrived_on = date '2026-11-22'"
        assert one(con, f"select count(*) {tonight}") in range(30, 80)
        pending = one(con, "select count(*) from ops.pending_batches where batch_id not like '2026-11-22%'")
        assert pending == 0 < one(con, "select count(*) from ops.pending_batches")
        assert one(con, "select count(*) from intermediate.int_identity_redirects") > 0
        turned = "from bench.owners join bench.owners_before as was using (p) where owners.member_id != was.member_id"
        assert one(con, f"select count(*) {turned} and owners.member_id != owners.own_id") > 0  # merged
        assert one(con, f"select count(*) {turned} and owners.member_id = owners.own_id") > 0  # un-merged
        astray = (
            "from audit.record_members left join audit.members using (member_id)"
            " where record_members.member_id is not null and members.member_id is null"
        )
        assert one(con, f"select count(*) {astray}") == 0


def test_dbt_builds_a_night_that_equals_a_rebuild(world: Path) -> None:
    tonight = benchmark.main(["built", str(world), "warm", marts_models.PACKAGED])
    assert {"orders", "member_metrics", "store_days"} <= set(tonight["by_node"]) and tonight["peak_mb"] > 0
    after_the_night = marts_models.fingerprints(world)
    benchmark.main(["bare", str(world), "cold", marts_models.PACKAGED])
    assert marts_models.fingerprints(world) == after_the_night


def test_segments_are_valid_distinct_and_repeatable() -> None:
    rules = segments(500, CATEGORIES, GROUPS)
    check(SegmentFile.model_validate({"segments": rules}).segments)
    assert rules == segments(500, CATEGORIES, GROUPS)
    assert len({str(rule["all"]) for rule in rules}) > 470
    assert shares(rules)["events"] == pytest.approx(0.3, abs=0.06)
    assert shares(rules)["lines"] == pytest.approx(0.1, abs=0.04)


def _measured(differing: list[str]) -> Measured:
    def run(name: str, seconds: float) -> Run:
        nodes = {"orders": seconds / 2, "unique_orders": 0.25}
        return Run(name, seconds, 5000, nodes, seconds / 2, 4000, {"orders": seconds / 4})

    times = {"cold": 200.0, "night": 20.0, "segments": 50.0, "segments-night": 8.0, "grown": 23.0}
    sizes = Sizes(1_000_000, 300, 25_000)
    return Measured(sizes, 4, 500, 69, 94, [run(*each) for each in times.items()], differing)


@pytest.mark.parametrize("differing", [[], ["orders"]])
def test_the_table_has_goals_beside_figures(monkeypatch: pytest.MonkeyPatch, differing: list[str]) -> None:
    monkeypatch.setattr(benchmark, "measure", lambda *_, **__: _measured(differing))
    monkeypatch.setenv("COLUMNS", "160")
    result = CliRunner().invoke(marts, ["--slowest", "1"])
    cold = next(line for line in result.output.splitlines() if "全部重建" in line)
    assert [cell.strip() for cell in cold.split("│")[2:-1]] == [
        "200.0", "≤ 240", "100.0", "2.0×", "5,000", "≤ 8,192", "4,000",
    ]  # fmt: skip
    assert "1.15×" in result.output and "≤ 1.2×" in result.output
    assert "1 个检验合计" in result.output
    assert result.exit_code == (1 if differing else 0)
    assert ("从头重建不同：orders" in result.output) is bool(differing)
