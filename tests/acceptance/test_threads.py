"""The same lake gives the same rows, however many threads a query is split among and in whatever order they answer."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.benchmarks.models import (
    Model,
    compiled_plan,
    fingerprints_of,
    packaged_variables,
    parsed,
    run_models,
    set_as_profile,
)
from dagster_project.config import load_chain
from tests.acceptance.scenarios import Lab

WHOLE = ("set threads = 1", "set preserve_insertion_order = true")
TORN = (
    "set threads = 4",
    "pragma verify_parallelism",
)  # a table's rows in pieces of a few, as only large tables are


def _plan(chain: Path, folder: Path) -> list[Model]:
    """Everything that the chain's night builds, as dbt compiles it for a first build."""
    warehouse = _copied(chain, folder)
    variables = packaged_variables(load_chain(chain, resolve_secrets=False))
    with parsed(warehouse) as manifest:
        models = {name for name, node in manifest.nodes.items() if node.resource_type == "model"}
        return compiled_plan(folder, manifest, models, variables, lambda _: True, lambda _: False)


def _copied(chain: Path, folder: Path) -> Path:
    """The warehouse under its own name: compiled SQL says it in every table's name."""
    folder.mkdir()
    return Path(shutil.copy(chain / "warehouse.duckdb", folder))


def _built(chain: Path, folder: Path, plan: list[Model], settings: tuple[str, ...]) -> dict[str, Any]:
    with duckdb.connect(str(_copied(chain, folder))) as con:
        set_as_profile(con)
        for setting in settings:
            con.execute(setting)
        run_models(con, plan, "cold")
        return fingerprints_of(con, [m for m in plan if m.materialized in ("table", "incremental")])


@pytest.mark.slow
@pytest.mark.job("main")
def test_one_thread_and_four_build_the_same_tables(lab: Lab, tmp_path: Path) -> None:
    chain = Path(lab.job("main")["root"])
    plan = _plan(chain, tmp_path / "compiled")
    whole = _built(chain, tmp_path / "whole", plan, WHOLE)
    torn = _built(chain, tmp_path / "torn", plan, TORN)
    assert {name for name in whole if whole[name] != torn[name]} == set()
    assert sum(count > 0 for count, *_ in whole.values()) > 100
