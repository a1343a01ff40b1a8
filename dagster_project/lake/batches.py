"""Batches and their manifests."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import date
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


def write_rows(lake: Path, manifest: Manifest, parts: Iterable[pa.Table]) -> Manifest:
    """Writes the rows of a batch, each part as it comes, one row group or more; at least one part, all of one schema.

    Returns the manifest with the path; the batch stands only once `write_batch` has written that.
    """
    return replace(manifest, lake_path=_write_parquet(lake, manifest, "", parts))


def write_batch(lake: Path, manifest: Manifest, rejects: pa.Table | None = None) -> Manifest:
    """Writes rejects and, last, the manifest, which returns with its paths. The rows are there already."""
    if rejects is not None and rejects.num_rows:
        manifest = replace(manifest, rejects_path=_write_parquet(lake, manifest, ".rejects", [rejects]))
    text = json.dumps(asdict(manifest), ensure_ascii=False, sort_keys=True, indent=1)
    write_atomically(manifest.path(lake), lambda part: _write_text(part, text))
    return manifest


def _write_parquet(lake: Path, manifest: Manifest, suffix: str, parts: Iterable[pa.Table]) -> str:
    """Writes a table that comes in parts beside the making of the next part; its path relative to the lake."""
    path = manifest.path(lake).parent / f"{manifest.sha256[:_SHORT]}{suffix}.parquet"

    def write(target: Path) -> None:
        tables = iter(parts)
        first = next(tables)
        with (
            pq.ParquetWriter(target, first.schema, compression="zstd", store_schema=False) as writer,
            ThreadPoolExecutor(1) as beside,
        ):
            writing = beside.submit(writer.write_table, first)
            for table in tables:
                writing.result()  # at most one part waits
                writing = beside.submit(writer.write_table, table)
            writing.result()

    write_atomically(path, write, last=False)
    return path.relative_to(lake).as_posix()


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
