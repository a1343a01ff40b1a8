"""dbt models and tests as assets and checks."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliResource,
    DbtProject,
    dbt_assets,
)

from dagster_project.config import Chain
from dagster_project.lang import tr
from dagster_project.orchestration.column_metadata import model_metadata
from dagster_project.orchestration.context import DBT_DIR, OWNERS, ChainResource
from dagster_project.orchestration.progress import tell
from dagster_project.warehouse import mark_digested
from dagster_project.warehouse.connect import connect

# marts are built and tested in this schema; publishing copies them to `marts`
AUDIT_SCHEMA = "audit"


def dbt_environment(chain: Chain) -> dict[str, str]:
    """Environment of a dbt process for one chain."""
    return {
        "LINLI_WAREHOUSE": str(chain.paths.warehouse),
        "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


def dbt_arguments(chain: Chain, *, full_refresh: bool, select: str | None = None) -> list[str]:
    """What dbt is asked to do in one run. Pure."""
    segments = [
        {"segment_id": s.segment_id, "predicate": s.predicate, "reason": s.reason}
        for s in chain.rules.segments
    ]
    variables = json.dumps({"segments": segments}, ensure_ascii=False)
    arguments = ["build", "--exclude-resource-type", "unit_test", "--vars", variables]
    if full_refresh:
        arguments.append("--full-refresh")
    if select:
        arguments += ["--select", select]
    return arguments


@cache
def dbt_project() -> DbtProject:
    """The dbt project; its manifest is made on first use and again when a file of the project changed."""
    project = DbtProject(project_dir=DBT_DIR, profiles_dir=DBT_DIR)
    manifest = Path(project.manifest_path)
    sources = [
        p
        for p in DBT_DIR.rglob("*")
        if p.suffix in (".sql", ".yml", ".py", ".md") and "target" not in p.parts
    ]
    newest = max(path.stat().st_mtime for path in sources)
    if not manifest.exists() or manifest.stat().st_mtime < newest:
        _parse()
    return project


def _parse() -> None:
    # parsing connects to nothing, but the profile wants a path; models know the database by the file's stem
    os.environ.setdefault("LINLI_WAREHOUSE", str(DBT_DIR / "target" / "warehouse.duckdb"))
    from dbt.cli.main import dbtRunner

    result = dbtRunner().invoke(
        ["--quiet", "parse", "--project-dir", str(DBT_DIR), "--profiles-dir", str(DBT_DIR)]
    )
    if not result.success:
        raise RuntimeError(
            tr(f"dbt 项目无法解析：{result.exception}", f"dbt cannot parse the project: {result.exception}")
        )


class ModelsFailedError(RuntimeError):
    """A model or a blocking test failed; nothing is published."""


def _failed_nodes(target: Path) -> str:
    """What failed in a dbt run, one line per node, from its run_results.json."""
    path = target / "run_results.json"
    if not path.exists():
        return tr(f"dbt 没有跑完，详见 {target / 'dbt.log'}", f"dbt did not finish; see {target / 'dbt.log'}")
    results = json.loads(path.read_text("utf-8"))["results"]
    lines = []
    for node in results:
        if node["status"] in ("error", "fail", "runtime error"):
            why = " ".join((node.get("message") or "").split())
            lines.append(f"{node['unique_id'].split('.')[2]}: {why[:300]}")
    return "; ".join(lines) or tr("dbt 失败", "dbt failed")


def _with_metadata(
    chain: Chain, manifest: Mapping[str, Any], target: Path, events: list[Any]
) -> Iterator[Any]:
    """The run's events, with row counts, column types and column lineage on those of models."""
    translator = LinliTranslator()
    models = {name: node for name, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    keys = {
        (node["schema"], node.get("alias") or node["name"]): translator.get_asset_spec(
            manifest, name, None
        ).key
        for name, node in {**models, **manifest["sources"]}.items()
    }
    with connect(chain.paths.warehouse) as connection:
        metadata = model_metadata(connection, models, keys, target / "compiled")
    for event in events:
        unique_id = event.metadata.get("unique_id") if isinstance(event, dg.Output) else None
        found = metadata.get(unique_id.value) if unique_id is not None else None
        yield event.with_metadata({**event.metadata, **found}) if found else event


class LinliTranslator(DagsterDbtTranslator):
    """Keys, groups and owners of dbt models; only `get_asset_spec` is overridden."""

    def __init__(self) -> None:
        super().__init__(
            DagsterDbtTranslatorSettings(enable_asset_checks=True, enable_source_tests_as_checks=True)
        )

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = manifest["nodes"].get(unique_id) or manifest["sources"].get(unique_id)
        if node is None or node["resource_type"] != "model":
            return spec
        layer = "marts" if node["schema"] == AUDIT_SCHEMA else node["schema"]
        kinds = {"duckdb", "dbt", "view" if node["config"]["materialized"] == "view" else "table"}
        return spec.replace_attributes(
            key=dg.AssetKey([layer, node["name"]]),
            group_name=f"{layer}_{node['fqn'][2]}" if layer != "intermediate" else f"int_{node['fqn'][2]}",
            owners=OWNERS,
            kinds=kinds,
            description=node.get("description") or None,
        )


def mart_keys() -> list[dg.AssetKey]:
    """Keys of the audited marts, from the manifest."""
    manifest = json.loads(Path(dbt_project().manifest_path).read_text("utf-8"))
    models = [
        n for n in manifest["nodes"].values() if n["resource_type"] == "model" and n["schema"] == AUDIT_SCHEMA
    ]
    return [dg.AssetKey(["marts", node["name"]]) for node in sorted(models, key=lambda node: node["name"])]


def model_assets() -> dg.AssetsDefinition:
    """All models and their tests, one dbt process per run."""
    project = dbt_project()

    @dbt_assets(
        manifest=project.manifest_path,
        project=project,
        dagster_dbt_translator=LinliTranslator(),
        name="dbt_models",
        pool="duckdb_writer",
    )
    def build(context: dg.AssetExecutionContext, chain: ChainResource, dbt: DbtCliResource) -> Iterator[Any]:
        loaded = chain.load()
        os.environ.update(dbt_environment(loaded))
        with connect(loaded.paths.warehouse) as connection:
            state = dict(connection.execute("select name, value from ops.state").fetchall())
        refresh = "refresh_reason" in state
        tell(tr("dbt：建模与测试" + ("（全量重建）" if refresh else ""), "dbt: models and tests"))
        target = loaded.paths.dagster_home / "dbt" / context.run_id
        target.mkdir(parents=True, exist_ok=True)
        arguments = dbt_arguments(loaded, full_refresh=refresh)
        # dbt's own chatter goes to a file beside its artefacts; people read the run's report
        with (target / "dbt.out").open("w", encoding="utf-8") as chatter, redirect_stdout(chatter):
            invocation = dbt.cli(arguments, context=context, target_path=target, raise_on_error=False)
            events = list(invocation.stream())  # the warehouse is free again only when dbt has ended
        yield from _with_metadata(loaded, invocation.manifest, target, events)
        if not invocation.is_successful():
            raise ModelsFailedError(_failed_nodes(target))
        mark_digested(loaded)

    return build
