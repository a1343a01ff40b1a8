"""Opening warehouse.duckdb."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from dagster_project.lang import tr


class WarehouseBusyError(RuntimeError):
    """Another process holds the file."""


@contextmanager
def connect(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-write connection that is closed at the end, so that the next step or process can have the file.

    Raises:
        WarehouseBusyError: another process has it open; the text names the process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = duckdb.connect(str(path))
    except duckdb.IOException as error:
        if "lock" not in str(error).lower():
            raise
        raise WarehouseBusyError(
            tr(
                f"{path.name} 正被另一个进程占用，请先关闭它（笔记本、BI 工具请读 published/）：{error}",
                f"{path.name} is held by another process; readers should use published/: {error}",
            )
        ) from None
    try:
        connection.execute("set threads = 2")
        yield connection
    finally:
        connection.close()
