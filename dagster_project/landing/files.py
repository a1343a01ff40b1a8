"""Lands the files that a night brought for one table of a connection."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa

from dagster_project.config import Chain, Connection
from dagster_project.contracts import Feed
from dagster_project.lake.batches import Manifest, list_manifests, read_manifest
from dagster_project.landing.feed import FeedLanding, TableLanding, new_manifest
from dagster_project.landing.lost_digits import id_columns, preset_id_columns, refuse_lost_digits
from dagster_project.landing.mapping import map_table
from dagster_project.landing.readers import (
    Layout,
    TextTable,
    UnreadableFileError,
    archive_members,
    normal_label,
    read_bytes,
)
from dagster_project.landing.units import check_units_between
from dagster_project.lang import tr
from dagster_project.presets import Table
from dagster_project.privacy import ChainKey, mask_text

# a file that is still being copied in is left alone until it has its final name
_UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart")


def arrived_nights(chain: Chain, connection: str, folder_name: str) -> list[date]:
    """Nights that have a landing folder under this name, oldest first."""
    folder = chain.paths.landing / connection / folder_name
    nights = []
    if folder.is_dir():
        for path in folder.iterdir():
            try:
                night = date.fromisoformat(path.name)
            except ValueError:
                continue
            # 20261122 is a date too, but not a folder that landing looks into
            if path.name == night.isoformat() and path.is_dir():
                nights.append(night)
    return sorted(nights)


def data_files(folder: Path) -> Iterator[Path]:
    """Files below a folder that are finished and no office lock, hidden or helper file, in a stable order."""
    # dump tools make folders of their own below the night
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if is_data_file(path, folder):
            yield path


def is_data_file(path: Path, folder: Path) -> bool:
    """False for a file below a folder that is still being copied in, hidden, or an office lock."""
    hidden = any(part.startswith((".", "~$")) for part in path.relative_to(folder).parts)
    return not hidden and not path.name.endswith(_UNFINISHED)


def land_files(
    chain: Chain,
    connection: Connection,
    table: str,
    nights: Iterable[date],
    key: ChainKey,
    progress: Callable[[str], None] | None = None,
) -> dict[str, FeedLanding]:
    """Lands every file of a preset's table (of a standard preset: a feed), oldest night first, then by file name.

    Safe to repeat and to kill: a file whose manifest exists is not read again, and files are checked some at a time
    but written one by one. One bad file never stops the next.

    Returns: canonical feed → what happened.
    """
    takers = [_FeedTaker(chain, connection, feed, key) for feed in _feeds_of(connection, table)]
    folders = [folder for folder, name in connection.folders.items() if name == table]
    for night in sorted(nights):
        arrived = False
        for path, name in _arrived_files(chain, connection, folders, night):
            arrived = True
            for member, data, problem in _opened(path, name, connection.settings.get("file_password")):
                _take_file(
                    takers, night, member, _Reading(connection, table, member, data, problem, chain.timezone)
                )
        for taker in takers:
            if not arrived:
                taker.landing.empty_nights.append(night)
            taker.flush(only_full=True)
        if progress and arrived:
            progress(f"{connection.name}/{table}/{night}")
    for taker in takers:
        taker.finish()
    return {taker.feed.name: taker.landing for taker in takers}


def _feeds_of(connection: Connection, table: str) -> list[Feed]:
    tables = connection.definition.tables
    names = tables[table].feeds if tables else (table,)
    return [feed for name in names for feed in connection.feeds if feed.name == name]


def _arrived_files(
    chain: Chain, connection: Connection, folders: Iterable[str], night: date
) -> Iterator[tuple[Path, str]]:
    """Finished files of a night with the name that manifests use: the path inside the night's folder."""
    for folder_name in folders:
        folder = chain.paths.landing / connection.name / folder_name / night.isoformat()
        if not folder.is_dir():
            continue
        for path in data_files(folder):
            if _is_settled(path, chain.rules.guards.settle_seconds):
                yield path, path.relative_to(folder).as_posix()


def _is_settled(path: Path, seconds: int) -> bool:
    """False while an upload may still be writing: only chains whose uploads keep the final name need to wait."""
    return not seconds or time.time() - path.stat().st_mtime >= seconds


def _opened(
    path: Path, name: str, password: str | None
) -> Iterator[tuple[str, bytes, UnreadableFileError | None]]:
    """(name, content, why it cannot be used) of a file, or of every member of an archive."""
    before = path.stat()
    data = path.read_bytes()
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or after.st_size != len(
        data
    ):
        return  # it grew while it was read: the next run takes it whole
    try:
        members = archive_members(data, name, password=password)
    except UnreadableFileError as error:
        yield name, data, error
        return
    for member, content in [(name, data)] if members is None else members:
        yield member, content, None


