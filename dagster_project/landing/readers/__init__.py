"""Reads one arrived file of any allowed format into text columns.

Formats are told by content, never by name: CSV (UTF-8 with or without BOM, GB18030; comma, tab or semicolon), the
same gzipped, XLSX/XLS (locked ones with a password), JSON lines, Parquet. Nothing is guessed: what cannot be read
exactly is an UnreadableFileError with a reason.
"""

from __future__ import annotations

from dagster_project.landing.readers.archives import (
    GZIP_MAGIC,
    ZIP_MAGIC,
    archive_members,
    is_workbook_zip,
    unpack_gzip,
)
from dagster_project.landing.readers.delimited import read_delimited
from dagster_project.landing.readers.model import Layout, TextTable, UnreadableFileError, normal_label
from dagster_project.landing.readers.text import to_utf8
from dagster_project.landing.readers.typed import read_json_lines, read_parquet
from dagster_project.landing.readers.workbook import OLE_MAGIC, read_workbook
from dagster_project.lang import tr

__all__ = ["Layout", "TextTable", "UnreadableFileError", "archive_members", "normal_label", "read_bytes"]

# what people put in by mistake, by its first bytes
_NO_TABLES = {
    b"%PDF-": "PDF",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"Rar!": "RAR",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"{\\rtf": "RTF",
}
_MOST_WRAPPERS = 2


def read_bytes(
    data: bytes, layout: Layout | None = None, *, password: str | None = None, sheet: str | None = None
) -> TextTable:
    """Reads a file's content.

    Args:
        data: the file; of an archive the member (`archive_members`).
        layout: how to find the header; without it the first row that is not blank is the header.
        password: opens a locked workbook.
        sheet: title of the sheet to read; without it all whose header fits the layout, without a layout the first
            with content.

    Raises:
        UnreadableFileError: truncated, undecodable, locked, without a header, or with numbers that lost digits.
    """
    wrappers = 0
    while data[:2] == GZIP_MAGIC and wrappers < _MOST_WRAPPERS:
        data = unpack_gzip(data)
        wrappers += 1
    result = _read_plain(data, layout, password, sheet)
    result.format += ".gz" * wrappers
    return result


def _check_kind(data: bytes) -> None:
    kind = next((kind for start, kind in _NO_TABLES.items() if data.startswith(start)), None)
    if kind is not None:
        raise UnreadableFileError(
            tr(
                f"不支持的文件类型（{kind}）。请导出为 xlsx 或 csv",
                f"not a file type that can be read ({kind}); export xlsx or csv",
            )
        )


def _read_plain(data: bytes, layout: Layout | None, password: str | None, sheet: str | None) -> TextTable:
    if data[:4] == b"PAR1":
        return read_parquet(data, layout)
    if data[:8] == OLE_MAGIC or (data[:4] in ZIP_MAGIC and is_workbook_zip(data)):
        return read_workbook(data, layout, password, sheet)
    if data[:4] in ZIP_MAGIC:
        raise UnreadableFileError(
            tr("压缩包里又是压缩包，请解压后放入", "an archive inside another file; unpack it first")
        )
    _check_kind(data)
    text = to_utf8(data)
    start = bytes(text.content[:4096]).lstrip()
    if start[:1] == b"{":
        return read_json_lines(text, layout)
    if start[:1] == b"<":
        raise UnreadableFileError(
            tr(
                "内容是网页或 XML（改名成 .xls 的网页？），请用 Excel 打开后另存为 xlsx",
                "a web page or XML, perhaps renamed to .xls; open it in Excel and save it as xlsx",
            )
        )
    if start[:1] == b"[" and start[1:].lstrip()[:1] == b"{":
        raise UnreadableFileError(
            tr("内容是 JSON 数组，请导出为一行一个对象", "a JSON array; export one object a line")
        )
    return read_delimited(text, layout)
