"""Row counts, column types and column lineage of built models, as Dagster shows them.

Read from the warehouse once, after dbt has closed it, with our own connection: dbt's would stay open in this process.
Constants have no upstream column; Python models have no lineage.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from dagster_project.orchestration import column_trace
from dagster_project.orchestration.column_trace import Relation, trace_columns
from dagster_project.orchestration.preview import ROWS, preview_table


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
    columns = column_types(connection)
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
            found["dagster/column_lineage"] = dg.TableColumnLineage(
                {
                    column: [
                        dg.TableColumnDep(asset_key=keys[(schema, table)], column_name=name)
                        for schema, table, name in sorted(
                            {source[:3] for source in made.direct | made.indirect}
                        )
                        if (schema, table) in keys
                    ]
                    for column, made in trace_columns(path.read_text("utf-8"), columns).items()
                    if column != column_trace.ROWS
                }
            )
        metadata[unique_id] = found
    return metadata


def column_types(connection: duckdb.DuckDBPyConnection) -> dict[Relation, dict[str, str]]:
    """Types of all columns in their order, by table."""
    columns: dict[Relation, dict[str, str]] = {}
    for schema, table, column, kind in connection.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns() where not internal"
        " order by schema_name, table_name, column_index"
    ).fetchall():
        columns.setdefault((schema, table), {})[column] = kind
    return columns