def _take_file(takers: list[_FeedTaker], night: date, name: str, reading: _Reading) -> None:
    # a file name may hold a number too, and names travel into manifests and logs
    shown = mask_text(name)
    for taker in takers:
        if not taker.take(night, shown, reading):
            return  # one manifest says what is wrong; the file is tried again when the run is repeated


class _Reading:
    """One file, read and mapped once however many feeds it holds. `sha256` is of its bytes."""

    def __init__(
        self,
        connection: Connection,
        table: str,
        name: str,
        data: bytes,
        problem: UnreadableFileError | None,
        zone: str,
    ) -> None:
        self._connection, self._table, self._name, self._zone = connection, table, name, zone
        self._data, self._problem = data, problem
        self.sha256 = hashlib.sha256(data).hexdigest()
        self._feeds: dict[str, TextTable] | None = None
        self._drift: list[str] = []

    def told(self) -> list[str]:
        """What the reader found unusual but readable; once, not once per feed."""
        said, self._drift = self._drift, []
        return said

    def feed(self, feed: Feed) -> TextTable:
        """Rows of one feed under canonical names. Raises: UnreadableFileError."""
        if self._problem is not None:
            raise self._problem
        if self._feeds is None:
            try:
                self._feeds = self._read(feed)
            except UnreadableFileError as error:
                self._problem = error
                raise
        return self._feeds[feed.name]

    def _read(self, feed: Feed) -> dict[str, TextTable]:
        tables = self._connection.definition.tables
        password = self._connection.settings.get("file_password")
        if not tables:
            source = read_bytes(self._data, _standard_layout(feed), password=password)
            self._drift = [mask_text(note) for note in source.drift]
            named = _canonical_names(source.table, feed)
            refuse_lost_digits(named, id_columns(feed), _labels(source.table, named))
            return {feed.name: replace(source, table=named)}
        rule = tables[self._table]
        source = read_bytes(self._data, _layout(rule), password=password)
        _check_count(rule, self._name, source.rows_read)
        self._drift = [mask_text(note) for note in source.drift]
        return self._mapped(rule, source)

    def _mapped(self, rule: Table, source: TextTable) -> dict[str, TextTable]:
        named = _preset_names(source.table, rule)
        missing = [rule.columns[name][0] for name in rule.required if name not in named.column_names]
        if missing:
            listed = "、".join(missing)
            raise UnreadableFileError(
                tr(f"缺少必需的列：{listed}", f"required columns are missing: {listed}")
            )
        ids = preset_id_columns(self._connection.kind, rule)
        refuse_lost_digits(named, ids, _labels(source.table, named))
        mapped = map_table(
            self._connection.definition, self._table, named, self._connection.settings, self._zone
        )
        check_units_between({name: feed.table for name, feed in mapped.items()})
        found: dict[str, TextTable] = {}
        for number, (name, feed) in enumerate(mapped.items()):
            own = source if number == 0 else replace(source, broken=[], ignored=[])
            found[name] = replace(own, table=feed.table, ignored=sorted(own.ignored + feed.ignored))
        return found


class _FeedTaker:
    """What a run takes in for one feed, and what the lake already has of it."""

    def __init__(self, chain: Chain, connection: Connection, feed: Feed, key: ChainKey) -> None:
        self.feed, self._connection = feed, connection
        self.landing = FeedLanding(connection.name, feed.name)
        self._seen = _Seen(chain.paths.lake, connection.name, feed.name)
        self._waiting = TableLanding(chain, feed, key)

    def take(self, night: date, name: str, reading: _Reading) -> bool:
        """Takes one file, unless the lake has it. False when it cannot be used."""
        blank = new_manifest(self._connection, self.feed, night, name, reading.sha256)
        known = self._seen.manifests(blank.sha256)
        for manifest in known:
            if (manifest.night, manifest.file) == (
                blank.night,
                blank.file,
            ) and manifest.status != "quarantined":
                self.landing.manifests.append(manifest)
                return True
        loaded = next((manifest for manifest in known if manifest.status == "loaded"), None)
        if loaded is None:
            taken = self._waiting.add(blank, lambda: reading.feed(self.feed))
            self._seen.take(taken)
            self.landing.notes += [f"{blank.night}/{name}：{note}" for note in reading.told()]
            return taken.status != "quarantined"
        self._waiting.write_after(
            replace(
                blank,
                status="repeated",
                format=loaded.format,
                encoding=loaded.encoding,
                rows_read=loaded.rows_read,
                rows_repeated=loaded.rows_read,
                reason=tr(
                    f"与 {loaded.night}/{loaded.file} 内容相同",
                    f"same content as {loaded.night}/{loaded.file}",
                ),
            )
        )
        return True

    def flush(self, *, only_full: bool = False) -> None:
        if not only_full or self._waiting.is_full:
            self.landing.manifests += self._waiting.flush()

    def finish(self) -> None:
        self.flush()
        self.landing.manifests.sort(key=lambda manifest: (manifest.night, manifest.file))
        if self.landing.manifests:
            first = date.fromisoformat(self.landing.manifests[0].night)
            self.landing.notes += drift_notes(self.landing.manifests, self._seen.last_before(first))


