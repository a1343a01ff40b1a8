"""Runs dbt inside this process: its imports and its parsed project are paid for once, not once a night."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from dagster_project.config import Chain
from dagster_project.lang import tr
from dagster_project.orchestration.context import DBT_DIR
from dagster_project.segments import plan_variable
from dagster_project.warehouse import build_reasons, make_members_anew, names_have_turned

# what dagster-dbt turns into materialisations and checks
_STAGING = ("path:models/staging",)
_RESULTS = {"LogSeedResult", "LogModelResult", "LogSnapshotResult", "LogTestResult", "LogNodeResult"}

# the events say what failed and Dagster keeps them; lines of a log and files that nobody reads cost a tenth of a build
IN_SILENCE = ("--log-level", "none", "--log-level-file", "none", "--no-write-json")


class ModelsFailedError(RuntimeError):
    """A model or a blocking test failed; nothing is published."""


@dataclass
class DbtRun:
    """`events`: dbt's result events as JSON-like dicts. `failures`: what failed, one line per node."""

    success: bool
    events: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def followed_by(self, later: DbtRun) -> DbtRun:
        """Both runs as one; what both built counts as the later one built it."""
        again = {_node_of(event) for event in later.events}
        events = [event for event in self.events if _node_of(event) not in again]
        return DbtRun(later.success, events + later.events, later.failures)


def _node_of(event: dict[str, Any]) -> str:
    return str(event.get("data", {}).get("node_info", {}).get("unique_id"))


def segment_variables(chain: Chain) -> str:
    """The only variable that models take: the segments and tags of the rules, compiled, as JSON."""
    variable = plan_variable(chain.rules.segments, chain.rules.metrics.rule_tags)
    return json.dumps({"segment_plan": variable}, ensure_ascii=False)


def run_dbt(
    chain: Chain,
    target: Path,
    *,
    full_refresh: bool = False,
    select: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> DbtRun:
    """Builds and tests models on the chain's warehouse.

    Args:
        target: folder for the compiled SQL of this run.
        select, exclude: dbt selectors; none means all models.

    The warehouse is closed when this returns. What dbt warns of and what its libraries print goes to `dbt.out` in `target`.
    """
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner
    from dbt_common.events.functions import msg_to_dict

    target.mkdir(parents=True, exist_ok=True)
    os.environ["LINLI_WAREHOUSE"] = str(chain.paths.warehouse)
    variables = segment_variables(chain)
    events: list[dict[str, Any]] = []

    def collect(message: Any) -> None:
        if message.info.name in _RESULTS:
            events.append(msg_to_dict(message))
        if message.info.level in ("warn", "error"):
            sys.stdout.write(f"{message.info.msg}\n")

    arguments = [*IN_SILENCE, "build", "--exclude-resource-type", "unit_test"]
    arguments += ["--vars", variables]
    arguments += ["--full-refresh"] if full_refresh else []
    arguments += ["--select", *select] if select else []
    arguments += ["--exclude", *exclude] if exclude else []
    folders = ["--project-dir", str(DBT_DIR), "--profiles-dir", str(DBT_DIR)]
    folders += ["--target-path", str(target), "--log-path", str(target)]
    runner = dbtRunner(manifest=parsed_project(project_files()), callbacks=[collect])
    try:
        with (target / "dbt.out").open("w", encoding="utf-8") as chatter, redirect_stdout(chatter):
            outcome = runner.invoke([*arguments, *folders])
    finally:
        DuckDBConnectionManager.close_all_connections()
    run = DbtRun(bool(outcome.success), events)
    if outcome.exception is not None:
        run.failures.append(str(outcome.exception))
    for result in getattr(outcome.result, "results", ()) or ():
        if result.status in ("error", "fail", "runtime error"):
            why = " ".join((result.message or "").split())
            run.failures.append(f"{result.node.name}: {why[:300]}")
    return run


def compile_models(chain: Chain, target: Path) -> None:
    """Compiles every model as a rebuild would run it, into `target`; nothing is built.

    Raises:
        ModelsFailedError: dbt could not.
    """
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    target.mkdir(parents=True, exist_ok=True)
    os.environ["LINLI_WAREHOUSE"] = str(chain.paths.warehouse)
    variables = segment_variables(chain)
    arguments = [*IN_SILENCE, "--no-populate-cache", "compile", "--full-refresh", "--vars", variables]
    arguments += ["--select", "resource_type:model", "--project-dir", str(DBT_DIR)]
    arguments += ["--profiles-dir", str(DBT_DIR), "--target-path", str(target), "--log-path", str(target)]
    runner = dbtRunner(manifest=parsed_project(project_files()))
    try:
        with (target / "dbt.out").open("w", encoding="utf-8") as chatter, redirect_stdout(chatter):
            outcome = runner.invoke(arguments)
    finally:
        DuckDBConnectionManager.close_all_connections()
    if not outcome.success:
        raise ModelsFailedError(
            tr(
                f"dbt 项目无法编译：{outcome.exception}",
                f"dbt cannot compile the project: {outcome.exception}",
            )
        )


def build_models(chain: Chain, target: Path) -> DbtRun:
    """Builds and tests every model as a night does: from what arrived, or from more where that is not enough.

    `target` as in `run_dbt`.
    """
    reasons = build_reasons(chain)
    if "refresh_reason" in reasons:
        return run_dbt(chain, target, full_refresh=True)
    if reasons:
        staging = run_dbt(chain, target, select=_STAGING)
        return staging.followed_by(_models_anew(chain, target)) if staging.success else staging
    run = run_dbt(chain, target)
    if run.success and names_have_turned(chain):
        make_members_anew(chain, "names mean something else than before")
        return run.followed_by(_models_anew(chain, target))
    return run


def _models_anew(chain: Chain, target: Path) -> DbtRun:
    return run_dbt(chain, target, full_refresh=True, exclude=_STAGING)


def project_files() -> tuple[tuple[str, int], ...]:
    """Names and change times of the project's files: an edited project is parsed again."""
    files = [p for p in DBT_DIR.rglob("*") if p.suffix in (".sql", ".yml", ".py") and "target" not in p.parts]
    return tuple(sorted((str(path), path.stat().st_mtime_ns) for path in files))


@cache
def parsed_project(_files: tuple[tuple[str, int], ...]) -> Any:
    """The parsed project; also leaves manifest.json in the project's target folder.

    One for all chains: rules come as variables when models are built. What dbt keeps of a parse serves every later process.
    """
    from dbt.cli.main import dbtRunner

    # parsing connects to nothing, but dbt parses anew for every value that the profile asks for; of it models know the stem
    asked = os.environ.get("LINLI_WAREHOUSE")
    os.environ["LINLI_WAREHOUSE"] = str(DBT_DIR / "target" / "warehouse.duckdb")
    try:
        outcome = dbtRunner().invoke(
            ["--quiet", "parse", "--project-dir", str(DBT_DIR), "--profiles-dir", str(DBT_DIR)]
        )
    finally:
        if asked is None:
            del os.environ["LINLI_WAREHOUSE"]
        else:
            os.environ["LINLI_WAREHOUSE"] = asked
    if not outcome.success:
        raise ModelsFailedError(
            tr(f"dbt 项目无法解析：{outcome.exception}", f"dbt cannot parse the project: {outcome.exception}")
        )
    return outcome.result
