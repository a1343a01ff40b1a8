"""`ops.files` and `ops.rejects`: the lake's manifests as tables, and which batches the checks have let through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from dagster_project.config import Chain, Connection
from dagster_project.lake.batches import list_manifests, read_manifest
from dagster_project.landing.files import arrived_nights, data_files

_FILES_SCHEMA = pa.schema(
    [
        ("manifest", pa.string()),
        ("connection", pa.string()),
        ("kind", pa.string()),
        ("feed", pa.string()),
        ("night", pa.date32()),
        ("file", pa.string()),
        ("sha256", pa.string()),
        ("format", pa.string()),
        ("encoding", pa.string()),
        ("rows_read", pa.int64()),
        ("rows_loaded", pa.int64()),
        ("rows_repeated", pa.int64()),
        ("rows_rejected", pa.int64()),
        ("rows_ignored", pa.int64()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("extra_columns", pa.string()),
        ("missing_columns", pa.string()),
        ("batch_id", pa.string()),
        ("lake_path", pa.string()),
        ("rejects_path", pa.string()),
    ]
)


@dataclass(frozen=True)
class Batch:
    """A loaded batch that waits for the raw checks."""

    batch_id: str
    connection: str
    kind: str
    feed: str
    night: date
    file: str
    path: Path
    rows_read: int
    rows_loaded: int
    rows_repeated: int
    rows_rejected: int


def create_ops(connection: duckdb.DuckDBPyConnection) -> None:
    """The schemas and the ops tables that outlive a run."""
    for schema in ("raw", "staging", "intermediate", "audit", "marts", "ops"):
        connection.execute(f"create schema if not exists {schema}")
    connection.register("empty_files", _FILES_SCHEMA.empty_table())
    connection.execute("create table if not exists ops.files as select *, false as gated from empty_files")
    connection.unregister("empty_files")
    connection.execute(
        "create table if not exists ops.rejects (batch_id varchar, connection varchar, feed varchar, file varchar,"
        " row_no bigint, column_name varchar, value_kind varchar, rule varchar, action varchar)"
    )
    connection.execute("create table if not exists ops.digested_batches (batch_id varchar, night date)")
    connection.execute("create table if not exists ops.state (name varchar, value varchar)")
    connection.execute(
        "create table if not exists ops.digested_identity_inputs (input_key bigint, fingerprint bigint, connection varchar,"
        " kind varchar, feed varchar, record_id varchar, namespace varchar, identifier varchar)"
    )
    connection.execute(
        "create table if not exists ops.digested_identity_ids (identifier_key bigint, member_id varchar)"
    )
    connection.execute(
        "create table if not exists ops.digested_sale_dimensions (dimension_no bigint, what varchar,"
        " connection varchar, name varchar, fingerprint bigint)"
    )
    connection.execute("create table if not exists ops.digested_windows (days integer)")


def sync_files(connection: duckdb.DuckDBPyConnection, chain: Chain) -> int:
    """Takes manifests that the warehouse has not seen into ops.files and ops.rejects; returns how many.

    The lake is the truth: a warehouse that was deleted gets all of them again. A manifest that changed its mind (a
    quarantined file that could be read later) replaces its row.
    """
    lake = chain.paths.lake
    create_ops(connection)
    known = dict(connection.execute("select manifest, status from ops.files").fetchall())
    rows = []
    for path in list_manifests(lake):
        name = path.relative_to(lake).as_posix()
        if known.get(name) not in (None, "quarantined"):
            continue
        manifest = read_manifest(path)
        row = {**asdict(manifest), "manifest": name, "night": date.fromisoformat(manifest.night)}
        row["extra_columns"] = ",".join(manifest.extra_columns)
        row["missing_columns"] = ",".join(manifest.missing_columns)
        rows.append(row)
    if not rows:
        return 0
    table = pa.Table.from_pylist(rows, schema=_FILES_SCHEMA)
    connection.register("new_files", table)
    rejects = [str(lake / row["rejects_path"]) for row in rows if row["rejects_path"]]
    connection.execute("begin")
    connection.execute("delete from ops.files where manifest in (select manifest from new_files)")
    connection.execute(
        "insert into ops.files by name select *, false as gated from new_files order by manifest"
    )
    connection.execute("delete from ops.rejects where batch_id in (select batch_id from new_files)")
    if rejects:
        connection.execute("insert into ops.rejects by name select * from read_parquet(?)", [rejects])
    connection.execute("commit")
    connection.unregister("new_files")
    return len(rows)


def ungated_batches(connection: duckdb.DuckDBPyConnection, chain: Chain, as_of: date) -> list[Batch]:
    """Loaded batches up to a night that no check has let through yet, oldest first."""
    found = connection.execute(
        "select batch_id, connection, kind, feed, night, file, lake_path, rows_read, rows_loaded, rows_repeated,"
        " rows_rejected from ops.files where status = 'loaded' and not gated and night <= ? order by batch_id",
        [as_of],
    ).fetchall()
    return [
        Batch(*(chain.paths.lake / value if n == 6 else value for n, value in enumerate(row)))
        for row in found
    ]


def gate_batches(connection: duckdb.DuckDBPyConnection, batch_ids: Iterable[str]) -> None:
    """Lets checked batches through to the raw views."""
    connection.register("passed", pa.table({"batch_id": pa.array(list(batch_ids), pa.string())}))
    connection.execute(
        "update ops.files set gated = true where status = 'loaded' and batch_id in (select batch_id from passed)"
    )
    connection.unregister("passed")


def unlanded_nights(
    connection: duckdb.DuckDBPyConnection, chain: Chain, as_of: date
) -> list[tuple[str, str, date]]:
    """(connection, folder, night) of landing folders up to `as_of` that no run has taken in.

    Only folders that landing looks into and that hold a finished file: running their night takes them in.
    """
    landed = set(connection.execute("select distinct connection, feed, night from ops.files").fetchall())
    missing = []
    for source in chain.connections:
        folder = chain.paths.landing / source.name
        for name in [] if source.is_api else sorted(source.folders):
            feeds = _feeds_in(source, name)
            for night in arrived_nights(chain, source.name, name):
                if night > as_of or {(source.name, feed, night) for feed in feeds} & landed:
                    continue
                if next(data_files(folder / name / night.isoformat()), None) is not None:
                    missing.append((source.name, name, night))
    return missing


def _feeds_in(source: Connection, folder: str) -> list[str]:
    """Canonical feeds that a landing folder's files become."""
    table = source.folders[folder]
    tables = source.definition.tables
    return list(tables[table].feeds) if tables else [table]