class _Seen:
    """Content hashes that a feed has already taken, from the lake's own manifests; opened only when met again."""

    def __init__(self, lake: Path, connection: str, feed: str) -> None:
        self._paths: dict[str, list[Path]] = {}
        self._taken: dict[str, list[Manifest]] = {}
        self._in_order = list(list_manifests(lake, connection, feed))
        for path in self._in_order:
            self._paths.setdefault(path.name.split("-", 1)[0], []).append(path)

    def take(self, manifest: Manifest) -> None:
        self._taken.setdefault(manifest.sha256, []).append(manifest)

    def last_before(self, night: date) -> Manifest | None:
        """The last file that was loaded on an earlier night."""
        earlier = (path for path in reversed(self._in_order) if path.parent.name < night.isoformat())
        return next((m for m in map(read_manifest, earlier) if m.status == "loaded"), None)

    def manifests(self, sha256: str) -> list[Manifest]:
        found = [read_manifest(path) for path in self._paths.get(sha256[:12], [])]
        return [manifest for manifest in found if manifest.sha256 == sha256] + self._taken.get(sha256, [])


def drift_notes(manifests: Iterable[Manifest], before: Manifest | None) -> list[str]:
    """What changed in the columns of a feed's files, each change once with the first file that shows it.

    Args:
        before: the last file of an earlier night; None when there is none, then only unknown columns are news.
    """
    unknown, missing = (
        set(before.extra_columns if before else ()),
        set(before.missing_columns if before else ()),
    )
    notes = []
    for manifest in manifests:
        if manifest.status != "loaded":
            continue
        at = f"{manifest.night}/{manifest.file}"
        for name in sorted(set(manifest.extra_columns) - unknown):
            shown = mask_text(name)
            notes.append(
                tr(f"{at} 有不认识的列 {shown}，原样留存，不参与计算",
                   f"{at} has an unknown column {shown}: kept aside, not used")
            )  # fmt: skip
        if before is not None:
            notes += [
                tr(f"{at} 不再有 {name} 列", f"{at} has no column {name} any more")
                for name in sorted(set(manifest.missing_columns) - missing)
            ]
        unknown |= set(manifest.extra_columns)
        missing |= set(manifest.missing_columns)
    return notes


def _standard_layout(feed: Feed) -> Layout:
    return Layout(
        labels=frozenset(normal_label(column.name) for column in feed.columns),
        required=tuple(frozenset({normal_label(c.name)}) for c in feed.columns if c.must),
    )


def _layout(rule: Table) -> Layout:
    spelled = {name: frozenset(map(normal_label, spellings)) for name, spellings in rule.columns.items()}
    return Layout(
        labels=frozenset().union(*spelled.values()),
        required=tuple(spelled[name] for name in rule.required),
        columns=tuple(spelled.values()),
    )


def _canonical_names(table: pa.Table, feed: Feed) -> pa.Table:
    known = {column.name for column in feed.columns}
    return table.rename_columns(
        [name.lower() if name not in known and name.lower() in known else name for name in table.column_names]
    )


def _preset_names(table: pa.Table, rule: Table) -> pa.Table:
    """Header labels → the preset's column names; of two labels for one column the first spelling wins."""
    present = {normal_label(name): name for name in reversed(table.column_names)}
    renamed: dict[str, str] = {}
    for name, spellings in rule.columns.items():
        header = next((present[s] for s in map(normal_label, spellings) if s in present), None)
        if header is not None and header not in renamed:
            renamed[header] = name
    return table.rename_columns([renamed.get(name, name) for name in table.column_names])


def _labels(table: pa.Table, named: pa.Table) -> dict[str, str]:
    """Column → its label in the file; a label may hold a number too, and reasons travel into logs."""
    return dict(zip(named.column_names, map(mask_text, table.column_names), strict=True))


def _check_count(rule: Table, name: str, rows: int) -> None:
    match = re.search(rule.count_in_name, name) if rule.count_in_name else None
    if match and int(match.group(1)) != rows:
        raise UnreadableFileError(
            tr(
                f"文件名写明 {match.group(1)} 行，实际读到 {rows} 行，文件不完整，请重新导出",
                f"the file's name promises {match.group(1)} rows but {rows} were read; export it again",
            )
        )
