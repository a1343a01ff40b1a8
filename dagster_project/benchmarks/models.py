"""The project's models as a benchmark runs them: compiled by dbt once, then run by bare DuckDB in one process."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from datetime import date
from graphlib import TopologicalSorter
from importlib.resources import files
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import yaml

if TYPE_CHECKING:
    from dagster_project.config import Chain

DBT = Path(__file__).resolve().parents[2] / "dbt"
KEY = b"b" * 32


@dataclass
class Model:
    """One model as the timed process needs it.

    cold, warm: SQL of a first and of a later build; a Python model has `path` instead. affected: the relation whose
    rows say what a later build takes out, by affected_columns, and by `number` where both have one; days: one whose
    business dates go whole. is_timed: the resolver's own, or made of what is. is_mart: a result.
    """

    name: str
    relation: str
    materialized: str
    unique_key: list[str]
    strategy: str
    affected: str
    affected_columns: list[str]
    number: str
    days: str
    language: str
    cold: str
    warm: str
    path: str
    refs: dict[str, str]
    config: dict[str, Any]
    is_timed: bool
    is_mart: bool


def empty_chain(folder: Path, as_of: date) -> Chain:
    """Makes `folder`/chain of the packaged template, its warehouse readied for the night `as_of`, without any data."""
    from dagster_project.config import load_chain
    from dagster_project.privacy import ChainKey
    from dagster_project.warehouse.prepare import prepare

    root = folder / "chain"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(str(files("dagster_project").joinpath("templates/chain")), root)
    chain = load_chain(root, resolve_secrets=False)
    prepare(chain, as_of, ChainKey(KEY), models=DBT)
    return chain


def packaged_variables(chain: Chain) -> str:
    """The variables of the chain's own rules, as dbt takes them."""
    from dagster_project.orchestration.dbt_runner import segment_variables

    return segment_variables(chain)


@contextmanager
def parsed(warehouse: Path) -> Iterator[Any]:
    """The parsed project, for dbt to work on this warehouse; it lets go of the file when the block ends."""
    # dbt and Dagster are imported here alone: a process that only runs compiled models needs neither
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    from dagster_project.orchestration.dbt_runner import parsed_project, project_files

    os.environ["LINLI_WAREHOUSE"] = str(warehouse)
    try:
        yield parsed_project(project_files())
    finally:
        DuckDBConnectionManager.close_all_connections()


def compiled_plan(
    folder: Path,
    manifest: Any,
    needed: set[str],
    variables: str,
    timed: Callable[[str], bool],
    mart: Callable[[Any], bool],
) -> list[Model]:
    """Builds the models in an empty warehouse, then compiles each for a first build and for a later one.

    Args:
        needed: unique ids; the plan has them in the order they are built in.
        timed, mart: what `is_timed` of a unique id and `is_mart` of a node are.
    """
    cold = _compiled(dbt(folder, manifest, ["run", "--full-refresh"], variables, needed))
    later = [u for u in needed if manifest.nodes[u].config.materialized == "incremental"]
    # the others are the same every night
    warm = cold | (_compiled(dbt(folder, manifest, ["compile"], variables, later)) if later else {})
    return [
        _model(
            manifest,
            unique_id,
            cold,
            warm,
            is_timed=timed(unique_id),
            is_mart=mart(manifest.nodes[unique_id]),
        )
        for unique_id in in_order(manifest, needed)
    ]


def write_plan(folder: Path, plan: list[Model], name: str = "plan") -> None:
    """Writes the plan down for the processes that run it."""
    (folder / f"{name}.json").write_text(json.dumps([asdict(model) for model in plan]), "utf-8")


def read_plan(folder: Path, name: str = "plan") -> list[Model]:
    """What `write_plan` wrote."""
    return [Model(**model) for model in json.loads((folder / f"{name}.json").read_text("utf-8"))]


