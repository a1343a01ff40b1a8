"""SQL over one published table, wherever its rows are: content digest, deterministic Parquet, reading back.

A digest says whether rows changed, independent of their order: count and both halves' sums of a 128-bit hash per
row. A file's bytes depend on its rows alone: total order, fixed row groups and codec, no clock, any thread count.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from duckdb import DuckDBPyConnection

from dagster_project.lang import tr
from dagster_project.publish.errors import PublishError
from dagster_project.publish.tables import PARTITION_COLUMN, Kind, TableSpec

# Part of every digest: raise it when the way files are written changes, and everything is written anew.
FILE_FORMAT = 1
_COPY_OPTIONS = (
    "format parquet, compression zstd, row_group_size 122880, parquet_version v1, use_tmp_file false"
)

# Types that DuckDB and Parquet carry back and forth without loss. HUGEINT, what sum() gives, is not one of them.
_STABLE_TYPES = frozenset(
    {"BOOLEAN", "SMALLINT", "INTEGER", "BIGINT", "DOUBLE", "VARCHAR", "DATE", "TIMESTAMP"}
)

Partition = tuple[int, str]
"""Rows and content digest of one partition."""


@dataclass(frozen=True)
class Shape:
    """What a table looks like. Files of another shape cannot be shared between publications."""

    kind: Kind
    columns: tuple[tuple[str, str], ...]
    sort: tuple[str, ...]

    @property
    def partition_column(self) -> str | None:
        return PARTITION_COLUMN[self.kind]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)


def quoted(name: str) -> str:
    """A SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: object) -> str:
    """A SQL text literal."""
    return "'" + str(text).replace("'", "''") + "'"


def literal_path(path: Path, pattern: str = "") -> str:
    """A SQL text literal for a file, or for `pattern` inside a folder; a chain may lie in a folder named `a[1]`."""
    escaped = str(path).replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")
    return literal(f"{escaped}/{pattern}" if pattern else escaped)


def parquet_files(paths: Iterable[Path]) -> str:
    """Table function over exactly these files; the partition column is read from the file, not from its path."""
    return f"read_parquet([{', '.join(map(literal_path, paths))}], hive_partitioning = false)"


def columns_of(con: DuckDBPyConnection, schema: str) -> dict[str, tuple[tuple[str, str], ...]]:
    """Columns (name, type) of every table and view of a schema, in their order."""
    found: dict[str, list[tuple[str, str]]] = {}
    for table, name, kind in con.execute(
        "select table_name, column_name, data_type from duckdb_columns() "
        "where database_name = current_database() and schema_name = ? order by table_name, column_index",
        [schema],
    ).fetchall():
        found.setdefault(table, []).append((name, kind))
    return {table: tuple(columns) for table, columns in found.items()}


def shape_of(spec: TableSpec, columns: Sequence[tuple[str, str]]) -> Shape:
    """Shape of an audited table.

    Raises PublishError when a sort or partition column is missing, or a type would not survive Parquet.
    """
    types = dict(columns)
    for column in spec.sort:
        if column not in types:
            raise PublishError(
                tr(
                    f"表 audit.{spec.name} 缺少排序列 {column}：请在模型中补上该列，或修改 publish/tables.yml",
                    f"audit.{spec.name} lacks its sort column {column}: add it to the model or mend tables.yml",
                )
            )
    if spec.partition_column is not None and types.get(spec.partition_column) != "DATE":
        found = types.get(spec.partition_column, "-")
        raise PublishError(
            tr(
                f"表 audit.{spec.name} 的分区列 {spec.partition_column} 须为 DATE，现为 {found}：请修改模型的列",
                f"audit.{spec.name}.{spec.partition_column} must be DATE and is {found}: mend the model",
            )
        )
    for name, kind in columns:
        if kind not in _STABLE_TYPES and not kind.startswith("DECIMAL("):
            stable = ", ".join(sorted(_STABLE_TYPES))
            raise PublishError(
                tr(
                    f"表 audit.{spec.name} 的列 {name} 类型 {kind} 不能原样写入 Parquet："
                    f"请在模型中转换为 {stable} 或 DECIMAL",
                    f"audit.{spec.name}.{name}: {kind} does not survive Parquet:"
                    f" cast it to {stable} or DECIMAL in the model",
                )
            )
    return Shape(spec.kind, tuple((name, kind) for name, kind in columns), spec.sort)


