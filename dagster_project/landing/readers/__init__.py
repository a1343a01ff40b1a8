"""Reads one arrived file of any allowed format into text columns.

Formats are told by content, never by name: CSV (UTF-8 with or without BOM, GB18030), the same gzipped, XLSX/XLS,
JSON lines, Parquet. Nothing is guessed: what cannot be read exactly is an UnreadableFileError with a reason.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from datetime import date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from python_calamine import CalamineError, CalamineWorkbook

from dagster_project.landing.readers.archives import archive_members, unpack_gzip
from dagster_project.landing.readers.model import Layout, TextTable, UnreadableFileError, normal_label
from dagster_project.lang import tr

__all__ = ["Layout", "TextTable", "UnreadableFileError", "archive_members", "normal_label", "read_bytes"]

# a double holds 15 decimal digits exactly; a longer id that went through one has lost its tail
_EXACT_DOUBLE = 10**15


def read_bytes(
    data: bytes, layout: Layout | None = None, *, password: str | None = None, sheet: str | None = None
) -> TextTable:
    """Reads a file's content.

    Raises:
        UnreadableFileError: truncated, undecodable, without a header, or with numbers that lost digits.
    """
    if data[:2] == b"\x1f\x8b":
        inner = read_bytes(unpack_gzip(data), layout, password=password, sheet=sheet)
        inner.format += ".gz"
        return inner
    if data[:4] == b"PAR1":
        return _read_parquet(data)
    if data[:4] == b"PK\x03\x04" or data[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        return _read_workbook(data)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UnreadableFileError(tr("文件是 UTF-16 编码，请另存为 UTF-8", "UTF-16 text; save it as UTF-8"))
    text, encoding = _decode(data)
    if text.lstrip()[:1] == "{":
        return _read_json_lines(text, encoding)
    return _read_csv(text, encoding)


def _decode(data: bytes) -> tuple[str, str]:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        label = "utf-8" if encoding == "utf-8-sig" and data[:3] != b"\xef\xbb\xbf" else encoding
        return text, label
    raise UnreadableFileError(
        tr("既不是 UTF-8 也不是 GB18030 编码，请另存为 UTF-8", "neither UTF-8 nor GB18030 text")
    )


def _read_csv(text: str, encoding: str) -> TextTable:
    first_line = text.lstrip("\r\n").split("\n", 1)[0]
    if not first_line.strip():
        raise UnreadableFileError(tr("文件是空的", "the file is empty"))
    delimiter = "\t" if "\t" in first_line and "," not in first_line else ","
    header = _header_names(_first_record(text, delimiter))
    payload = pa.py_buffer(text.encode("utf-8"))
    broken: list[tuple[int, str]] = []

    def parse(exact: bool) -> pa.Table:
        broken.clear()

        def keep(row: pacsv.InvalidRow) -> str:
            broken.append((row.number or 0, f"fields({row.actual_columns}/{row.expected_columns})"))
            return "skip"

        return pacsv.read_csv(
            pa.BufferReader(payload),
            read_options=pacsv.ReadOptions(use_threads=not exact, block_size=1 << 24),
            parse_options=pacsv.ParseOptions(
                delimiter=delimiter, newlines_in_values='"' in text, invalid_row_handler=keep
            ),
            convert_options=pacsv.ConvertOptions(
                column_types={name: pa.string() for name in header}, strings_can_be_null=False, null_values=[]
            ),
        )

    try:
        table = parse(exact=False)
        if broken:
            # row numbers of broken rows are known only when one thread reads
            table = parse(exact=True)
    except pa.ArrowInvalid as error:
        raise UnreadableFileError(tr(f"CSV 无法解析：{error}", f"cannot parse the CSV: {error}")) from None
    skipped = sorted(number for number, _ in broken)
    table = table.rename_columns(_header_names(table.column_names))
    return TextTable(_number_rows(table, skipped), "csv", encoding, list(broken))


def _first_record(text: str, delimiter: str) -> list[str]:
    import csv

    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    for row in reader:
        if row:
            return row
    raise UnreadableFileError(tr("没有表头", "no header row"))


def _header_names(names: list[str]) -> list[str]:
    cleaned = [name.strip().strip("\ufeff").strip() for name in names]
    doubled = sorted(name for name, count in Counter(cleaned).items() if count > 1 and name)
    if doubled:
        raise UnreadableFileError(
            tr(f"表头有重名的列：{', '.join(doubled)}", f"doubled columns: {', '.join(doubled)}")
        )
    return [name or f"_unnamed_{index + 1}" for index, name in enumerate(cleaned)]


def _number_rows(table: pa.Table, skipped: list[int] | None = None) -> pa.Table:
    """Adds `_row_no` as a spreadsheet shows it (the header is row 1), leaving out the skipped rows' numbers."""
    numbers = range(2, 2 + table.num_rows + len(skipped or []))
    left_out = set(skipped or [])
    array = pa.array([n for n in numbers if n not in left_out] if left_out else numbers, type=pa.int64())
    return table.append_column("_row_no", array[: table.num_rows])


