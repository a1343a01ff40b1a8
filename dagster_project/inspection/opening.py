"""Opens a file that nobody has described yet: finds out which header to look for, then reads it as landing does."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dagster_project.inspection.candidates import Candidate, all_labels, candidates
from dagster_project.landing.readers import (
    Layout,
    TextTable,
    UnreadableFileError,
    archive_members,
    normal_label,
    read_bytes,
)
from dagster_project.lang import tr

MAX_BYTES = 1 << 30
_HEAD_BYTES = 64 << 10
_HEAD_ROWS = 12


@dataclass
class Opened:
    """One file, or one member of an archive: `source`, or `problem` that says why not and what to do.

    `path`: the whole path, whose folders may name the table; never shown. "" when the bytes came from nowhere.
    """

    name: str
    source: TextTable | None = None
    problem: str = ""
    path: str = ""


def open_file(path: Path, password: str | None = None) -> Iterator[Opened]:
    """Reads a file, or every member of an archive. What cannot be read is told, never raised."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableFileError(
                tr("文件超过 1 GB，请按天或按月分批导出", "larger than 1 GB: export it by day or by month")
            )
        data = path.read_bytes()
        members = archive_members(data, path.name, password=password)
    except (UnreadableFileError, OSError) as error:
        yield Opened(path.name, problem=_advice(str(error)))
        return
    if members is not None and not members:
        yield Opened(path.name, problem=tr("压缩包里没有文件", "no file in the archive"))
    for name, content in [(path.name, data)] if members is None else members:
        opened = _open(name, content, password)
        opened.path = str(path.absolute()) if members is None else f"{path.absolute()}/{name}"
        yield opened


def _open(name: str, data: bytes, password: str | None) -> Opened:
    try:
        return Opened(name, open_bytes(data, password))
    except UnreadableFileError as error:
        return Opened(name, problem=_advice(str(error)))
    except Exception as error:  # whatever bytes make of a reader, the next file is still looked at
        kind = type(error).__name__
        return Opened(
            name,
            problem=tr(
                f"无法读取（{kind}），请另存为 UTF-8 CSV 再试",
                f"cannot be read ({kind}); save it as UTF-8 CSV",
            ),
        )


def _advice(reason: str) -> str:
    """The reader speaks of chain.yml; who inspects has none yet."""
    if "file_password" in reason:
        reason += tr("；这里用 --password 打开", "; here: --password")
    return reason


def open_bytes(data: bytes, password: str | None = None) -> TextTable:
    """Reads a file's content with the header that most is known of.

    Raises: UnreadableFileError.
    """
    rows, source = _head(data, password)
    first_error: UnreadableFileError | None = None
    for layout in _layouts(rows):
        try:
            found = read_bytes(data, layout, password=password)
        except UnreadableFileError as error:
            first_error = first_error or error
            continue
        if _holds(found, layout):
            return found
    if first_error is not None and source is None:
        raise first_error
    return source if source is not None else read_bytes(data, password=password)


def _holds(found: TextTable, layout: Layout) -> bool:
    labels = {normal_label(name) for name in found.table.column_names}
    return all(labels & group for group in layout.required)


def _head(data: bytes, password: str | None) -> tuple[list[list[str]], TextTable | None]:
    """The first rows as cells; for workbooks and the like also the table as read without knowing anything."""
    head = data[:_HEAD_BYTES]
    if data[:2] == b"\x1f\x8b":
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
                head = packed.read(_HEAD_BYTES)
        except (OSError, EOFError, ValueError):
            return [], None
        except Exception:  # zlib.error is no OSError
            return [], None
    is_binary = head[:4] in (b"PK\x03\x04", b"PAR1", b"\xd0\xcf\x11\xe0")
    if not is_binary and head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
        return _text_rows(head), None
    try:
        source = read_bytes(data, password=password)
    except UnreadableFileError:
        if not is_binary:
            raise
        # a row of titles may hold what no header may: the table below it may still be found
        return [], None
    table = source.table.drop_columns(["_row_no"]).slice(0, _HEAD_ROWS)
    below = [[cell or "" for cell in row.values()] for row in table.to_pylist()]
    return [list(table.column_names), *below], source


def _text_rows(head: bytes) -> list[list[str]]:
    cut = head[: head.rfind(b"\n") + 1] or head
    try:
        text = cut.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = cut.decode("gb18030", "replace")
    lines = text.replace("\0", "").splitlines()[:_HEAD_ROWS]
    best: list[list[str]] = []
    for delimiter in (",", "\t", ";"):
        try:
            rows = list(csv.reader(lines, delimiter=delimiter))
        except csv.Error:
            continue
        if sum(map(_known, rows)) > sum(map(_known, best)) or not best:
            best = rows
    return best


def _known(row: Sequence[str]) -> int:
    return len({normal_label(cell) for cell in row} & all_labels())


def _layouts(rows: list[list[str]]) -> Iterator[Layout]:
    """Layouts worth trying, best first: candidates that have all they require, and the row that looks like a header."""
    bag = {normal_label(cell) for row in rows for cell in row}
    fitting = sorted(
        (c for c in candidates() if len(c.required) > 1 and _covered(c, bag)),
        key=lambda c: -len(bag & c.layout().labels),
    )
    row = max(rows, key=_known, default=[])
    if _known(row) < 2:
        row = _fullest(rows)
    # a header of several merged rows holds more than its best row does
    deeper = [c for c in fitting if len(bag & c.layout().labels) > _known(row)]
    yield from (candidate.layout() for candidate in deeper[:4])
    labels = Counter(label for cell in row if (label := normal_label(cell)))
    once = frozenset(label for label, count in labels.items() if count == 1)
    if len(once) >= 2:
        doubled = labels.keys() - once
        yield Layout(all_labels() - doubled | once, tuple(frozenset({label}) for label in sorted(once)))
    yield from (candidate.layout() for candidate in fitting[:4] if candidate not in deeper)
    yield Layout(all_labels(), ())


def _fullest(rows: list[list[str]]) -> list[str]:
    """The first row about as full as any: titles above a table fill one or two cells."""
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    most = max(filled, default=0)
    return next((row for row, count in zip(rows, filled, strict=True) if count >= 0.8 * most), [])


def _covered(candidate: Candidate, bag: set[str]) -> bool:
    return all(bag & group for group in candidate.layout().required)
