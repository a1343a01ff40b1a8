"""Rules over the parsed project: layers, contracts, descriptions, no deprecations."""

from __future__ import annotations

import re
from pathlib import Path

from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import ModelNode

from dagster_project.contracts import feeds_of, kinds
from dagster_project.warehouse import ops_schemas

PROJECT = Path(__file__).parents[2] / "dbt"
# DuckDB spellings that Spark does not share; they belong into macros with an implementation for each engine
ENGINE_WORDS = re.compile(
    r"\b(sha256|md5|strftime|strptime|to_minutes|to_days|date_diff|epoch|string_split|unnest|list_(?!items)\w+|regexp_\w+"
    r"|try_cast|arg_min|arg_max|printf|strpos|hash|xxhash64|isodow|weekday|median|percentile|date_format)\s*\("
)


def models(manifest: Manifest) -> list[ModelNode]:
    found = [n for n in manifest.nodes.values() if isinstance(n, ModelNode) and n.package_name == "linli"]
    return sorted(found, key=lambda node: node.name)


def test_parsing_from_nothing_warns_of_nothing(parsed: tuple[Manifest, list[str]]) -> None:
    assert parsed[1] == []


def test_every_feed_has_a_source_and_a_staging_model(manifest: Manifest) -> None:
    tables = {feed.table for kind in kinds() for feed in feeds_of(kind)}
    sources = {s.name for s in manifest.sources.values() if s.source_name == "raw"}
    staged = {m.name.removeprefix("stg_") for m in models(manifest) if m.fqn[1:3] != ["staging", "identity"]}
    assert sources == tables
    assert tables <= staged


def test_raw_is_read_in_staging_only(manifest: Manifest) -> None:
    raw = {key for key, source in manifest.sources.items() if source.source_name == "raw"}
    readers = {m.name for m in models(manifest) if raw & set(m.depends_on.nodes) and m.schema != "staging"}
    assert readers == set()


def test_every_ops_table_is_a_described_source(manifest: Manifest) -> None:
    """What a run writes, and what outlives it; `state` and `digested_batches` concern no model."""
    kept = {"files", "rejects", "digested_identity_inputs", "digested_identity_ids"}
    kept |= {"digested_sale_dimensions", "digested_windows"}
    sources = {s.name: s for s in manifest.sources.values() if s.source_name == "ops"}
    assert sources.keys() == ops_schemas().keys() | kept
    assert [name for name, source in sources.items() if not source.description.strip()] == []


def test_layers_never_look_up(manifest: Manifest) -> None:
    by_id = {m.unique_id: m for m in models(manifest)}
    wrong = [
        (m.name, by_id[parent].name)
        for m in by_id.values()
        for parent in m.depends_on.nodes
        if parent in by_id and m.schema == "staging"
    ]
    assert wrong == []


def test_marts_keep_a_contract_in_audit(manifest: Manifest) -> None:
    marts = [m for m in models(manifest) if m.fqn[1] == "marts"]
    assert marts
    assert [m.name for m in marts if m.schema != "audit" or not m.config.contract.enforced] == []
    assert [f"{m.name}.{c.name}" for m in marts for c in m.columns.values() if not c.data_type] == []


def test_every_model_and_column_is_described(manifest: Manifest) -> None:
    silent = [m.name for m in models(manifest) if not m.description.strip()]
    silent += [
        f"{m.name}.{c.name}" for m in models(manifest) for c in m.columns.values() if not c.description
    ]
    assert silent == []


def test_models_speak_no_engine_dialect() -> None:
    found = [
        f"{path.relative_to(PROJECT)}: {match.group(0)}"
        for path in sorted((PROJECT / "models").rglob("*.sql"))
        for match in ENGINE_WORDS.finditer(path.read_text("utf-8"))
    ]
    assert found == []


def test_no_model_asks_the_clock() -> None:
    clock = re.compile(r"\b(now\(|current_date|current_timestamp|today\(|random\(|uuid\()", re.IGNORECASE)
    folders = (PROJECT / "models", PROJECT / "macros")
    found = [p.name for f in folders for p in f.rglob("*.sql") if clock.search(p.read_text("utf-8"))]
    assert found == []
