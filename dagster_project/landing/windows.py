"""Lands the pull of a windowed vendor API: slice by slice, so that a killed night goes on where it stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.config import Chain, Connection
from dagster_project.contracts import Feed
from dagster_project.lake.batches import Manifest, list_manifests, read_manifest, write_batch
from dagster_project.landing.feed import FeedLanding, TableLanding, new_manifest
from dagster_project.landing.mapping import MappedFeed, map_table
from dagster_project.landing.readers import TextTable, UnreadableFileError
from dagster_project.landing.units import check_units_between
from dagster_project.lang import tr
from dagster_project.privacy import ChainKey
from dagster_project.sources.errors import SourceError, TokenRejected, TooManyRows, VendorConfigError
from dagster_project.sources.vendor import Slice, WindowedClient, encode_record

# after so many slices in a row that could not be read, the vendor is taken to be down for the night
GIVE_UP_AFTER = 3


def land_windows(
    chain: Chain,
    connection: Connection,
    nights: Iterable[date],
    key: ChainKey,
    connect: Callable[[], WindowedClient],
    progress: Callable[[str], None] | None = None,
) -> dict[str, FeedLanding]:
    """Pulls what may have changed by each night, oldest night first.

    The first night of a run looks back `lookback_days` (late rows, corrections), or `history_days` when the lake has
    nothing of the connection; the following nights only over the days since. A slice whose rows the lake has in the
    same state is a `repeated` manifest without rows.

    Args:
        connect: makes the client; not called when every slice is already in the lake.

    A source that cannot be read is a note on its feeds, not an error: the others go on.
    """
    pull = _Pull(chain, connection, key, connect, progress)
    try:
        since: date | None = None
        for night in sorted(nights):
            pull.night(night, since or pull.first_day(night))
            since = night + timedelta(days=1)
    finally:
        pull.close()
    return pull.landings


class _Pull:
    """One run's pull of one connection."""

    def __init__(
        self,
        chain: Chain,
        connection: Connection,
        key: ChainKey,
        connect: Callable[[], WindowedClient],
        progress: Callable[[str], None] | None,
    ) -> None:
        self._chain, self._connection, self._key = chain, connection, key
        self._connect, self._progress = connect, progress
        self._client: WindowedClient | None = None
        self._failures = 0
        self.landings = {feed.name: FeedLanding(connection.name, feed.name) for feed in connection.feeds}
        self._known = {
            feed.name: _Known(chain.paths.lake, connection.name, feed.name) for feed in connection.feeds
        }

    def first_day(self, night: date) -> date:
        """How far back the run's first night looks."""
        settings = self._connection.settings
        new = not any(known.any_before(night) for known in self._known.values())
        return night - timedelta(days=int(settings.get("history_days" if new else "lookback_days", "0")))

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def night(self, night: date, since: date) -> None:
        """Pulls one night's slices; notes and empty nights go to the landings."""
        before = {name: len(landing.manifests) for name, landing in self.landings.items()}
        try:
            for piece in self._ready().slices(night, since):
                self._slice(night, piece)
                if self._failures >= GIVE_UP_AFTER:
                    break
        except (VendorConfigError, TokenRejected) as error:
            self._note(error)
        for name, landing in self.landings.items():
            if len(landing.manifests) == before[name]:
                landing.empty_nights.append(night)
        if self._client is not None:
            for note in self._client.notes:
                for landing in self.landings.values():
                    landing.notes.append(note)
            self._client.notes.clear()

    def _ready(self) -> WindowedClient:
        if self._client is None:
            self._client = self._connect()
        return self._client

    def _slice(self, night: date, piece: Slice) -> None:
        feeds = [feed for feed in self._connection.feeds if feed.name in self._rule(piece).feeds]
        known = [self._known[feed.name].of_night(night, _file(piece)) for feed in feeds]
        if all(known):
            for manifest in known:
                assert manifest is not None
                self.landings[manifest.feed].manifests.append(manifest)
            return
        try:
            records = _read(self._ready(), piece)
        except TooManyRows as error:
            halves = piece.halves()
            if halves is None:
                self._failed(error)
                return
            for half in halves:
                self._slice(night, half)
            return
        except (VendorConfigError, TokenRejected):
            raise
        except SourceError as error:
            self._failed(error)
            return
        self._failures = 0
        self._land(night, piece, feeds, records)
        if self._progress:
            self._progress(f"{self._connection.name}/{piece.name}")

    def _rule(self, piece: Slice):
        return self._connection.definition.tables[piece.table]

    def _failed(self, error: SourceError) -> None:
        self._failures += 1
        self._note(error)

    def _note(self, error: SourceError) -> None:
        for landing in self.landings.values():
            landing.complete = False
            landing.notes.append(tr(f"来源不可用：{error}", f"source unavailable: {error}"))

    def _land(self, night: date, piece: Slice, feeds: Sequence[Feed], records: pa.Table) -> None:
        if not records.num_rows:
            for feed in feeds:
                self._land_nothing(night, piece, feed)
            return
        mapped = map_table(
            self._connection.definition, piece.table, records, self._connection.settings, self._chain.timezone
        )
        problem: UnreadableFileError | None = None
        try:
            check_units_between({name: feed.table for name, feed in mapped.items()})
        except UnreadableFileError as error:
            problem = error
        for feed in feeds:
            self._land_feed(night, piece, feed, mapped[feed.name], problem)

    def _land_nothing(self, night: date, piece: Slice, feed: Feed) -> None:
        """A window in which nothing happened: a manifest that it was asked for, no file."""
        file = _file(piece)
        sha256 = hashlib.sha256(f"{self._connection.name}|{file}|empty".encode()).hexdigest()
        blank = new_manifest(self._connection, feed, night, file, sha256)
        manifest = replace(blank, status="empty", format="api", encoding="utf-8")
        write_batch(self._chain.paths.lake, manifest)
        self._known[feed.name].add(manifest)
        self.landings[feed.name].manifests.append(manifest)

    def _land_feed(
        self, night: date, piece: Slice, feed: Feed, mapped: MappedFeed, problem: UnreadableFileError | None
    ) -> None:
        file = _file(piece)
        blank = new_manifest(
            self._connection, feed, night, file, _content_hash(mapped.table, self._connection.name, file)
        )
        landing = TableLanding(self._chain, feed, self._key)
        latest = self._known[feed.name].latest(night, file)
        if latest is not None and latest.sha256 == blank.sha256 and latest.status != "quarantined":
            rows = mapped.table.num_rows
            landing.write_after(
                replace(
                    blank,
                    status="repeated",
                    format="api",
                    encoding="utf-8",
                    rows_read=rows,
                    rows_repeated=rows,
                    reason=tr(
                        f"与 {latest.night} 拉取的内容相同", f"same content as pulled on {latest.night}"
                    ),
                )
            )
        else:

            def read() -> TextTable:
                if problem is not None:
                    raise problem
                return TextTable(mapped.table, "api", "utf-8", ignored=mapped.ignored)

            landing.add(blank, read)
        for manifest in landing.flush():
            self._known[feed.name].add(manifest)
            self.landings[feed.name].manifests.append(manifest)


