"""Lands the files of one feed for one or more nights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import numpy
import pyarrow as pa

from dagster_project.config import Chain, Connection
from dagster_project.contracts import Feed
from dagster_project.lake.batches import (
    Manifest,
    list_manifests,
    make_batch_id,
    read_manifest,
    write_batch,
)
from dagster_project.landing.door import pass_door
from dagster_project.landing.readers import TextTable, UnreadableFileError, read_bytes
from dagster_project.landing.validate import Limits, validate_rows
from dagster_project.lang import tr
from dagster_project.privacy import ChainKey, Vault, mask_text

# a file that is still being copied in is left alone until it has its final name
_UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart")


@dataclass
class FeedLanding:
    """What a run did for one feed: a manifest per arrived file (new and known), and nights without any file."""

    connection: str
    feed: str
    manifests: list[Manifest] = field(default_factory=list)
    empty_nights: list[date] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def total(self, column: str) -> int:
        return sum(getattr(manifest, column) for manifest in self.manifests)

    @property
    def quarantined(self) -> list[Manifest]:
        return [manifest for manifest in self.manifests if manifest.status == "quarantined"]


def arrived_nights(chain: Chain, connection: str, feed: str) -> list[date]:
    """Nights that have a landing folder for this feed, oldest first."""
    folder = chain.paths.landing / connection / feed
    nights = []
    if folder.is_dir():
        for path in folder.iterdir():
            try:
                nights.append(date.fromisoformat(path.name))
            except ValueError:
                continue
    return sorted(nights)


def land_feed(
    chain: Chain,
    connection: Connection,
    feed: Feed,
    nights: Iterable[date],
    key: ChainKey,
    progress: Callable[[str], None] | None = None,
) -> FeedLanding:
    """Lands every file of the nights, oldest night first, then by file name.

    Safe to repeat and to kill: a file whose manifest exists is not read again, and files are checked some at a time
    but written one by one. One bad file never stops the next.
    """
    result = FeedLanding(connection.name, feed.name)
    seen = _Seen(chain.paths.lake, connection.name, feed.name)
    waiting = TableLanding(chain, feed, key)
    for night in sorted(nights):
        folder = chain.paths.landing / connection.name / feed.name / night.isoformat()
        files = sorted(_finished(folder)) if folder.is_dir() else []
        if not files:
            result.empty_nights.append(night)
        for path in files:
            known = _take_file(connection, feed, night, path, seen, waiting)
            if known is not None:
                result.manifests.append(known)
        if progress and files:
            progress(f"{connection.name}/{feed.name}/{night}")
        if waiting.is_full:
            result.manifests += waiting.flush()
    result.manifests += waiting.flush()
    result.manifests.sort(key=lambda manifest: (manifest.night, manifest.file))
    return result


class _Seen:
    """Content hashes that a feed has already taken, from the lake's own manifests; opened only when met again."""

    def __init__(self, lake: Path, connection: str, feed: str) -> None:
        self._paths: dict[str, list[Path]] = {}
        self._taken: dict[str, list[Manifest]] = {}
        for path in list_manifests(lake, connection, feed):
            self._paths.setdefault(path.name.split("-", 1)[0], []).append(path)

    def take(self, manifest: Manifest) -> None:
        self._taken.setdefault(manifest.sha256, []).append(manifest)

    def manifests(self, sha256: str) -> list[Manifest]:
        found = [read_manifest(path) for path in self._paths.get(sha256[:12], [])]
        return [manifest for manifest in found if manifest.sha256 == sha256] + self._taken.get(sha256, [])


def _finished(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith((".", "~$")) and not path.name.endswith(_UNFINISHED)
    ]


def _take_file(
    connection: Connection, feed: Feed, night: date, path: Path, seen: _Seen, waiting: TableLanding
) -> Manifest | None:
    """Reads one file into `waiting`; a manifest when it needs no reading because it is known."""
    data = path.read_bytes()
    # a file name may hold a number too, and names travel into manifests and logs
    blank = new_manifest(connection, feed, night, mask_text(path.name), hashlib.sha256(data).hexdigest())
    known = seen.manifests(blank.sha256)
    for manifest in known:
        if manifest.night == blank.night and manifest.file == blank.file and manifest.status != "quarantined":
            return manifest
    loaded = next((manifest for manifest in known if manifest.status == "loaded"), None)
    if loaded is None:
        taken = waiting.add(blank, lambda: read_bytes(data))
        seen.take(taken)
        return None
    repeated = replace(
        blank,
        status="repeated",
        format=loaded.format,
        encoding=loaded.encoding,
        rows_read=loaded.rows_read,
        rows_repeated=loaded.rows_read,
        reason=tr(
            f"与 {loaded.night}/{loaded.file} 内容相同", f"same content as {loaded.night}/{loaded.file}"
        ),
    )
    waiting.write_after(repeated)
    return None


def new_manifest(connection: Connection, feed: Feed, night: date, file: str, sha256: str) -> Manifest:
    """The manifest of a file of which only name and content hash are known."""
    return Manifest(
        connection=connection.name,
        kind=connection.kind,
        feed=feed.name,
        night=night.isoformat(),
        file=file,
        sha256=sha256,
        status="loaded",
        batch_id=make_batch_id(connection.name, feed.name, night, sha256),
    )


