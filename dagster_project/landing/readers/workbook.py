"""Reads workbooks: XLSX and its relatives, XLS, and both when locked with a configured password."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msoffcrypto
import pyarrow as pa
import pyarrow.compute as pc
from msoffcrypto.exceptions import DecryptionError, InvalidKeyError
from python_calamine import CalamineSheet, CalamineWorkbook, SheetVisibleEnum

from dagster_project.landing.readers.archives import check_workbook_zip
from dagster_project.landing.readers.cells import cell_text, has_lost_digits
from dagster_project.landing.readers.header import PREVIEW_ROWS, Header, find_header
from dagster_project.landing.readers.model import (
    SHEET_OFFSET,
    Layout,
    TextTable,
    UnreadableFileError,
    normal_label,
)
from dagster_project.landing.readers.rows import name_columns, set_aside
from dagster_project.landing.readers.sheet_xml import error_cells, reaches_too_far
from dagster_project.lang import tr

OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# the last row each format can hold; a sheet that reaches it was most likely cut there
_FULL_ROWS = {"xls": 65_536, "xlsx": 1_048_576}
_MAX_CELLS = 50_000_000
_LISTED = 20


def read_workbook(data: bytes, layout: Layout | None, password: str | None, sheet: str | None) -> TextTable:
    """Reads the named sheet, else all whose header fits the layout, else the first with content.

    Sheets come one below the other in the workbook's order, hidden ones too; row numbers as `TextTable` tells.

    Raises:
        UnreadableFileError: damaged, locked without the right password, cut at the format's last row, without the
            named sheet, empty, or with numbers that lost digits. One such sheet that fits refuses all of them.
    """
    if data[:8] == OLE_MAGIC:
        data = _unlocked(data, password)
    kind = "xls" if data[:8] == OLE_MAGIC else "xlsx"
    if kind == "xlsx":
        check_workbook_zip(data)
        if reaches_too_far(data, _MAX_CELLS):
            raise _too_large()
    chosen, notes = _choose(_open(data), layout, sheet)
    # the library counts to the last row from 0: a sheet of 65,536 rows says 65,535
    heights = [(found.end or (-1, -1))[0] + 1 for found in chosen]
    for found, height in zip(chosen, heights, strict=True):
        if height >= _FULL_ROWS[kind]:
            raise _told_in(found.name, len(chosen), _cut_short(kind))
    if sum(height * found.total_width for found, height in zip(chosen, heights, strict=True)) > _MAX_CELLS:
        raise _too_large()
    parts: list[TextTable] = []
    for found in chosen:
        try:
            parts.append(_read_sheet(data, kind, found, layout))
        except UnreadableFileError as error:
            raise _told_in(found.name, len(chosen), error) from None
    result = parts[0] if len(parts) == 1 else _one_below_the_other(parts, layout)
    result.drift = [*notes, *result.drift]
    return result


def _read_sheet(data: bytes, kind: str, sheet: CalamineSheet, layout: Layout | None) -> TextTable:
    rows = _rows(sheet)
    header = find_header([[cell_text(c) for c in row] for row in rows[:PREVIEW_ROWS]], layout)
    if header is None:
        header = find_header([[cell_text(c) for c in row] for row in rows], None)
    if header is None:
        raise UnreadableFileError(tr("工作表是空的", "the sheet is empty"))
    raw, lost = _raw_table(rows, header)
    ignored = [(row, rule) for row, rule in _titles(rows, header, layout)]
    table, odd = set_aside(raw, header)
    _refuse_lost(lost, {row for row, _ in odd}, header)
    table, notes = name_columns(table, header, layout)
    faults = error_cells(data, sheet.name) if kind == "xlsx" else []
    drift = [*notes, *_fault_notes(faults, header)]
    return TextTable(table, kind, ignored=sorted(ignored + odd), drift=drift, title=sheet.name)


def _one_below_the_other(parts: list[TextTable], layout: Layout | None) -> TextTable:
    """Appends sheets to the first under its column names; a column that one lacks is empty there."""
    tables: list[pa.Table] = []
    names: list[str] = []
    for number, part in enumerate(parts):
        table = part.table.rename_columns(_names_as_before(part.table.column_names, names, layout))
        names += [name for name in table.column_names if name not in names and name != "_row_no"]
        offset = pa.scalar(number * SHEET_OFFSET, pa.int64())
        tables.append(
            table.drop_columns(["_row_no"]).append_column("_row_no", pc.add(table["_row_no"], offset))
        )
    return TextTable(
        pa.concat_tables([_with_columns(table, [*names, "_row_no"]) for table in tables]),
        parts[0].format,
        ignored=[
            (row + k * SHEET_OFFSET, rule) for k, part in enumerate(parts) for row, rule in part.ignored
        ],
        drift=[
            tr(f"工作表 {part.title}：{note}", f"sheet {part.title}: {note}")
            for part in parts
            for note in part.drift
        ],
        title=parts[0].title,
    )


def _names_as_before(names: Sequence[str], before: Sequence[str], layout: Layout | None) -> list[str]:
    """A sheet's column names as the sheets before it spell them; spellings of one column are one name."""
    groups = (*layout.required, *layout.columns) if layout is not None else ()
    taken = set(names) & set(before)

    def same(name: str, other: str) -> bool:
        pair = {normal_label(name), normal_label(other)}
        return len(pair) == 1 or any(pair <= group for group in groups)

    result = []
    for name in names:
        if name not in taken and name != "_row_no":
            name = next((other for other in before if other not in taken and same(name, other)), name)
            taken.add(name)
        result.append(name)
    return result


