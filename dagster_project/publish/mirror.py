"""Schema `marts` of the warehouse: always exactly one publication, changed in one transaction with its record.

Rows are taken from the publication's files, so tonight's partitions and the earlier nights of a rebuilt warehouse
come in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from duckdb import DuckDBPyConnection

from dagster_project.publish.publication import Publication, PublishedTable, publication_from_json
from dagster_project.publish.relations import (
    columns_of,
    literal,
    parquet_files,
    partition_path,
    projection,
    quoted,
)


def prepare(con: DuckDBPyConnection) -> None:
    """Makes `marts` and its record where they are missing.

    `ops.publications`: one row per change of `marts`; `manifest` is kept for the newest row, which says what `marts`
    holds. `ops.state` is the warehouse's; a run that starts from a publication is known by it.
    """
    con.execute("create schema if not exists ops")
    con.execute("create schema if not exists marts")
    con.execute(
        "create table if not exists ops.publications (seq bigint, publication_id varchar, as_of_date date,"
        " previous_id varchar, manifest varchar)"
    )
    con.execute("create table if not exists ops.state (name varchar, value varchar)")


@contextmanager
def transaction(con: DuckDBPyConnection) -> Iterator[None]:
    """All or nothing."""
    con.execute("begin transaction")
    try:
        yield
    except BaseException:
        con.execute("rollback")
        raise
    con.execute("commit")


def mirrored(con: DuckDBPyConnection, publications: Path) -> Publication | None:
    """The publication that `marts` holds; None in a new warehouse."""
    row = con.execute("select manifest from ops.publications order by seq desc limit 1").fetchone()
    return publication_from_json(row[0], publications) if row else None


def mirror(con: DuckDBPyConnection, target: Publication, held: Publication | None) -> None:
    """Makes `marts`, which holds `held`, hold `target`, and records it. Inside the caller's transaction.

    Only partitions whose digest differs are touched.
    """
    existing = columns_of(con, "marts")
    for name, table in target.tables.items():
        before = held.tables.get(name) if held else None
        if before is not None and existing.get(name) == before.shape.columns:
            _change(con, name, table, before, target.folder)
        else:
            _replace(con, name, table, target.folder)
    if held is not None:
        for name in held.tables.keys() - target.tables.keys():
            con.execute(f"drop table if exists marts.{quoted(name)}")
    con.execute("update ops.publications set manifest = null where manifest is not null")
    con.execute(
        "insert into ops.publications select coalesce(max(seq), 0) + 1, ?, ?, ?, ? from ops.publications",
        [target.publication_id, target.as_of, target.previous, target.to_json()],
    )


def _paths(name: str, table: PublishedTable, folder: Path, keys: list[str]) -> list[Path]:
    return [folder / partition_path(name, table.shape, key) for key in sorted(keys)]


def _replace(con: DuckDBPyConnection, name: str, table: PublishedTable, folder: Path) -> None:
    source = parquet_files(_paths(name, table, folder, list(table.partitions)))
    con.execute(
        f"create or replace table marts.{quoted(name)} as"
        f" select {projection(table.shape, table.shape.names)} from {source}"
    )


def _change(
    con: DuckDBPyConnection, name: str, table: PublishedTable, before: PublishedTable, folder: Path
) -> None:
    changed = [key for key, part in table.partitions.items() if before.partitions.get(key) != part]
    gone = [key for key in before.partitions if table.partitions.get(key) != before.partitions[key]]
    if not changed and not gone:
        return
    if table.shape != before.shape or "" in changed or "" in gone:
        _replace(con, name, table, folder)
        return
    if gone:
        days = ", ".join(f"date {literal(key)}" for key in sorted(gone))
        con.execute(
            f"delete from marts.{quoted(name)} where {quoted(str(table.shape.partition_column))} in ({days})"
        )
    if changed:
        con.execute(
            f"insert into marts.{quoted(name)} select {projection(table.shape, table.shape.names)}"
            f" from {parquet_files(_paths(name, table, folder, changed))}"
        )
