"""The models after One ID, built by dbt as a night builds them and by bare DuckDB as the floor.

`prepare` makes a chain whose warehouse holds the world of `marts_world`, and writes down the compiled SQL of every model
that stands neither in staging nor in One ID's rooms. `built` lets dbt build and test them, `bare` runs what was written
down in one process, with the settings of dbt's profile.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.benchmarks import marts_segments
from dagster_project.benchmarks.marts_world import (
    CATEGORIES,
    END,
    GROUPS,
    Sizes,
    fill_history,
    fill_night,
)
from dagster_project.benchmarks.models import (
    KEY,
    compiled_plan,
    dbt,
    empty_chain,
    fingerprints_of,
    made_of,
    packaged_variables,
    parsed,
    read_plan,
    run_models,
    set_as_profile,
    write_plan,
)
from dagster_project.segments import Segment, SegmentFile, check, plan_variable
from dagster_project.warehouse import mark_digested
from dagster_project.warehouse.ops import TABLES, Night, write

# staging, and what One ID computes or what is said of it: written by the world, or not asked for
GIVEN = (
    "staging",
    "intermediate.identity",
    "intermediate.identity_health",
    "intermediate.suggestions",
    "marts.identity",
    "marts.recognition",
    "marts.suggestions",
)
_OF_SEGMENTS = ("rule_segments", "window_days")  # ops tables that the rules' segments shape
PACKAGED, MANY = "packaged", "many"  # plans: all models with the packaged segments; many segments' models


def prepare(folder: Path, sizes: Sizes, segments: int, say: Callable[[str], None]) -> dict[str, int]:
    """Makes `folder`/chain with the world of night 0 in its warehouse, nothing of it built yet.

    Returns:
        models: how many a build has; tests: how many data tests come with them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chain = empty_chain(folder, END)
    counts = _write_plan(folder, PACKAGED, packaged_variables(chain))
    if segments:
        check(rules := _many(segments))
        variables = json.dumps({"segment_plan": plan_variable(rules)}, ensure_ascii=False)
        _write_plan(folder, MANY, variables)
    with bare_warehouse(folder) as connection:
        fill_history(connection, sizes, say)
    (folder / "sizes.json").write_text(json.dumps(asdict(sizes)), "utf-8")
    return counts


def _write_plan(folder: Path, name: str, variables: str) -> dict[str, int]:
    """Compiles a plan's models, all that they read being there."""
    with parsed(folder / "chain" / "warehouse.duckdb") as manifest:
        asked = _asked(manifest, name)
        needed = made_of(manifest, asked) if name == PACKAGED else asked
        plan = compiled_plan(folder, manifest, needed, variables, asked.__contains__, _is_mart)
        tests = sum(
            node.resource_type == "test" and bool(asked & set(node.depends_on.nodes))
            for node in manifest.nodes.values()
        )
    write_plan(folder, [model for model in plan if model.is_timed], name)
    (folder / f"{name}.variables.json").write_text(variables, "utf-8")
    return {"models": len(asked), "tests": tests}


def next_night(folder: Path, number: int) -> None:
    """Marks what is there as digested, then puts what night `number` brings where landing, staging and One ID would."""
    from dagster_project.config import load_chain

    mark_digested(load_chain(folder / "chain", resolve_secrets=False))
    sizes = Sizes(**json.loads((folder / "sizes.json").read_text("utf-8")))
    with bare_warehouse(folder) as connection:
        fill_night(connection, sizes, number)


def ask_many(folder: Path, segments: int) -> None:
    """The chain has so many generated segments from now on; writes what ops tells of them, as a night would."""
    from dagster_project.config import load_chain
    from dagster_project.privacy import ChainKey

    chain = load_chain(folder / "chain", resolve_secrets=False)
    chain = replace(chain, rules=chain.rules.model_copy(update={"segments": tuple(_many(segments))}))
    night = Night(chain, END, ChainKey(KEY))
    with bare_warehouse(folder) as connection:
        for table in TABLES:
            if table.name in _OF_SEGMENTS:
                write(connection, table.name, table.arrow(night))


