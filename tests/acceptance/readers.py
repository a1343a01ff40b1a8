"""Reads a publication the way any outside tool would: Parquet files under a folder, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb


def rows(current: Path, table: str, where: str = "true") -> list[dict[str, Any]]:
    """The rows of a published table; partition folders become columns."""
    files = f"{current / table}/**/*.parquet"
    with duckdb.connect() as connection:
        cursor = connection.execute(
            f"select * from read_parquet('{files}', union_by_name = true, hive_partitioning = true) where {where}"
        )
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, line, strict=True)) for line in cursor.fetchall()]


def tables(current: Path) -> set[str]:
    return {path.name for path in current.iterdir() if path.is_dir()}


def marts_difference(warehouse: Path, current: Path, table: str) -> int:
    """How many rows schema marts and the published files do not share (counted both ways, columns by name)."""
    files = f"'{current / table}/**/*.parquet', union_by_name = true, hive_partitioning = true"
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        names = connection.execute(
            "select column_name from information_schema.columns where table_schema = 'marts' and table_name = ? order by 1",
            [table],
        ).fetchall()
        columns = ", ".join(f'"{name}"' for (name,) in names)
        mart, file = f"select {columns} from marts.{table}", f"select {columns} from read_parquet({files})"
        counted = connection.execute(
            f"select (select count(*) from ({mart} except all {file})) + (select count(*) from ({file} except all {mart}))"
        ).fetchone()
    assert counted is not None
    return int(counted[0])
