"""The chain's run history in `<chain>/.dagster`: Dagster's own SQLite files, written faster."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine

_SETTINGS = {
    "telemetry": {"enabled": False},
    "concurrency": {"pools": {"default_limit": 1}},
    "run_monitoring": {"enabled": True},
}
_BUSY_SECONDS = 60


class EventLog(SqliteEventLogStorage):
    """Dagster's storage with one engine a file. Dagster makes one for every event, and a night has two thousand: that
    would be a quarter of a small chain's night."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> EventLog:
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            if shard not in self._engines:
                self._engines[shard] = sqlalchemy.create_engine(
                    self.conn_string_for_shard(shard), connect_args={"timeout": _BUSY_SECONDS}
                )
            if shard not in self._initialized_dbs:
                self._initdb(self._engines[shard])
                self._initialized_dbs.add(shard)
            with self._engines[shard].begin() as connection:
                yield connection

    def has_table(self, table_name: str) -> bool:
        # asked with every event; a table that is there stays
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def dispose(self) -> None:
        super().dispose()
        for engine in self._engines.values():
            engine.dispose()


def open_history(home: Path) -> dg.DagsterInstance:
    """The instance of a folder, made if need be; telemetry off, writers one at a time.

    A storage that its dagster.yaml names is taken as it is.
    """
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_text(yaml.safe_dump(_SETTINGS, sort_keys=False), "utf-8")
    told = yaml.safe_load(settings.read_text("utf-8")) or {}
    ours: dict[str, Any] = {
        "event_log_storage": {
            "module": __name__,
            "class": EventLog.__name__,
            "config": {"base_dir": str(home / "history" / "runs")},  # where Dagster has it
        }
    }
    overrides = {} if {"storage", "event_log_storage"} & told.keys() else ours
    sqlalchemy.event.listen(Engine, "connect", _no_sync_per_commit)
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides=overrides))


def _no_sync_per_commit(connection: Any, _record: Any) -> None:
    """Run history is many small commits: with its write-ahead log SQLite stays whole without a sync after each."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("pragma synchronous = normal")
