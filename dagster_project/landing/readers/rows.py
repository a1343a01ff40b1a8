"""Turns a raw grid into the table handed on: rows without data set aside by rule, columns named."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.landing.readers.header import Header, column_names
from dagster_project.landing.readers.model import Layout, normal_label
from dagster_project.lang import tr

_TOTAL = re.compile(r"(本页|当前页)?(合计|总计|小计)([:：(\d共].*)?\Z")
_EMPTY_STATE = re.compile(r"(未查询到|未找到|暂无)")
# first look, in RE2: may the first filled cell of a row be one of the words, or only blanks?
_SUSPECT = (
    r"^[\s\x{a0}\x{3000}\x{feff}\x{200b}-\x{200f}]*"
    r"(合\s*计|总\s*计|小\s*计|本\s*页|当\s*前\s*页|未查询到|未找到|暂无|$)"
)
_FEW = 32
# first bytes of those words and of all blanks in UTF-8
_LEADS = b"\t\n\x0b\x0c\r \xc2\xe2\xe3\xe5\xe6\xef"


def int64_array(values: numpy.ndarray) -> pa.Array:
    """An int64 column over the same memory; `pa.array` would import pandas first, which takes a second."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])


def keep_rows(table: pa.Table, keep: numpy.ndarray) -> pa.Table:
    """The rows for which the mask (bool, one a row) is true."""
    left_out = numpy.flatnonzero(~keep)
    if len(left_out) <= _FEW:
        # the pieces between some rows are views; a filter copies a day's file to drop its last line
        edges = itertools.pairwise([-1, *left_out.tolist(), table.num_rows])
        return pa.concat_tables([table.slice(start + 1, end - start - 1) for start, end in edges])
    bits = pa.py_buffer(numpy.packbits(keep, bitorder="little"))
    return table.filter(pa.Array.from_buffers(pa.bool_(), len(keep), [None, bits]))


def rule_of(cells: Sequence[str], header_rows: Sequence[Sequence[str]]) -> str | None:
    """The rule by which a row carries no data, None for data."""
    filled = [text for text in map(normal_label, cells) if text]
    if not filled:
        return "blank_row"
    if _TOTAL.match(filled[0]):
        return "total_row"
    if len(filled) == 1 and _EMPTY_STATE.match(filled[0]):
        return "empty_state_row"
    shown = [cell.strip() for cell in cells]
    if any(shown == list(row) for row in header_rows):
        return "repeated_header"
    return None


def header_cells(header: Header, width: int) -> list[list[str]]:
    """The header's rows as a row of data would show them: stripped, filled up to `width`."""
    stripped = [[cell.strip() for cell in row] for row in header.rows]
    return [(row + [""] * width)[:width] for row in stripped if any(row)]


def set_aside(table: pa.Table, header: Header) -> tuple[pa.Table, list[tuple[int, str]]]:
    """Takes rows without data out of a raw table.

    Args:
        table: string columns without nulls, in the file's order, then `_row_no`.

    Returns:
        The table without them, and (row number, rule) of each.
    """
    width = table.num_columns - 1
    headers = header_cells(header, width)
    keep = numpy.ones(table.num_rows, dtype=bool)
    ignored: list[tuple[int, str]] = []
    start = 0
    for batch in table.to_batches():
        suspects = _suspects(batch, width, headers)
        if len(suspects):
            rows = batch.take(int64_array(suspects))
            columns = [rows.column(i).to_pylist() for i in range(width + 1)]
            for index, (*cells, number) in zip(suspects, zip(*columns, strict=True), strict=True):
                rule = rule_of(cells, headers)
                if rule:
                    keep[start + index] = False
                    ignored.append((number, rule))
        start += batch.num_rows
    if ignored:
        table = keep_rows(table, keep)
    return table, ignored


def _suspects(batch: pa.RecordBatch, width: int, headers: list[list[str]]) -> numpy.ndarray:
    """Indices of rows whose first filled cell makes them worth a look; millions of rows cost some passes of numpy."""
    found = []
    blank_so_far = numpy.arange(batch.num_rows)
    for position in range(width):
        column = batch.column(position)
        offsets = numpy.frombuffer(column.buffers()[1], numpy.int32)[column.offset :]
        begins = offsets[blank_so_far]
        is_empty = offsets[blank_so_far + 1] == begins
        labels = {row[position] for row in headers} - {""}
        leads = numpy.zeros(256, dtype=bool)
        leads[list(_LEADS + b"".join(label.encode()[:1] for label in labels))] = True
        if not is_empty.all():
            content = numpy.frombuffer(column.buffers()[2], numpy.uint8)
            candidates = blank_so_far[~is_empty][leads[content[begins[~is_empty]]]]
            if len(candidates):
                found.append(candidates[_may_match(column.take(int64_array(candidates)), labels)])
        blank_so_far = blank_so_far[is_empty]
        if not len(blank_so_far):
            break
    return numpy.sort(numpy.concatenate([*found, blank_so_far]))


def _may_match(values: pa.Array, labels: set[str]) -> numpy.ndarray:
    """Indices of values that may be one of the words, a label or blank."""
    match = pc.match_substring_regex(values, _SUSPECT)
    if labels:
        exact = "|".join("".join(f"\\x{{{ord(char):x}}}" for char in label) for label in sorted(labels))
        match = pc.or_(match, pc.match_substring_regex(values, rf"^\s*({exact})\s*$"))
    # neither `to_numpy` nor `pa.array` here: they would import pandas
    hits = pc.indices_nonzero(match)
    return numpy.frombuffer(hits.buffers()[1], numpy.uint64)[: len(hits)].astype(numpy.int64)


def name_columns(table: pa.Table, header: Header, layout: Layout | None) -> tuple[pa.Table, list[str]]:
    """Names a raw table's columns by the header; columns without label and content go, so do numbering and buttons.

    Returns:
        The table with `_row_no` last, and notes for people.
    """
    width = table.num_columns - 1
    labels = (header.labels + [""] * width)[:width]
    names, notes = column_names(labels, layout)
    columns: dict[str, pa.ChunkedArray] = {}
    for position, name in enumerate(names):
        if name is None:
            continue
        column = table.column(position)
        if not labels[position]:
            if not pc.max(pc.binary_length(column)).as_py():
                continue
            notes.append(
                tr(
                    f"第 {position + 1} 列没有表头，称为 {name}",
                    f"column {position + 1} has no label: {name}",
                )
            )
        columns[name] = column
    columns["_row_no"] = table.column(width)
    return pa.table(columns), notes
