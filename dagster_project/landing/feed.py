"""Takes tables of one feed through the door and the checks, and writes them as batches of the lake."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date

import numpy
import pyarrow as pa

from dagster_project.config import Chain, Connection
from dagster_project.contracts import Feed
from dagster_project.lake.batches import (
    Manifest,
    make_batch_id,
    write_batch,
    write_rows,
)
from dagster_project.landing.door import pass_door, shown_headers
from dagster_project.landing.readers import TextTable, UnreadableFileError
from dagster_project.landing.units import check_units
from dagster_project.landing.validate import Limits, Validated, is_long, validate_in_parts, validate_rows
from dagster_project.lang import tr
from dagster_project.privacy import ChainKey, Vault, mask_text


@dataclass
class FeedLanding:
    """What a run did for one feed: a manifest per arrived file (new and known), and nights without any file."""

    connection: str
    feed: str
    manifests: list[Manifest] = field(default_factory=list)
    empty_nights: list[date] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    complete: bool = True  # False when a part of the source could not be read

    def total(self, column: str) -> int:
        return sum(getattr(manifest, column) for manifest in self.manifests)

    def joined(self, other: FeedLanding) -> FeedLanding:
        """Both together: a feed that several tables of a source bring. A night is empty when it was for both."""
        return FeedLanding(
            self.connection,
            self.feed,
            self.manifests + other.manifests,
            [night for night in self.empty_nights if night in other.empty_nights],
            self.notes + other.notes,
            self.complete and other.complete,
        )

    @property
    def quarantined(self) -> list[Manifest]:
        return [manifest for manifest in self.manifests if manifest.status == "quarantined"]


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
        guards = chain.rules.guards
        self._limits = Limits(chain.timezone, guards.earliest_year, guards.max_line_amount_yuan // 100)
        self._clear()

    def _clear(self) -> None:
        self._manifests: list[Manifest] = []
        self._sources: dict[int, TextTable] = {}
        self._tables: dict[int, pa.Table] = {}
        self._numbers: dict[str, str] = {}
        self._rows = 0

    @property
    def is_full(self) -> bool:
        return self._rows >= self._FULL_ROWS

    def write_after(self, manifest: Manifest) -> None:
        """A manifest without rows, to be written in its turn."""
        self._manifests.append(replace(manifest, reason=mask_text(manifest.reason)))

    def add(self, blank: Manifest, read: Callable[[], TextTable]) -> Manifest:
        """Reads one table; what cannot be used becomes a quarantined manifest with the reason."""
        refused = self._chain.rules.guards.refuse_files
        try:
            if any(blank.sha256.startswith(prefix) for prefix in refused if prefix):
                raise UnreadableFileError(
                    tr("rules/guards.yml 的 refuse_files 拒收", "refused by refuse_files in rules/guards.yml")
                )
            source = read()
            table = source.table
            missing = [c.name for c in self._feed.columns if c.must and c.name not in table.column_names]
            if missing:
                listed = ", ".join(missing)
                raise UnreadableFileError(
                    tr(f"缺少必需的列：{listed}", f"required columns are missing: {listed}")
                )
            check_units(self._feed, table)
        except UnreadableFileError as error:
            # a reason may quote a label, a name or a cell, and reasons travel into logs
            manifest = replace(blank, status="quarantined", reason=mask_text(str(error)))
            self._manifests.append(manifest)
            return manifest
        known = {column.name for column in self._feed.columns}
        extra = shown_headers(n for n in table.column_names if n not in known and n != "_row_no")
        manifest = replace(
            blank,
            format=source.format,
            encoding=source.encoding,
            rows_read=source.rows_read,
            rows_ignored=len(source.ignored),
            extra_columns=tuple(sorted(extra.values())),
            missing_columns=tuple(c.name for c in self._feed.columns if c.name not in table.column_names),
        )
        passed = pass_door(table, self._feed, self._key)
        number, count = len(self._manifests), table.num_rows
        night = pa.scalar(date.fromisoformat(blank.night), pa.date32())
        self._tables[number] = passed.table.append_column(
            "_file_no", pa.repeat(pa.scalar(number, pa.int64()), count)
        ).append_column("_night", pa.repeat(night, count))
        self._numbers |= passed.numbers
        self._sources[number] = source
        self._manifests.append(manifest)
        self._rows += count
        return manifest

    def _keep_numbers(self) -> None:
        if self._numbers:
            Vault(self._chain.paths.vault, self._key).put(self._numbers)

    def flush(self) -> list[Manifest]:
        """Checks and writes what is waiting; returns the final manifests in the order of arrival."""
        written = []
        with ThreadPoolExecutor(1) as beside:
            kept = beside.submit(self._keep_numbers)
            checked = self._check_short()
            for number, manifest in enumerate(self._manifests):
                rejects = None
                if number in self._sources:
                    manifest, rejects = self._write(number, manifest, checked)
                # the vault before the batch stands: a token that the lake knows can always be resolved
                kept.result()
                written.append(write_batch(self._chain.paths.lake, manifest, rejects))
        self._clear()
        return written

    def _check_short(self) -> Validated | None:
        """All short files at once."""
        short = [table for table in self._tables.values() if not is_long(table)]
        if not short:
            return None
        together = pa.concat_tables(short, promote_options="default")
        return validate_rows(together, self._feed, self._limits)

    def _write(self, number: int, manifest: Manifest, checked: Validated | None) -> tuple[Manifest, pa.Table]:
        """Writes one file's rows; a long file is checked here, part by part, while the part before is written.

        Returns what the manifest says then, and the rejects.
        """
        table, source, lake = self._tables[number], self._sources[number], self._chain.paths.lake
        parts: Iterable[Validated]
        if checked is None or is_long(table):
            parts = validate_in_parts(table, self._feed, self._limits)
        else:
            parts = [checked]
        loaded, repeated, rejected = 0, 0, len(source.broken)
        findings = []

        def rows() -> Iterator[pa.Table]:
            nonlocal loaded, repeated, rejected
            for part in parts:
                repeated += part.repeated.get(number, 0)
                rejected += part.rejected.get(number, 0)
                findings.append(_of_file(part.rejects, number))
                good = _of_file(part.rows, number)
                loaded += good.num_rows
                yield _with_origin(good, manifest)

        manifest = write_rows(lake, manifest, rows())
        manifest = replace(manifest, rows_loaded=loaded, rows_repeated=repeated, rows_rejected=rejected)
        return manifest, _rejects(pa.concat_tables(findings), source, manifest)


def _of_file(table: pa.Table, number: int) -> pa.Table:
    """The rows of one file; rows lie in file order, so this is a slice."""
    numbers = table.column("_file_no").to_numpy()
    first, last = numpy.searchsorted(numbers, [number, number + 1])
    return table.slice(int(first), int(last - first)).drop_columns(["_file_no"])


def _constant(value: str, count: int) -> pa.Array:
    """One text for every row, held once; Parquet stores and gives back plain text."""
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), count), pa.array([value]))


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
        rows = rows.append_column(name, _constant(value, count))
    night = pa.scalar(date.fromisoformat(manifest.night), pa.date32())
    rows = rows.append_column("_night", pa.repeat(night, count))
    return rows.append_column("_row_no", numbers)


def _rejects(found: pa.Table, source: TextTable, manifest: Manifest) -> pa.Table:
    """Findings of the checks, rows that have no place in the table, and rows set aside by name."""
    rows = [(*row, "row_rejected") for row in source.broken] + [
        (*row, "row_ignored") for row in source.ignored
    ]
    shape = pa.table(
        {
            "row_no": pa.array([row for row, _, _ in rows], pa.int64()),
            "column_name": pa.array(["" for _ in rows], pa.string()),
            "value_kind": pa.array(["row" for _ in rows], pa.string()),
            "rule": pa.array([rule for _, rule, _ in rows], pa.string()),
            "action": pa.array([action for _, _, action in rows], pa.string()),
        }
    )
    table = pa.concat_tables([found.cast(shape.schema), shape])
    for name in ("batch_id", "connection", "feed", "file"):
        table = table.append_column(
            name, pa.repeat(pa.scalar(getattr(manifest, name), pa.string()), table.num_rows)
        )
    return table
