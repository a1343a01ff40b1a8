"""`linli bench identity` as a whole, small: every way runs, a night equals a rebuild, one table is printed. `make accept`
runs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from dagster_project.benchmarks import identity as benchmark
from dagster_project.benchmarks import identity_models
from dagster_project.cli.bench import identity
from tests.benchmarks.test_identity import one


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, benchmark.World]]:
    folder = tmp_path_factory.mktemp("bench") / "world"
    yield folder, benchmark.measure(folder, 1500, lambda text: None)


def test_every_way_is_measured_and_scored(measured: tuple[Path, benchmark.World]) -> None:
    _, found = measured
    rows = {outcome.way: outcome for outcome in found.outcomes}
    assert set(rows) == {*benchmark.OURS, *benchmark.OTHERS, "oracle"} - set(found.missing)
    assert rows["oracle"].precision == 1 and rows["oracle"].mixed_share == 0
    components = [rows[way] for way in ("splink", "scipy", "recursive") if way in rows]
    assert len({(way.members, way.precision, way.recall) for way in components}) == 1
    for row in found.outcomes:
        assert 0 < row.precision <= 1 and 0 < row.recall <= 1 and row.seconds > 0 and row.peak_mb > 50
        assert 0 < row.recognition <= 1
        assert (row.search_seconds > 0 and row.search_mb > 50) == (row.way in benchmark.OURS)
    assert max(rows["ours"].recall, rows["limited"].recall) <= rows["oracle"].recall
    # constraints gain precision over components, or they are not worth having
    assert rows["ours"].precision > rows["scipy"].precision
    assert found.night_equals_rebuild is True


def test_the_production_models_ran_on_columns_that_the_world_knows(
    measured: tuple[Path, benchmark.World],
) -> None:
    folder, _ = measured
    with identity_models.open_warehouse(folder) as con:
        wanted = {
            name for name, *_ in con.execute("describe intermediate.int_identity_statements").fetchall()
        }
        known = {name for name, *_ in con.execute("describe world.statements").fetchall()}
        known.add("record_key")  # of the record's name; `fill` makes it
        assert wanted <= known, f"teach identity_world what statements have learnt: {wanted - known}"
        # the world's own claims, which the others start from, are the model's
        columns = "connection, feed, record_id, namespace_a, identifier_a, namespace_b, identifier_b, rule, basis, role,"
        columns += " first_seen_on, first_at, last_at, ended_at, gone_on"
        ours = f"select {columns} from intermediate.int_identity_claims"
        theirs = f"select {columns} from world.claims where not revoked"
        assert one(con, f"select count(*) from ({ours} except all {theirs})") == 0
        assert one(con, f"select count(*) from ({theirs} except all {ours})") == 0
        for table in ("int_identity_payers", "int_identity_names"):
            assert one(con, f"select count(*) from intermediate.{table}") > 0, table
        for model in identity_models.fingerprints(con, folder):
            assert one(con, f"select count(*) from audit.{model}") > 0, model


def test_the_command_prints_one_table(
    measured: tuple[Path, benchmark.World], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def recorded(folder: Path, size: int, say: object, **options: object) -> benchmark.World:
        asked.append((size, options))
        return measured[1]

    monkeypatch.setattr(benchmark, "measure", recorded)
    monkeypatch.setenv("COLUMNS", "140")
    done = CliRunner().invoke(identity, ["--members", "1500", "--seed", "3", "--no-others"])
    assert done.exit_code == 0, done.output
    [(size, options)] = asked
    assert (size, options["seed"], options["with_others"]) == (1500, 3, False)
    words = (
        "1,500 人",
        "Linli",
        "再跑一晚：秒",
        "递归",
        "按手机号",
        "上限",
        "1.0000",
        "≥ 0.9995",
        "没有跑",
        "1,000 个随机图",
    )
    for text in (*words, "--members 1000000 --members 5000000"):
        assert text in done.output
    assert done.output.count("┏") == 1