def _with_columns(table: pa.Table, names: Sequence[str]) -> pa.Table:
    blank = pa.repeat(pa.scalar("", pa.string()), table.num_rows)
    return pa.table({name: table[name] if name in table.column_names else blank for name in names})


def _cut_short(kind: str) -> UnreadableFileError:
    most = _FULL_ROWS[kind]
    return UnreadableFileError(
        tr(
            f"表格在第 {most:,} 行被截断（{kind} 的上限），请分批导出",
            f"cut at {most:,} rows, the most an {kind} sheet holds: export in parts",
        )
    )


def _told_in(title: str, sheets: int, error: UnreadableFileError) -> UnreadableFileError:
    """The error with the sheet it is about, where there are several."""
    if sheets == 1:
        return error
    return UnreadableFileError(tr(f"工作表 {title}：{error}", f"sheet {title}: {error}"))


def _too_large() -> UnreadableFileError:
    return UnreadableFileError(
        tr(
            "工作表过大，或有内容落在很远的单元格，请检查后分批导出",
            "the sheet is too large, or a cell far out is filled; look at it and export in parts",
        )
    )


def _unlocked(data: bytes, password: str | None) -> bytes:
    """The workbook without its lock; `data` itself when it has none."""
    try:
        office = msoffcrypto.OfficeFile(io.BytesIO(data))
        if not office.is_encrypted():
            return data
    except Exception:  # not told from its container: the workbook reader decides
        return data
    if not password:
        raise UnreadableFileError(
            tr(
                "工作簿有密码：请在 chain.yml 的连接里设置 file_password",
                "the workbook is locked: set file_password in the connection in chain.yml",
            )
        )
    plain = io.BytesIO()
    try:
        office.load_key(password=password)
        office.decrypt(plain)
    except (InvalidKeyError, DecryptionError):
        raise UnreadableFileError(
            tr(
                "工作簿密码不对：请检查 chain.yml 里的 file_password",
                "wrong password for the workbook: check file_password in chain.yml",
            )
        ) from None
    except Exception as error:  # whatever a damaged container makes of the decryption
        kind = type(error).__name__
        raise UnreadableFileError(
            tr(f"加密的工作簿损坏（{kind}）", f"damaged locked workbook ({kind})")
        ) from None
    return plain.getvalue()


def _damaged(error: BaseException) -> UnreadableFileError:
    # the native reader reports some damage as a panic, which is no Exception
    if isinstance(error, KeyboardInterrupt | SystemExit):
        raise error
    text = str(error) if isinstance(error, Exception) else type(error).__name__
    return UnreadableFileError(
        tr(f"Excel 文件损坏或不完整：{text}。请重新导出", f"damaged workbook: {text}; export it again")
    )


def _open(data: bytes) -> CalamineWorkbook:
    try:
        return CalamineWorkbook.from_filelike(io.BytesIO(data))
    except BaseException as error:
        raise _damaged(error) from None


def _rows(sheet: CalamineSheet, count: int | None = None) -> list[list[Any]]:
    try:
        return sheet.to_python(skip_empty_area=False, nrows=count)
    except BaseException as error:
        raise _damaged(error) from None


@dataclass(frozen=True)
class _Candidate:
    sheet: CalamineSheet
    has_content: bool
    fits: bool


