"""dbt models and tests as assets and checks."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtProject,
    dbt_assets,
)
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
from dagster_dbt.dbt_manifest import validate_manifest

from dagster_project.config import Chain
from dagster_project.lang import tr
from dagster_project.orchestration.column_metadata import model_metadata
from dagster_project.orchestration.context import AUDIT_SCHEMA, DBT_DIR, OWNERS, READ_SCHEMA, ChainResource
from dagster_project.orchestration.dbt_runner import (
    ModelsFailedError,
    build_models,
    parsed_project,
    project_files,
)
from dagster_project.orchestration.lineage import write_lineage
from dagster_project.orchestration.progress import tell
from dagster_project.warehouse import build_reasons, mark_digested
from dagster_project.warehouse.connect import connect


@cache
def dbt_project() -> DbtProject:
    """The dbt project; its manifest is made on first use and again when a file of the project changed."""
    project = DbtProject(project_dir=DBT_DIR, profiles_dir=DBT_DIR)
    manifest = Path(project.manifest_path)
    files = project_files()
    if not manifest.exists() or manifest.stat().st_mtime_ns < max(changed for _, changed in files):
        parsed_project(files)
    return project


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
        metadata = model_metadata(connection, models, keys, target / "compiled", previewed=AUDIT_SCHEMA)
    for event in events:
        unique_id = event.metadata.get("unique_id") if isinstance(event, dg.Output) else None
        found = metadata.get(str(unique_id.value)) if unique_id is not None else None
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
        layer = READ_SCHEMA if node["schema"] == AUDIT_SCHEMA else node["schema"]
        kinds = {"duckdb", "dbt", "view" if node["config"]["materialized"] == "view" else "table"}
        if node["schema"] == AUDIT_SCHEMA:
            table = f"{Path(node['database']).stem}.{READ_SCHEMA}.{node['alias']}"
            spec = spec.merge_attributes(metadata={"dagster/table_name": table})
        return spec.replace_attributes(
            key=dg.AssetKey([layer, node["name"]]),
            group_name=f"{layer}_{node['fqn'][2]}" if layer != "intermediate" else f"int_{node['fqn'][2]}",
            owners=OWNERS,
            kinds=kinds,
            description=node.get("description") or None,
        )


def mart_schemas() -> dict[str, dg.TableSchema]:
    """Columns of every mart with types and descriptions, by name, from the manifest."""
    manifest = json.loads(Path(dbt_project().manifest_path).read_text("utf-8"))
    return {
        node["name"]: dg.TableSchema(
            [
                dg.TableColumn(column["name"], column["data_type"], column["description"] or None)
                for column in node["columns"].values()
            ]
        )
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["schema"] == AUDIT_SCHEMA
    }


def mart_keys() -> list[dg.AssetKey]:
    """Keys of the audited marts, from the manifest."""
    manifest = json.loads(Path(dbt_project().manifest_path).read_text("utf-8"))
    models = [
        n for n in manifest["nodes"].values() if n["resource_type"] == "model" and n["schema"] == AUDIT_SCHEMA
    ]
    return [dg.AssetKey(["marts", node["name"]]) for node in sorted(models, key=lambda node: node["name"])]


def model_assets() -> dg.AssetsDefinition:
    """All models and their tests, one dbt invocation per run."""
    project = dbt_project()

    @dbt_assets(
        manifest=project.manifest_path,
        project=project,
        dagster_dbt_translator=LinliTranslator(),
        name="dbt_models",
        pool="duckdb_writer",
    )
    def build(context: dg.AssetExecutionContext, chain: ChainResource) -> Iterator[Any]:
        loaded = chain.load()
        refresh = "refresh_reason" in build_reasons(loaded)
        tell(tr("dbt：建模与测试" + ("（全量重建）" if refresh else ""), "dbt: models and tests"))
        target = loaded.paths.dagster_home / "dbt" / context.run_id
        run = build_models(loaded, target)
        manifest = validate_manifest(project.manifest_path)
        translator = LinliTranslator()
        events = [
            event
            for raw in run.events
            for event in DbtCoreCliEventMessage(
                raw_event=raw, event_history_metadata={}
            ).to_default_asset_events(
                manifest=manifest, dagster_dbt_translator=translator, context=context, target_path=target
            )
        ]
        if run.success:
            write_lineage(loaded, target / "rebuild")
        yield from _with_metadata(loaded, manifest, target, events)
        if not run.success:
            raise ModelsFailedError("; ".join(run.failures) or tr("dbt 失败", "dbt failed"))
        mark_digested(loaded)

    return build
