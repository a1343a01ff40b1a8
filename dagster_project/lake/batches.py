"""Batches and their manifests."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.lake.files import write_atomically

_SHORT = 12  # hex digits of a file's SHA-256 that name its batch


@dataclass(frozen=True)
class Manifest:
    """What became of one arrived file. `rows_read = rows_loaded + rows_repeated + rows_rejected`, always.

    rows_ignored: titles, totals and other rows that are no data; not counted as read, listed in the rejects.

    status: loaded, repeated (the same bytes had come before), quarantined (with a reason), empty (a window of an API in
    which nothing happened).
    lake_path is relative to the lake folder; empty unless loaded.
    """

    connection: str
    kind: str
    feed: str
    night: str
    file: str
    sha256: str
    status: str
    batch_id: str
    format: str = ""
    encoding: str = ""
    rows_read: int = 0
    rows_loaded: int = 0
    rows_repeated: int = 0
    rows_rejected: int = 0
    rows_ignored: int = 0
    reason: str = ""
    extra_columns: tuple[str, ...] = ()
    missing_columns: tuple[str, ...] = ()
    lake_path: str = ""
    rejects_path: str = ""

    def path(self, lake: Path) -> Path:
        """Where the manifest stands: one per arrived file name and content."""
        name = hashlib.sha256(self.file.encode()).hexdigest()[:8]
        folder = batch_folder(lake, self.connection, self.feed, date.fromisoformat(self.night))
        return folder / f"{self.sha256[:_SHORT]}-{name}.json"


def batch_folder(lake: Path, connection: str, feed: str, night: date) -> Path:
    return lake / connection / feed / night.isoformat()


def make_batch_id(connection: str, feed: str, night: date, sha256: str) -> str:
    """Sorts by night first, so that readers can skip old files by their statistics."""
    return f"{night.isoformat()}|{connection}|{feed}|{sha256[:_SHORT]}"


def write_batch(lake: Path, manifest: Manifest, rows: pa.Table | None, rejects: pa.Table | None) -> Manifest:
    """Writes rows, rejects and, last, the manifest. Returns the manifest with its paths."""
    folder = manifest.path(lake).parent
    paths: dict[str, str] = {}
    for key, table, suffix in (("lake_path", rows, ""), ("rejects_path", rejects, ".rejects")):
        if table is not None and (key == "lake_path" or table.num_rows):
            path = folder / f"{manifest.sha256[:_SHORT]}{suffix}.parquet"
            write_atomically(
                path, partial(pq.write_table, table, compression="zstd", store_schema=False), last=False
            )
            paths[key] = path.relative_to(lake).as_posix()
    done = Manifest(**{**asdict(manifest), **paths})
    text = json.dumps(asdict(done), ensure_ascii=False, sort_keys=True, indent=1)
    write_atomically(done.path(lake), lambda part: _write_text(part, text))
    return done


def _write_text(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")


def list_manifests(
    lake: Path, connection: str | None = None, feed: str | None = None, night: date | None = None
) -> Iterator[Path]:
    """Paths of manifests in a stable order; cheap (directory listing only, no file is opened)."""
    for connection_dir in _folders(lake, connection):
        if connection is None and connection_dir.name == "linli":
            continue
        for feed_dir in _folders(connection_dir, feed):
            for night_dir in _folders(feed_dir, night.isoformat() if night else None):
                with os.scandir(night_dir) as entries:
                    names = sorted(e.name for e in entries if e.name.endswith(".json") and e.name[0] != ".")
                yield from (night_dir / name for name in names)


def read_manifest(path: Path) -> Manifest:
    data = json.loads(path.read_text("utf-8"))
    for key in ("extra_columns", "missing_columns"):
        data[key] = tuple(data[key])
    return Manifest(**data)


def _folders(parent: Path, only: str | None) -> list[Path]:
    if only is not None:
        return [parent / only] if (parent / only).is_dir() else []
    if not parent.is_dir():
        return []
    return sorted(path for path in parent.iterdir() if path.is_dir() and path.name[0] != ".")