def _choose(
    workbook: CalamineWorkbook, layout: Layout | None, name: str | None
) -> tuple[list[CalamineSheet], list[str]]:
    """The sheets to read, at least one, and notes about which were read and which not."""
    titles = [meta.name for meta in workbook.sheets_metadata]
    if name is not None:
        titles = [title for title in titles if normal_label(title) == normal_label(name)]
        if not titles:
            shown = ", ".join(workbook.sheet_names)
            raise UnreadableFileError(
                tr(
                    f"没有名为 {name} 的工作表（有：{shown}）",
                    f"no sheet is called {name} (there are: {shown})",
                )
            )
    candidates: list[_Candidate] = []
    failures: dict[str, UnreadableFileError] = {}
    for title in titles:
        try:
            candidates.append(_candidate(workbook, title, layout))
        except UnreadableFileError as error:  # a chart, or a damaged sheet; another may do
            failures[title] = error
    failure = next(iter(failures.values()), None)
    fitting = [c.sheet for c in candidates if c.fits] if layout is not None else []
    if layout is not None and failure and not fitting:
        raise failure
    if not candidates:
        raise failure or UnreadableFileError(tr("工作簿里没有工作表", "the workbook has no sheet"))
    if layout is None or not fitting:
        hidden = {m.name for m in workbook.sheets_metadata if m.visible != SheetVisibleEnum.Visible}
        best = min(candidates, key=lambda c: (not c.fits, not c.has_content, c.sheet.name in hidden))
        return [best.sheet], []
    unlike = [c.sheet.name for c in candidates if not c.fits and c.has_content]
    return fitting, _sheet_notes([sheet.name for sheet in fitting], unlike, list(failures))


def _sheet_notes(read: list[str], unlike: list[str], unreadable: list[str]) -> list[str]:
    notes = []
    if len(read) > 1:
        shown = ", ".join(read)
        notes.append(
            tr(
                f"读取了 {len(read)} 个工作表：{shown}（从第二个起，行号逐个加 {SHEET_OFFSET:,}）",
                f"read {len(read)} sheets: {shown} (from the second on, row numbers go up by {SHEET_OFFSET:,} each)",
            )
        )
    if unreadable:
        shown = ", ".join(unreadable)
        notes.append(
            tr(
                f"工作表 {shown} 是图表或已损坏，未读取",
                f"sheets that are charts or damaged, not read: {shown}",
            )
        )
    if unlike:
        shown = ", ".join(unlike)
        notes.append(
            tr(f"工作表 {shown} 的表头不符，未读取", f"sheets without the header, not read: {shown}")
        )
    return notes


def _candidate(workbook: CalamineWorkbook, title: str, layout: Layout | None) -> _Candidate:
    try:
        sheet = workbook.get_sheet_by_name(title)
    except BaseException as error:
        raise _damaged(error) from None
    head = [[cell_text(cell) for cell in row] for row in _rows(sheet, PREVIEW_ROWS)]
    header = find_header(head, layout)
    return _Candidate(sheet, header is not None or bool(sheet.height), header is not None and header.fits)


def _is_filled(row: Sequence[Any]) -> bool:
    return any(cell != "" for cell in row)


def _titles(rows: list[list[Any]], header: Header, layout: Layout | None) -> list[tuple[int, str]]:
    if layout is None:
        return []
    return [(index + 1, "title_row") for index in range(header.first) if _is_filled(rows[index])]


def _raw_table(rows: list[list[Any]], header: Header) -> tuple[pa.Table, dict[int, int]]:
    """All filled rows below the header as text, and the rows (with a column each) that hold too long a number."""
    numbers = [i + 1 for i in range(header.end, len(rows)) if _is_filled(rows[i])]
    width = max((len(row) for row in rows), default=0)
    width = max(width, len(header.labels))
    lost: dict[int, int] = {}
    columns: dict[str, pa.Array] = {}
    for position in range(width):
        cells = [rows[n - 1][position] if position < len(rows[n - 1]) else "" for n in numbers]
        for number, cell in zip(numbers, cells, strict=True):
            if type(cell) is not str and has_lost_digits(cell):
                lost.setdefault(number, position)
        columns[str(position)] = pa.array([c if type(c) is str else cell_text(c) for c in cells], pa.string())
    columns["_row_no"] = pa.array(numbers, type=pa.int64())
    return pa.table(columns), lost


def _refuse_lost(lost: dict[int, int], aside: set[int], header: Header) -> None:
    """A total row may add up ids to any size; a row of data may not hold such a number."""
    for row, position in lost.items():
        if row in aside:
            continue
        column = header.labels[position] if position < len(header.labels) else ""
        column = column or str(position + 1)
        raise UnreadableFileError(
            tr(
                f"第 {row} 行 {column} 列是超过 15 位的数字，Excel 已丢失末尾数位。请把该列设为文本后重新导出",
                f"row {row}, column {column}: a number of more than 15 digits has lost its tail; export it as text",
            )
        )


def _fault_notes(faults: list[tuple[int, int, str]], header: Header) -> list[str]:
    notes = []
    for row, position, code in faults[:_LISTED]:
        column = header.labels[position] if position < len(header.labels) else ""
        column = column or str(position + 1)
        notes.append(
            tr(
                f"第 {row} 行 {column} 列是错误值 {code}，按空值读取",
                f"row {row}, column {column}: error value {code}, read as empty",
            )
        )
    if len(faults) > _LISTED:
        more = len(faults) - _LISTED
        notes.append(tr(f"另有 {more} 个错误值", f"and {more} more error values"))
    return notes