def _many(segments: int) -> list[Segment]:
    return list(
        SegmentFile.model_validate(
            {"segments": marts_segments.segments(segments, CATEGORIES, GROUPS)}
        ).segments
    )


def built(folder: Path, night: str, plan: str) -> Callable[[], dict[str, float]]:
    """Readies dbt; the returned function builds and tests the models of a plan and returns seconds by node.

    `night`: `cold` makes everything anew, `warm` as a night after a build does.
    """
    warehouse = folder / "chain" / "warehouse.duckdb"
    variables = (folder / f"{plan}.variables.json").read_text("utf-8")
    with parsed(warehouse) as manifest:
        asked = _asked(manifest, plan)
    # tests of what they make and of what that is made of, not of what reads it
    command = ["build", "--exclude-resource-type", "unit_test", "--indirect-selection", "buildable"]
    command += ["--full-refresh"] if night == "cold" else []

    def run() -> dict[str, float]:
        with parsed(warehouse):
            results = dbt(folder, manifest, command, variables, asked)
        return {result.node.name: result.execution_time for result in results}

    return run


def bare(
    connection: duckdb.DuckDBPyConnection, folder: Path, night: str, plan: str
) -> Callable[[], dict[str, float]]:
    """Readies the compiled models; the returned function runs them one after the other, tests none."""
    models = read_plan(folder, plan)

    def run() -> dict[str, float]:
        took = run_models(connection, models, night)
        connection.execute("checkpoint")
        return took

    return run


def run_others(folder: Path) -> None:
    """A night of every model but those of the many segments, untimed."""
    many = {model.name for model in read_plan(folder, MANY)}
    with bare_warehouse(folder) as connection:
        run_models(connection, [m for m in read_plan(folder, PACKAGED) if m.name not in many], "warm")


def bare_warehouse(folder: Path) -> duckdb.DuckDBPyConnection:
    """The warehouse with the settings that dbt's profile gives it."""
    connection = duckdb.connect(
        str(folder / "chain" / "warehouse.duckdb"), config={"allow_unsigned_extensions": False}
    )
    set_as_profile(connection)
    return connection


def fingerprints(folder: Path) -> dict[str, list[Any]]:
    """Row count and order-free hash of every mart of the plan."""
    with bare_warehouse(folder) as connection:
        marts = [model for model in read_plan(folder, PACKAGED) if model.is_mart]
        return {
            name: [str(part) for part in found] for name, found in fingerprints_of(connection, marts).items()
        }


def rows_of(folder: Path, tables: Iterable[str]) -> dict[str, int]:
    """How many rows each of these tables has."""
    with bare_warehouse(folder) as connection:
        return {
            table: int(connection.execute(f"select count(*) from {table}").fetchall()[0][0])
            for table in tables
        }


def keep(folder: Path, name: str = MANY) -> None:
    """Copies the tables of the many segments' models to schema `bench`; with `restore` they are as they were."""
    with bare_warehouse(folder) as connection:
        for model in read_plan(folder, name):
            connection.execute(
                f"create or replace table bench.kept_{model.name} as select * from {model.relation}"
            )


def restore(folder: Path, name: str = MANY) -> None:
    """What `keep` copied is put back."""
    with bare_warehouse(folder) as connection:
        for model in read_plan(folder, name):
            connection.execute(
                f"create or replace table {model.relation} as select * from bench.kept_{model.name}"
            )


def copied(folder: Path) -> Path:
    """A second folder with the same plans and a copy of the warehouse."""
    other = folder.with_name(folder.name + "-copy")
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(folder, other)
    return other


def _asked(manifest: Any, plan: str) -> set[str]:
    return {
        unique_id
        for unique_id, node in manifest.nodes.items()
        if node.resource_type == "model"
        and not _room(node).startswith(GIVEN)
        and (plan == PACKAGED or node.name.startswith(("int_segment_", "segment")))
    }


def _room(node: Any) -> str:
    return ".".join(node.fqn[1:-1])


def _is_mart(node: Any) -> bool:
    return bool(node.fqn[1] == "marts")
