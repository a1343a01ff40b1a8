"""Reads formats whose columns have names of their own: JSON lines and Parquet."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dagster_project.landing.readers.archives import MAX_BYTES
from dagster_project.landing.readers.cells import EXACT_DOUBLE, number_text
from dagster_project.landing.readers.header import clean_label, column_names
from dagster_project.landing.readers.model import Layout, TextTable, UnreadableFileError
from dagster_project.landing.readers.text import Utf8
from dagster_project.lang import tr

# the first integer a float of fewer bits can no longer tell from its neighbour
_EXACT = {"halffloat": 2**11, "float": 2**24, "double": EXACT_DOUBLE}
_DIGITS = {"halffloat": 4, "float": 7, "double": 15}


def read_json_lines(text: Utf8, layout: Layout | None) -> TextTable:
    """One object a line; blank lines are no rows. Numbers stay the text they were, nested values stay JSON.

    Raises:
        UnreadableFileError: not one line is an object.
    """
    rows: list[dict[str, str | None]] = []
    numbers: list[int] = []
    broken: list[tuple[int, str]] = []
    names: dict[str, None] = {}
    # only line feeds divide lines: U+2028 and its like may stand inside a JSON text
    for number, line in enumerate(bytes(text.content).split(b"\n"), start=1):
        if not line.strip():
            continue
        row = _json_row(line)
        if isinstance(row, str):
            broken.append((number, row))
            continue
        names.update(dict.fromkeys(row))
        rows.append(row)
        numbers.append(number)
    if not rows and broken:
        raise UnreadableFileError(tr("没有一行是合法的 JSON", "not one line is valid JSON"))
    kept, notes = column_names(list(names), layout)
    columns = {
        kept_name: pa.array([row.get(name) for row in rows], type=pa.string())
        for name, kept_name in zip(names, kept, strict=True)
        if kept_name is not None
    }
    columns["_row_no"] = pa.array(numbers, type=pa.int64())
    return TextTable(pa.table(columns), "jsonl", text.encoding, broken, drift=[*text.notes, *notes])


def _json_row(line: bytes) -> dict[str, str | None] | str:
    """A line's object with trimmed keys, or what is wrong with the line."""
    try:
        # numbers stay the text they were: ids above 2^53 must not pass through a double
        item = json.loads(line, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        return f"json({error.msg})"
    except RecursionError:
        return "json(nested too deep)"
    if not isinstance(item, dict):
        return "json(no object)"
    row = {clean_label(key): _json_text(value) for key, value in item.items()}
    if len(row) != len(item):
        return "json(doubled key)"
    if b"\\u" in line and not _is_unicode(row):
        return "json(half a character)"
    return row


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "Y" if value else "N"
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _is_unicode(row: dict[str, str | None]) -> bool:
    try:
        "".join([*row, *(value or "" for value in row.values())]).encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def read_parquet(data: bytes, layout: Layout | None) -> TextTable:
    """All columns of a Parquet file as text; rows are numbered from 2, as if the names were row 1.

    Raises:
        UnreadableFileError: damaged, with nested columns, or with numbers that lost digits.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        groups = [file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups)]
        if sum(groups) > MAX_BYTES:
            raise UnreadableFileError(
                tr("Parquet 过大，请分批导出", "the Parquet file is too large; export in parts")
            )
        schema = file.schema_arrow
        for field in schema:
            if pa.types.is_nested(field.type):
                raise _unsupported(field.name, field.type)
        table = file.read()
    except UnreadableFileError:
        raise
    except Exception as error:  # whatever a damaged file makes of the native reader
        kind = type(error).__name__
        raise UnreadableFileError(
            tr(f"Parquet 损坏（{kind}），请重新导出", f"damaged Parquet ({kind}); export it again")
        ) from None
    names, notes = column_names([clean_label(name) for name in table.column_names], layout)
    columns = {
        name: _column_text(table.column(position), name)
        for position, name in enumerate(names)
        if name is not None
    }
    columns["_row_no"] = pa.chunked_array([pa.array(range(2, 2 + table.num_rows), pa.int64())])
    return TextTable(pa.table(columns), "parquet", drift=notes)


def _unsupported(name: str, kind: pa.DataType) -> UnreadableFileError:
    return UnreadableFileError(
        tr(
            f"{name} 列（类型 {kind}）无法作为文本读取，请展开成普通列后重新导出",
            f"column {name} of type {kind} cannot be read as text; make it plain columns and export again",
        )
    )


def _column_text(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _column_text(column.cast(kind.value_type), name)
    if pa.types.is_boolean(kind):
        return pc.if_else(column, "Y", "N")
    if pa.types.is_floating(kind):
        return _float_text(column, name)
    try:
        if pa.types.is_timestamp(kind) and kind.tz:
            return pc.strftime(column, format="%Y-%m-%d %H:%M:%S%z")
        text = column.cast(pa.string())
        # a text column is believed to be UTF-8 until someone looks
        text.validate(full=True)
        return text
    except (pa.ArrowException, ValueError):
        raise _unsupported(name, kind) from None


def _float_text(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    kind = str(column.type)
    values = column.cast(pa.float64())
    if pc.any(pc.greater_equal(pc.abs(values), float(_EXACT[kind]))).as_py():
        raise UnreadableFileError(
            tr(
                f"{name} 列是浮点数且位数过多，已丢失末尾数位，请存为文本",
                f"column {name}: floats with more digits than they can hold; save it as text",
            )
        )
    texts = [
        None if value is None or value != value else number_text(value, _DIGITS[kind])
        for value in values.to_pylist()
    ]
    return pa.chunked_array([pa.array(texts, pa.string())])