def projection(shape: Shape, available: Iterable[str]) -> str:
    """Select list that gives `shape`'s columns and types; a column that is not `available` is null."""
    have = set(available)
    return ", ".join(
        f"cast({quoted(name) if name in have else 'null'} as {kind}) as {quoted(name)}"
        for name, kind in shape.columns
    )


def _row_text(shape: Shape) -> str:
    """Text that two rows share only when they are equal: free text carries its length, null is '-'."""
    parts = []
    for name, kind in shape.columns:
        column = quoted(name)
        text = f"strlen({column}) || ':' || {column}" if kind == "VARCHAR" else f"cast({column} as varchar)"
        parts.append(f"coalesce({text}, '-')")
    return f"concat_ws('|', {', '.join(parts)})"


def digests(con: DuckDBPyConnection, shape: Shape, relation: str, *, split: bool) -> dict[str, Partition]:
    """Rows and digest per partition of `relation` (a FROM item), keyed by ISO date; key '' when not `split`.

    A partition without rows has no entry, except the one of an unsplit relation.
    Raises PublishError when a row's partition column is null.
    """
    key = f"cast({quoted(shape.partition_column)} as varchar)" if split and shape.partition_column else "''"
    rows = con.execute(
        f"select key, count(*), sum(cast(row_hash & 18446744073709551615::uhugeint as ubigint)),"
        f" sum(cast(row_hash >> 64 as ubigint)) from"
        f" (select {key} as key, md5_number({_row_text(shape)}) as row_hash from {relation}) group by key order by key"
    ).fetchall()
    found: dict[str, Partition] = {}
    for value, count, low, high in rows:
        if value is None:
            raise PublishError(
                tr(
                    f"{relation} 有 {count} 行的 {shape.partition_column} 为空：请修正模型",
                    f"{relation}: {shape.partition_column} is null in {count} rows: mend the model",
                )
            )
        content = f"{FILE_FORMAT}|{shape!r}|{count}|{low}|{high}"
        found[value] = (count, hashlib.sha256(content.encode()).hexdigest()[:32])
    if not split and not found:
        empty = hashlib.sha256(f"{FILE_FORMAT}|{shape!r}|0".encode()).hexdigest()[:32]
        found[""] = (0, empty)
    return found


def write_parquet(con: DuckDBPyConnection, shape: Shape, query: str, path: Path) -> int:
    """Writes the rows of `query` (columns of `shape`) to `path`, synced to disk; returns the number of rows.

    The same rows give the same bytes, whatever order they come in and however many threads write.
    """
    order = [*shape.sort, *(name for name in shape.names if name not in shape.sort)]
    by = ", ".join(f"{quoted(name)} asc nulls first" for name in order)
    # A column is written as required or optional by what DuckDB knows of the whole table it comes from: rows of another
    # day would change the bytes of this one. Without statistics every column is optional.
    con.execute("set disabled_optimizers = 'statistics_propagation'")
    try:
        counted = con.execute(
            f"copy (select {', '.join(map(quoted, shape.names))} from ({query}) order by {by})"
            f" to {literal(path)} ({_COPY_OPTIONS})"
        ).fetchone()
    finally:
        con.execute("reset disabled_optimizers")
    # Publications share files by hard link: an edit in place would change them all.
    path.chmod(0o444)
    sync(path)
    return int(counted[0]) if counted else 0


def sync(path: Path) -> None:
    """Forces a file or folder to disk, so that a later rename never shows it half written."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def partition_filter(shape: Shape, key: str) -> str:
    """WHERE condition of one partition; key '' is the whole table."""
    if key == "" or shape.partition_column is None:
        return "true"
    return f"{quoted(shape.partition_column)} = date {literal(date.fromisoformat(key))}"


def partition_path(table: str, shape: Shape, key: str) -> Path:
    """Where a partition lies inside a publication folder."""
    if key == "":
        return Path(table, "data.parquet")
    return Path(table, f"{shape.partition_column}={key}", "data.parquet")


def total_rows(partitions: Mapping[str, Partition]) -> int:
    """Rows of a table over its partitions."""
    return sum(rows for rows, _ in partitions.values())
