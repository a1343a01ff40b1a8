"""Row counts, column types and column lineage of built models, as Dagster shows them.

Read from the warehouse once, after dbt has closed it, with our own connection: dbt's would stay open in this process.
Constants and counts have no upstream column; the one Python model has no lineage.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.lineage import lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope
from sqlglot.schema import MappingSchema

from dagster_project.orchestration.preview import ROWS, preview_table

Relation = tuple[str, str]  # schema, table


def model_metadata(
    connection: duckdb.DuckDBPyConnection,
    nodes: Mapping[str, Mapping[str, Any]],
    keys: Mapping[Relation, dg.AssetKey],
    compiled: Path,
    previewed: str = "",
) -> dict[str, dict[str, Any]]:
    """Metadata per unique_id of the models that stand in the warehouse.

    Args:
        nodes: dbt nodes of resource type model, by unique_id.
        keys: asset key of every relation that a model may read.
        compiled: folder of compiled SQL of this run.
        previewed: schema of which the first rows are shown, masked.
    """
    columns: dict[Relation, dict[str, str]] = {}
    for schema, table, column, kind in connection.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns() where not internal"
        " order by schema_name, table_name, column_index"
    ).fetchall():
        columns.setdefault((schema, table), {})[column] = kind
    tables = {
        (schema, table)
        for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_tables() where not internal"
        ).fetchall()
    }
    metadata: dict[str, dict[str, Any]] = {}
    for unique_id, node in nodes.items():
        relation = (node["schema"], node["alias"])
        if relation not in columns:
            continue
        described = {name.lower(): c.get("description") for name, c in node["columns"].items()}
        found: dict[str, Any] = {
            "dagster/column_schema": dg.TableSchema(
                [dg.TableColumn(name, kind, described.get(name)) for name, kind in columns[relation].items()]
            )
        }
        if relation in tables or relation[0] == previewed:
            name = f'"{relation[0]}"."{relation[1]}"'
            found["dagster/row_count"] = connection.execute(f"select count(*) from {name}").fetchall()[0][0]
            if relation[0] == previewed:
                first = connection.sql(f"select * from {name} limit {ROWS}").to_arrow_table()
                found["preview"] = dg.MetadataValue.md(preview_table(first.to_pylist()))
        path = compiled / node["package_name"] / node["original_file_path"]
        if path.suffix == ".sql" and path.exists():
            links = column_lineage(path.read_text("utf-8"), list(columns[relation]), columns)
            found["dagster/column_lineage"] = dg.TableColumnLineage(
                {
                    column: [
                        dg.TableColumnDep(asset_key=keys[(schema, table)], column_name=name)
                        for schema, table, name in sources
                        if (schema, table) in keys
                    ]
                    for column, sources in links.items()
                }
            )
        metadata[unique_id] = found
    return metadata


def column_lineage(
    sql: str, wanted: list[str], columns: Mapping[Relation, Mapping[str, str]]
) -> dict[str, list[list[str]]]:
    """column → [schema, table, column] of everything its value is made of, sorted; {} when the SQL cannot be parsed."""
    try:
        tree = parse_one(sql, dialect="duckdb")
        named = {(table.db, table.name) for table in tree.find_all(exp.Table)}
        schema = MappingSchema(_nested(columns, named), dialect="duckdb")
        qualified = qualify(tree, schema=schema, dialect="duckdb", validate_qualify_columns=False)
        scope = build_scope(qualified)
    except SqlglotError:
        return {}
    links: dict[str, list[list[str]]] = {}
    for column in wanted:
        try:
            root = lineage(
                column, qualified, schema, dialect="duckdb", scope=scope, trim_selects=False, copy=False
            )
        except (SqlglotError, ValueError):
            continue
        found = {
            (node.source.db, node.source.name, node.name.rsplit(".", 1)[-1].strip('"'))
            for node in root.walk()
            if isinstance(node.source, exp.Table)
        }
        links[column] = [list(item) for item in sorted(found)]
    return links


def _nested(columns: Mapping[Relation, Mapping[str, str]], named: set[Relation]) -> dict[str, object]:
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for (name, table), kinds in columns.items():
        if (name, table) in named:
            schema.setdefault(name, {})[table] = dict(kinds)
    return {"warehouse": schema}