def dbt(folder: Path, manifest: Any, command: list[str], variables: str, models: Iterable[str]) -> Any:
    """Results of a dbt command on models by unique id, in this process; its chatter goes to folder/target.

    Raises:
        RuntimeError: something failed; with its names.
    """
    from dbt.cli.main import dbtRunner

    from dagster_project.orchestration.dbt_runner import IN_SILENCE

    target = folder / "target"
    target.mkdir(exist_ok=True)
    names = sorted(manifest.nodes[unique_id].name for unique_id in models)
    folders = ["--project-dir", str(DBT), "--profiles-dir", str(DBT)]
    folders += ["--target-path", str(target), "--log-path", str(target)]
    with (target / "dbt.out").open("a", encoding="utf-8") as chatter, redirect_stdout(chatter):
        outcome: Any = dbtRunner(manifest=manifest).invoke(
            [*IN_SILENCE, *command, "--vars", variables, *folders, "--select", *names]
        )
    if not outcome.success:
        failed = [
            f"{r.node.name}: {r.message}" for r in outcome.result or () if r.status not in ("success", "pass")
        ]
        raise RuntimeError(f"dbt {command[0]}: {outcome.exception or failed}")
    return outcome.result


def _compiled(results: Any) -> dict[str, str]:
    return {result.node.unique_id: result.node.compiled_code for result in results}


def in_order(manifest: Any, models: set[str]) -> list[str]:
    """Every model after those it reads; by name among equals, so that two plans of one project are equal."""
    sorter = TopologicalSorter({m: set(manifest.nodes[m].depends_on.nodes) & models for m in models})
    sorter.prepare()
    ordered: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        sorter.done(*ready)
        ordered += ready
    return ordered


def _model(
    manifest: Any,
    unique_id: str,
    cold: dict[str, str],
    warm: dict[str, str],
    *,
    is_timed: bool,
    is_mart: bool,
) -> Model:
    node = manifest.nodes[unique_id]
    if node.config.pre_hook or node.config.post_hook:
        raise NotImplementedError(f"{node.name}: the benchmark runs no hooks")
    is_python = node.language == "python"
    key = node.config.unique_key or []
    keys = [key] if isinstance(key, str) else list(key)
    affected, days = (node.config.meta.get(name, "") for name in ("affected", "days"))
    parents = [
        manifest.nodes.get(name) or manifest.sources[name]
        for name in node.depends_on.nodes
        if _is_table(name)
    ]
    return Model(
        name=node.name,
        relation=node.relation_name or "",
        materialized=node.config.materialized,
        unique_key=keys,
        strategy=node.config.incremental_strategy or "append",
        affected=next(p.relation_name for p in parents if p.name == affected) if affected else "",
        days=next(p.relation_name for p in parents if p.name == days) if days else "",
        affected_columns=node.config.meta.get("affected_columns", keys),
        number=node.config.meta.get("number", ""),
        language=node.language,
        cold="" if is_python else cold[unique_id],
        warm="" if is_python else warm[unique_id],
        path=node.original_file_path,
        refs={_ref_name(parent): parent.relation_name for parent in parents},
        config={name: value for name, value in node.config.to_dict().items() if _is_plain(value)},
        is_timed=is_timed,
        is_mart=is_mart,
    )


def _is_table(unique_id: str) -> bool:
    return unique_id.split(".")[0] in ("model", "seed", "snapshot", "source")


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool | list)


def _ref_name(node: Any) -> str:
    return f"{node.source_name}.{node.name}" if node.resource_type == "source" else node.name


def fingerprints_of(connection: duckdb.DuckDBPyConnection, models: list[Model]) -> dict[str, tuple[Any, ...]]:
    """Row count and order-free hash of each model's table; equal for equal tables."""
    return {
        model.name: connection.execute(
            f"select count(*), sum(hash(t)::hugeint), bit_xor(hash(t)) from {model.relation} as t"
        ).fetchall()[0]
        for model in models
    }


def run_models(
    connection: duckdb.DuckDBPyConnection,
    models: list[Model],
    night: str,
    loaded: dict[str, Callable[..., Any]] | None = None,
) -> dict[str, float]:
    """Runs models in order, each stored as its materialisation says; returns the seconds each took."""
    took = {}
    for model in models:
        if model.materialized == "ephemeral":
            continue  # dbt has put it into those that read it
        started = time.perf_counter()
        body = model.warm if night == "warm" else model.cold
        is_later = night == "warm" and model.materialized == "incremental"
        if model.language == "python":
            function = (loaded or {}).get(model.name) or python_function(model)
            connection.register("bench_rows", function(DbtOf(connection, model, is_later), connection))
            body = "select * from bench_rows"
        _store(connection, model, body, is_later)
        if model.language == "python":
            connection.unregister("bench_rows")
        took[model.name] = time.perf_counter() - started
    return took