def _read(client: WindowedClient, piece: Slice) -> pa.Table:
    """All records of a slice as text, in key-free but stable order: as the vendor gave them."""
    pages = [
        pa.array([encode_record(record) for record in page], pa.string()) for page in client.fetch(piece)
    ]
    count = sum(len(page) for page in pages)
    return pa.table(
        {
            "record": pa.chunked_array(pages, pa.string()),
            "_row_no": pa.array(range(1, count + 1), pa.int64()),
        }
    )


def _file(piece: Slice) -> str:
    return f"api/{piece.name}"


def _content_hash(table: pa.Table, connection: str, file: str) -> str:
    """Of the rows in any order: a list that came in another order is the same state."""
    names = [name for name in table.column_names if name != "_row_no"]
    cells = [table.column(name) for name in names]
    # separators that no text file holds, so that no two rows are spelled alike
    rows = pc.binary_join_element_wise(*cells, "\x1f", null_handling="replace", null_replacement="\x1e")
    ordered = rows.take(pc.sort_indices(rows))
    digest = hashlib.sha256(f"{connection}|{file}|{','.join(names)}".encode())
    for text in ordered.to_pylist():
        digest.update(f"\x1d{text}".encode())
    return digest.hexdigest()


class _Known:
    """Manifests of one feed's slices by night and slice; of past nights only the latest is ever asked for."""

    def __init__(self, lake: Path, connection: str, feed: str) -> None:
        self._paths: dict[str, dict[str, list[Path]]] = {}
        for path in list_manifests(lake, connection, feed):
            name = path.stem.split("-", 1)[-1]
            self._paths.setdefault(path.parent.name, {}).setdefault(name, []).append(path)
        self._added: dict[tuple[str, str], Manifest] = {}

    def add(self, manifest: Manifest) -> None:
        self._added[manifest.night, manifest.file] = manifest

    def any_before(self, night: date) -> bool:
        return any(known < night.isoformat() for known in self._paths)

    def of_night(self, night: date, file: str) -> Manifest | None:
        """The usable manifest of a slice on one night."""
        return self._usable(night.isoformat(), file)

    def latest(self, night: date, file: str) -> Manifest | None:
        """The newest usable manifest of a slice up to a night."""
        days = {n for n in self._paths if n <= night.isoformat()} | {n for n, f in self._added if f == file}
        for day in sorted(days, reverse=True):
            found = self._usable(day, file)
            if found is not None:
                return found
        return None

    def _usable(self, night: str, file: str) -> Manifest | None:
        added = self._added.get((night, file))
        if added is not None:
            return added if added.status != "quarantined" else None
        name = hashlib.sha256(file.encode()).hexdigest()[:8]
        found = [read_manifest(path) for path in self._paths.get(night, {}).get(name, [])]
        usable = [m for m in found if m.file == file and m.status != "quarantined"]
        return usable[-1] if usable else None