class TableLanding:
    """Takes tables of one feed through the door and the checks, some files at a time, and writes them as batches.

    Checking many small files together saves the fixed cost of each; a batch stays one file.
    """

    _FULL_ROWS = 500_000

    def __init__(self, chain: Chain, feed: Feed, key: ChainKey) -> None:
        self._chain, self._feed, self._key = chain, feed, key
        self._clear()

    def _clear(self) -> None:
        self._manifests: list[Manifest] = []
        self._sources: dict[int, TextTable] = {}
        self._tables: list[pa.Table] = []
        self._numbers: dict[str, str] = {}
        self._rows = 0

    @property
    def is_full(self) -> bool:
        return self._rows >= self._FULL_ROWS

    def write_after(self, manifest: Manifest) -> None:
        """A manifest without rows, to be written in its turn."""
        self._manifests.append(manifest)

    def add(self, blank: Manifest, read: Callable[[], TextTable]) -> Manifest:
        """Reads one table; what cannot be used becomes a quarantined manifest with the reason."""
        refused = self._chain.rules.guards.refuse_files
        try:
            if any(blank.sha256.startswith(prefix) for prefix in refused if prefix):
                raise UnreadableFileError(
                    tr("rules/guards.yml 的 refuse_files 拒收", "refused by refuse_files in rules/guards.yml")
                )
            source = read()
            table = _canonical_names(source.table, self._feed)
            missing = [c.name for c in self._feed.columns if c.must and c.name not in table.column_names]
            if missing:
                listed = ", ".join(missing)
                raise UnreadableFileError(
                    tr(f"缺少必需的列：{listed}", f"required columns are missing: {listed}")
                )
        except UnreadableFileError as error:
            manifest = replace(blank, status="quarantined", reason=str(error))
            self._manifests.append(manifest)
            return manifest
        known = {column.name for column in self._feed.columns}
        manifest = replace(
            blank,
            format=source.format,
            encoding=source.encoding,
            rows_read=source.rows_read,
            extra_columns=tuple(sorted(n for n in table.column_names if n not in known and n != "_row_no")),
            missing_columns=tuple(c.name for c in self._feed.columns if c.name not in table.column_names),
        )
        passed = pass_door(table, self._feed, self._key)
        number, count = len(self._manifests), table.num_rows
        night = pa.scalar(date.fromisoformat(blank.night), pa.date32())
        self._tables.append(
            passed.table.append_column(
                "_file_no", pa.repeat(pa.scalar(number, pa.int64()), count)
            ).append_column("_night", pa.repeat(night, count))
        )
        self._numbers |= passed.numbers
        self._sources[number] = source
        self._manifests.append(manifest)
        self._rows += count
        return manifest

    def flush(self) -> list[Manifest]:
        """Checks and writes what is waiting; returns the final manifests in the order of arrival."""
        guards, lake = self._chain.rules.guards, self._chain.paths.lake
        if self._numbers:
            # the vault first: a token that the lake knows can always be resolved
            Vault(self._chain.paths.vault, self._key).put(self._numbers)
        valid = None
        if self._tables:
            limits = Limits(self._chain.timezone, guards.earliest_year, guards.max_line_amount_yuan // 100)
            together = pa.concat_tables(self._tables, promote_options="default")
            valid = validate_rows(together, self._feed, limits)
        written = []
        for number, manifest in enumerate(self._manifests):
            if valid is None or number not in self._sources:
                written.append(write_batch(lake, manifest, None, None))
                continue
            rows = _of_file(valid.rows, number)
            source = self._sources[number]
            manifest = replace(
                manifest,
                rows_loaded=rows.num_rows,
                rows_repeated=valid.repeated.get(number, 0),
                rows_rejected=valid.rejected.get(number, 0) + len(source.broken),
            )
            rejects = _rejects(_of_file(valid.rejects, number), source, manifest)
            written.append(write_batch(lake, manifest, _with_origin(rows, manifest), rejects))
        self._clear()
        return written


def _of_file(table: pa.Table, number: int) -> pa.Table:
    """The rows of one file; rows lie in file order, so this is a slice."""
    numbers = table.column("_file_no").to_numpy()
    first, last = numpy.searchsorted(numbers, [number, number + 1])
    return table.slice(int(first), int(last - first)).drop_columns(["_file_no"])


def _canonical_names(table: pa.Table, feed: Feed) -> pa.Table:
    known = {column.name for column in feed.columns}
    return table.rename_columns(
        [name.lower() if name not in known and name.lower() in known else name for name in table.column_names]
    )


def _with_origin(rows: pa.Table, manifest: Manifest) -> pa.Table:
    """Adds where each row came from; file order stays, `_row_no` goes last."""
    count = rows.num_rows
    numbers = rows.column("_row_no")
    rows = rows.drop_columns(["_row_no"])
    for name, value in (
        ("_connection", manifest.connection),
        ("_feed", manifest.feed),
        ("_batch_id", manifest.batch_id),
        ("_file", manifest.file),
    ):
        rows = rows.append_column(name, pa.repeat(pa.scalar(value, pa.string()), count))
    night = pa.scalar(date.fromisoformat(manifest.night), pa.date32())
    rows = rows.append_column("_night", pa.repeat(night, count))
    return rows.append_column("_row_no", numbers)


def _rejects(found: pa.Table, source: TextTable, manifest: Manifest) -> pa.Table:
    broken = source.broken
    shape = pa.table(
        {
            "row_no": pa.array([row for row, _ in broken], pa.int64()),
            "column_name": pa.array(["" for _ in broken], pa.string()),
            "value_kind": pa.array(["row" for _ in broken], pa.string()),
            "rule": pa.array([rule for _, rule in broken], pa.string()),
            "action": pa.array(["row_rejected" for _ in broken], pa.string()),
        }
    )
    table = pa.concat_tables([found.cast(shape.schema), shape])
    for name in ("batch_id", "connection", "feed", "file"):
        table = table.append_column(
            name, pa.repeat(pa.scalar(getattr(manifest, name), pa.string()), table.num_rows)
        )
    return table