def _store(connection: duckdb.DuckDBPyConnection, model: Model, body: str, is_later: bool) -> None:
    if model.materialized == "view":
        connection.execute(f"create or replace view {model.relation} as {body}")
    elif not is_later:
        if model.materialized not in ("table", "incremental"):
            raise NotImplementedError(f"{model.name}: materialised as {model.materialized}")
        connection.execute(f"create or replace table {model.relation} as {body}")
    else:
        connection.execute(f"create or replace temp table bench_arrivals as {body}")
        if model.strategy == "replaced":
            connection.execute(f"delete from {model.relation}")
        elif model.strategy == "affected":
            _delete(connection, model, model.affected, model.affected_columns)
            if model.days:
                connection.execute(
                    f"delete from {model.relation} where business_date in (select business_date from {model.days})"
                )
        elif model.unique_key and model.strategy != "append":
            _delete(connection, model, "bench_arrivals", model.unique_key)
        connection.execute(f"insert into {model.relation} by name select * from bench_arrivals")
        connection.execute("drop table bench_arrivals")


def _delete(connection: duckdb.DuckDBPyConnection, model: Model, affected: str, columns: list[str]) -> None:
    if model.strategy == "affected":
        going = f"({', '.join(model.unique_key)}) in (select {', '.join(columns)} from {affected})"
        if model.number:
            going = f"{model.number} in (select {model.number} from {affected}) and {going}"
    else:
        # rows whose keys are null are the same rows
        pairs = zip(model.unique_key, columns, strict=True)
        same = " and ".join(f"kept.{mine} is not distinct from affected.{theirs}" for mine, theirs in pairs)
        going = f"exists (select 1 from {affected} as affected where {same})"
    connection.execute(f"delete from {model.relation} as kept where {going}")


def reached(starts: Iterable[str], beside: Callable[[str], Iterable[str]]) -> set[str]:
    """The starts and all that can be come to from them, going from each to those beside it."""
    found = set(starts)
    queue = list(found)
    while queue:
        near = set(beside(queue.pop())) - found
        found |= near
        queue += near
    return found


def made_of(manifest: Any, models: Iterable[str]) -> set[str]:
    """Unique ids of these models and of every model that they are made of."""

    def parents(unique_id: str) -> Iterable[str]:
        return (name for name in manifest.nodes[unique_id].depends_on.nodes if name.startswith("model."))

    return reached(models, parents)


def set_as_profile(connection: duckdb.DuckDBPyConnection) -> None:
    """Gives the connection the settings that dbt's profile gives to its own."""
    profile = yaml.safe_load((DBT / "profiles.yml").read_text("utf-8"))["linli"]["outputs"]["duckdb"]
    for name, value in profile.get("settings", {}).items():
        connection.execute(f"set {name} = '{value}'")
    connection.execute("set enable_progress_bar = false")


def python_function(model: Model) -> Callable[..., Any]:
    """`model` of a Python model's file."""
    spec = spec_from_file_location(model.name, DBT / model.path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Callable[..., Any] = module.model
    return function


class _Config:
    """What `dbt.config` is to a Python model: called to declare, asked with `get`."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def __call__(self, **_declared: Any) -> None:
        return None

    def get(self, name: str, default: Any = None) -> Any:
        value = self._values.get(name)
        return default if value is None else value


class DbtOf:
    """The part of dbt's object that a Python model sees: ref, source, this, is_incremental, config."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, model: Model, is_later: bool) -> None:
        self._connection, self._model = connection, model
        self.config = _Config(model.config)
        self.this = model.relation
        self.is_incremental = is_later

    def ref(self, *names: str, **_: Any) -> duckdb.DuckDBPyRelation:
        return self._connection.sql(f"select * from {self._model.refs[names[-1]]}")

    def source(self, *names: str) -> duckdb.DuckDBPyRelation:
        return self._connection.sql(f"select * from {self._model.refs['.'.join(names)]}")