def _read_json_lines(text: str, encoding: str) -> TextTable:
    rows: list[dict[str, str | None]] = []
    numbers: list[int] = []
    broken: list[tuple[int, str]] = []
    names: dict[str, None] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            # numbers stay the text they were: ids above 2^53 must not pass through a double
            item = json.loads(line, parse_int=str, parse_float=str)
        except json.JSONDecodeError as error:
            broken.append((number, f"json({error.msg})"))
            continue
        if not isinstance(item, dict):
            broken.append((number, "json(no object)"))
            continue
        row = {key.strip(): _json_text(value) for key, value in item.items()}
        names.update(dict.fromkeys(row))
        rows.append(row)
        numbers.append(number)
    if not rows and broken:
        raise UnreadableFileError(tr("没有一行是合法的 JSON", "not one line is valid JSON"))
    columns = {name: pa.array([row.get(name) for row in rows], type=pa.string()) for name in names}
    columns["_row_no"] = pa.array(numbers, type=pa.int64())
    return TextTable(pa.table(columns), "jsonl", encoding, broken)


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "Y" if value else "N"
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _read_workbook(data: bytes) -> TextTable:
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
        rows = workbook.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except (CalamineError, IndexError, OSError, ValueError) as error:
        raise UnreadableFileError(
            tr(f"Excel 文件损坏或不完整：{error}。请重新导出", f"damaged workbook: {error}; export it again")
        ) from None
    except BaseException as error:  # the reader's native code reports some damage as a panic
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise UnreadableFileError(
            tr("Excel 文件损坏，请重新导出", "damaged workbook; export it again")
        ) from None
    start = next((index for index, row in enumerate(rows) if any(cell != "" for cell in row)), None)
    if start is None:
        raise UnreadableFileError(tr("工作表是空的", "the sheet is empty"))
    header = [str(cell) for cell in rows[start]]
    while header and not header[-1].strip():
        header.pop()
    names = _header_names(header)
    numbers = [i + 1 for i, row in enumerate(rows) if i > start and any(cell != "" for cell in row)]
    columns: dict[str, pa.Array] = {}
    for position, name in enumerate(names):
        cells = [rows[n - 1][position] if position < len(rows[n - 1]) else "" for n in numbers]
        columns[name] = pa.array(
            [_cell_text(cell, name, n) for cell, n in zip(cells, numbers, strict=True)], pa.string()
        )
    columns["_row_no"] = pa.array(numbers, type=pa.int64())
    return TextTable(pa.table(columns), "xlsx" if data[:2] == b"PK" else "xls")


def _cell_text(cell: Any, column: str, row: int) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "Y" if cell else "N"
    if isinstance(cell, float):
        if abs(cell) >= _EXACT_DOUBLE:
            raise UnreadableFileError(
                tr(
                    f"第 {row} 行 {column} 列是超过 15 位的数字，Excel 已丢失末尾数位。请把该列设为文本后重新导出",
                    f"row {row}, column {column}: a number of more than 15 digits has lost its tail; export it as text",
                )
            )
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell)
    return str(cell)


def _read_parquet(data: bytes) -> TextTable:
    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowInvalid, OSError) as error:
        raise UnreadableFileError(tr(f"Parquet 损坏：{error}", f"damaged Parquet: {error}")) from None
    table = table.rename_columns(_header_names(table.column_names))
    columns = {name: _column_text(table.column(name), name) for name in table.column_names}
    return TextTable(_number_rows(pa.table(columns)), "parquet")


def _column_text(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column.cast(pa.string())
    if pa.types.is_dictionary(kind):
        return _column_text(column.cast(kind.value_type), name)
    if pa.types.is_boolean(kind):
        return pc.if_else(column, "Y", "N")
    if pa.types.is_floating(kind):
        if pc.any(pc.greater_equal(pc.abs(column), float(_EXACT_DOUBLE))).as_py():
            raise UnreadableFileError(
                tr(
                    f"{name} 列是超过 15 位的浮点数，已丢失数位",
                    f"column {name}: floats of more than 15 digits lost their tail",
                )
            )
        values = column.to_pylist()
        return pa.chunked_array(
            [pa.array([None if v is None or v != v else _cell_text(v, name, 0) for v in values], pa.string())]
        )
    if pa.types.is_timestamp(kind) and kind.tz:
        return pc.strftime(column, format="%Y-%m-%d %H:%M:%S%z")
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise UnreadableFileError(
            tr(f"{name} 列的类型 {kind} 不支持", f"column {name}: type {kind} is not supported")
        ) from None
