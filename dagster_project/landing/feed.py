"""Lands the files of one feed for one or more nights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

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
from dagster_project.privacy import ChainKey, Vault

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

    Safe to repeat and to kill: a file whose manifest exists is not read again. One bad file never stops the next.
    """
    result = FeedLanding(connection.name, feed.name)
    seen = _Seen(chain.paths.lake, connection.name, feed.name)
    for night in sorted(nights):
        folder = chain.paths.landing / connection.name / feed.name / night.isoformat()
        files = sorted(_finished(folder)) if folder.is_dir() else []
        if not files:
            result.empty_nights.append(night)
        for path in files:
            manifest = _land_file(chain, connection, feed, night, path, key, seen)
            result.manifests.append(manifest)
            if progress:
                progress(f"{connection.name}/{feed.name}/{night}/{path.name}")
    return result


class _Seen:
    """Content hashes that a feed has already loaded, from the lake's own manifests; opened only when met again."""

    def __init__(self, lake: Path, connection: str, feed: str) -> None:
        self._paths: dict[str, list[Path]] = {}
        for path in list_manifests(lake, connection, feed):
            self.add(path)

    def add(self, path: Path) -> None:
        self._paths.setdefault(path.name.split("-", 1)[0], []).append(path)

    def manifests(self, sha256: str) -> list[Manifest]:
        found = [read_manifest(path) for path in self._paths.get(sha256[:12], [])]
        return [manifest for manifest in found if manifest.sha256 == sha256]


def _finished(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith((".", "~$")) and not path.name.endswith(_UNFINISHED)
    ]


def _land_file(
    chain: Chain, connection: Connection, feed: Feed, night: date, path: Path, key: ChainKey, seen: _Seen
) -> Manifest:
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    blank = Manifest(
        connection=connection.name,
        kind=connection.kind,
        feed=feed.name,
        night=night.isoformat(),
        file=path.name,
        sha256=sha256,
        status="loaded",
        batch_id=make_batch_id(connection.name, feed.name, night, sha256),
    )
    known = seen.manifests(sha256)
    same_file = [
        m for m in known if m.night == blank.night and m.file == blank.file and m.status != "quarantined"
    ]
    if same_file:
        return same_file[0]
    loaded = next((m for m in known if m.status == "loaded"), None)
    if loaded is not None:
        rows = loaded.rows_read
        manifest = replace(
            blank,
            status="repeated",
            format=loaded.format,
            encoding=loaded.encoding,
            rows_read=rows,
            rows_repeated=rows,
            reason=tr(
                f"与 {loaded.night}/{loaded.file} 内容相同", f"same content as {loaded.night}/{loaded.file}"
            ),
        )
        written = write_batch(chain.paths.lake, manifest, None, None)
    else:
        written = land_table(chain, connection, feed, blank, lambda: read_bytes(data), key)
    seen.add(written.path(chain.paths.lake))
    return written


def land_table(
    chain: Chain,
    connection: Connection,
    feed: Feed,
    blank: Manifest,
    read: Callable[[], TextTable],
    key: ChainKey,
) -> Manifest:
    """Reads, takes through the door, checks and writes one table; quarantines it when it cannot be used."""
    lake, guards = chain.paths.lake, chain.rules.guards
    try:
        if any(blank.sha256.startswith(prefix) for prefix in guards.refuse_files if prefix):
            raise UnreadableFileError(
                tr("rules/guards.yml 的 refuse_files 拒收", "refused by refuse_files in rules/guards.yml")
            )
        source = read()
        table = _canonical_names(source.table, feed)
        missing = [c.name for c in feed.columns if c.must and c.name not in table.column_names]
        if missing:
            raise UnreadableFileError(
                tr(
                    f"缺少必需的列：{', '.join(missing)}",
                    f"required columns are missing: {', '.join(missing)}",
                )
            )
    except UnreadableFileError as error:
        return write_batch(lake, replace(blank, status="quarantined", reason=str(error)), None, None)
    passed = pass_door(table, feed, key)
    night = date.fromisoformat(blank.night)
    limits = Limits(chain.timezone, night, guards.earliest_year, guards.max_line_amount_yuan // 100)
    valid = validate_rows(passed.table, feed, limits)
    if passed.numbers:
        # the vault first: a token that the lake knows can always be resolved
        Vault(chain.paths.vault, key).put(passed.numbers)
    known = {column.name for column in feed.columns}
    manifest = replace(
        blank,
        format=source.format,
        encoding=source.encoding,
        rows_read=source.rows_read,
        rows_loaded=valid.rows.num_rows,
        rows_repeated=valid.repeated,
        rows_rejected=valid.rejected + len(source.broken),
        extra_columns=tuple(sorted(n for n in table.column_names if n not in known and n != "_row_no")),
        missing_columns=tuple(c.name for c in feed.columns if c.name not in table.column_names),
    )
    return write_batch(
        lake, manifest, _with_origin(valid.rows, manifest), _rejects(valid.rejects, source, manifest)
    )


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
