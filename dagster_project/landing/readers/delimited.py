"""Reads delimited text (comma, tab, semicolon) with Arrow, at Arrow's speed, and accounts for every row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy
import pyarrow as pa
import pyarrow.csv as pacsv

from dagster_project.landing.readers.header import PREVIEW_ROWS, Header, find_header
from dagster_project.landing.readers.model import Layout, TextTable, UnreadableFileError
from dagster_project.landing.readers.rows import (
    header_cells,
    int64_array,
    keep_rows,
    name_columns,
    rule_of,
    set_aside,
)
from dagster_project.landing.readers.text import Utf8
from dagster_project.lang import tr

_PREVIEW_BYTES = 256 << 10
_BLOCK = 4 << 20
_PIECE = 1 << 20
_DELIMITERS = (",", "\t", ";")


@dataclass(frozen=True)
class _Preview:
    """The first records under one delimiter, and the byte at which each ends."""

    delimiter: str
    records: list[list[str]]
    ends: list[int]


def read_delimited(text: Utf8, layout: Layout | None) -> TextTable:
    """Reads delimited text.

    Raises:
        UnreadableFileError: empty, without a usable header, or beyond parsing.
    """
    content = _without_end(text.content)
    preview, header = _find(content, layout)
    data = content.slice(min(preview.ends[header.end - 1], content.size))
    parsed = _parse(data, preview.delimiter, header)
    table, ignored = set_aside(parsed.table, header)
    table, notes = name_columns(table, header, layout)
    ignored += parsed.ignored
    if layout is not None:
        titles = (i for i in range(header.first) if any(cell.strip() for cell in preview.records[i]))
        ignored += [(index + 1, "title_row") for index in titles]
    return TextTable(
        table, "csv", text.encoding, sorted(parsed.broken), sorted(ignored), [*text.notes, *notes]
    )


def _without_end(content: pa.Buffer) -> pa.Buffer:
    """Without the line ends, and the end mark of DOS programs, that close the file."""
    size = content.size
    while size:
        tail = bytes(content[max(0, size - 4096) : size])
        kept = len(tail.rstrip(b"\r\n\x1a"))
        size -= len(tail) - kept
        if kept:
            break
    return content.slice(0, size)


def _find(content: pa.Buffer, layout: Layout | None) -> tuple[_Preview, Header]:
    head = bytes(content[:_PREVIEW_BYTES])
    if len(head) < content.size:
        # the last line is cut somewhere; a whole one is needed
        head = head[: head.rfind(b"\n") + 1] or head
    text = head.decode("utf-8", "replace")
    first_line = next((line for line in text.splitlines() if line.strip()), "")
    if not first_line:
        raise UnreadableFileError(tr("文件是空的", "the file is empty"))
    previews = [_preview(text, delimiter) for delimiter in _DELIMITERS]
    if layout is not None:
        for preview in previews:
            header = find_header(preview.records, layout)
            if header is not None and header.fits:
                return preview, header
    chosen = next((p for p in previews if p.delimiter in first_line), previews[0])
    header = find_header(chosen.records, layout)
    if header is None:
        raise UnreadableFileError(tr("没有表头", "no header row"))
    return chosen, header


def _preview(text: str, delimiter: str) -> _Preview:
    consumed = 0

    def lines() -> Iterator[str]:
        nonlocal consumed
        for line in io.StringIO(text, newline=""):
            consumed += len(line.encode("utf-8"))
            yield line

    records: list[list[str]] = []
    ends: list[int] = []
    try:
        for record in csv.reader(lines(), delimiter=delimiter):
            records.append(record)
            ends.append(consumed)
            if len(records) >= PREVIEW_ROWS and any(any(cell.strip() for cell in row) for row in records):
                break
    except csv.Error:  # a field larger than any real one; what was read so far must do
        pass
    return _Preview(delimiter, records, ends)


@dataclass
class _Parsed:
    table: pa.Table
    broken: list[tuple[int, str]]
    ignored: list[tuple[int, str]]


def _parse(data: pa.Buffer, delimiter: str, header: Header) -> _Parsed:
    """All rows below the header: those that fit as a raw table, the others by number."""
    width = len(header.labels)
    if not data.size:
        schema = pa.schema([(str(i), pa.string()) for i in range(width)] + [("_row_no", pa.int64())])
        return _Parsed(schema.empty_table(), [], [])
    quotes = sum(piece.count(b'"') for piece in _pieces(data))
    has_quotes = quotes > 0
    odd: list[pacsv.InvalidRow] = []
    table = _arrow_table(data, delimiter, width, has_quotes, None)
    if table is None:
        # numbers of rows are known only when one thread reads, at half the speed
        table = _arrow_table(data, delimiter, width, has_quotes, odd)
        assert table is not None  # with a list to put them, odd rows end nothing
    offset = header.end
    skipped = numpy.array([row.number for row in odd], dtype=numpy.int64)
    count = table.num_rows + len(odd)
    numbers = numpy.delete(numpy.arange(offset + 1, offset + 1 + count), skipped - 1)
    table = table.append_column("_row_no", int64_array(numbers))
    parsed = _Parsed(table, [], [])
    headers = header_cells(header, width)
    for row in odd:
        rule = rule_of(next(csv.reader([row.text], delimiter=delimiter), []), headers)
        if rule is None or rule == "repeated_header":
            fault = f"fields({row.actual_columns}/{row.expected_columns})"
            parsed.broken.append((offset + row.number, fault))
        else:
            parsed.ignored.append((offset + row.number, rule))
    # without line breaks inside quotes there are fewer line feeds than rows; an open quote at the end makes an odd number
    if quotes % 2 or (has_quotes and sum(piece.count(b"\n") for piece in _pieces(data)) >= count):
        _set_torn_aside(parsed, data, delimiter, offset, count)
    return parsed


def _pieces(data: pa.Buffer) -> Iterator[bytes]:
    # a search over all at once would copy all at once
    return (bytes(data[start : start + _PIECE]) for start in range(0, data.size, _PIECE))


def _arrow_table(
    data: pa.Buffer, delimiter: str, width: int, has_quotes: bool, odd: list[pacsv.InvalidRow] | None
) -> pa.Table | None:
    """The rows with `width` fields; the others go to `odd`, and without it the first one ends it all: None."""
    met = False

    def take(row: pacsv.InvalidRow) -> str:
        nonlocal met
        met = True
        if odd is None:
            return "error"
        odd.append(row)
        return "skip"

    names = [str(position) for position in range(width)]
    try:
        return pacsv.read_csv(
            pa.BufferReader(data),
            read_options=pacsv.ReadOptions(use_threads=odd is None, block_size=_BLOCK, column_names=names),
            parse_options=pacsv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=has_quotes,
                # a blank line is a row of a spreadsheet, and all numbers below depend on it
                ignore_empty_lines=False,
                invalid_row_handler=take,
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=False,
                null_values=[],
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid:  # its text quotes the row, and a row may hold a phone
        if met and odd is None:
            return None
        raise UnreadableFileError(
            tr("CSV 无法解析：可能有未闭合的引号", "cannot parse the CSV: a quote may be left open")
        ) from None


def _set_torn_aside(parsed: _Parsed, data: pa.Buffer, delimiter: str, offset: int, count: int) -> None:
    """Finds rows that a stray quote has glued together from several lines, and calls each of their lines broken.

    A line break inside quotes is fine; a quoted text of several lines that does not end at a delimiter is not.
    """
    torn: dict[int, int] = {}
    lines: list[str] = []

    def feed() -> Iterator[str]:
        for line in io.TextIOWrapper(pa.BufferReader(data), encoding="utf-8", newline=""):
            lines.append(line)
            yield line

    number, last = offset, lines
    try:
        for _ in csv.reader(feed(), delimiter=delimiter):
            number += 1
            last = lines[:]
            if len(lines) > 1 and not _is_sound(lines, delimiter):
                torn[number] = len(lines)
            lines.clear()
    except csv.Error:
        number = -1
    if number != offset + count:
        raise UnreadableFileError(
            tr("引号不成对，无法确定行的边界，请重新导出", "unbalanced quotes: rows cannot be told apart")
        )
    if not _is_sound(last, delimiter):
        torn[number] = len(last)
    if not torn:
        return
    rows = parsed.table.column("_row_no").to_numpy()
    parsed.table = keep_rows(parsed.table, ~numpy.isin(rows, list(torn)))
    parsed.broken = [entry for entry in parsed.broken if entry[0] not in torn]
    parsed.ignored = [entry for entry in parsed.ignored if entry[0] not in torn]
    for row, size in torn.items():
        parsed.broken += [(row, f"quote({part}/{size})") for part in range(1, size + 1)]


def _is_sound(lines: list[str], delimiter: str) -> bool:
    try:
        return len(list(csv.reader(lines, delimiter=delimiter, strict=True))) == 1
    except csv.Error:
        return False
