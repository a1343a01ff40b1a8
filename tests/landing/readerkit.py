"""Files as tests write them: workbooks of every kind, locked ones, and old .xls without any library."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Sequence
from typing import Any

import openpyxl
from msoffcrypto.format.ooxml import OOXMLFile

_SECTOR = 512
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def workbook(
    *rows: Sequence[Any], title: str = "Sheet", more: dict[str, list[Sequence[Any]]] | None = None
) -> bytes:
    """An .xlsx with one sheet, and `more` sheets behind it."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = title
    for row in rows:
        sheet.append(list(row))
    for name, lines in (more or {}).items():
        other = book.create_sheet(name)
        for row in lines:
            other.append(list(row))
    return saved(book)


def saved(book: openpyxl.Workbook) -> bytes:
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def locked(data: bytes, password: str) -> bytes:
    """An .xlsx behind a password."""
    out = io.BytesIO()
    OOXMLFile(io.BytesIO(data)).encrypt(password, out)
    return out.getvalue()


def zipped(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members:
            packed.writestr(name, content)
    return buffer.getvalue()


def old_workbook(*rows: Sequence[str | float]) -> bytes:
    """An .xls (BIFF8 in a compound file) with one sheet of texts and numbers."""
    cells = []
    for number, row in enumerate(rows):
        for column, value in enumerate(row):
            place = struct.pack("<HHH", number, column, 0)
            if isinstance(value, str):
                text = struct.pack("<HB", len(value), 1) + value.encode("utf-16-le")
                cells.append(_record(0x0204, place + text))
            else:
                cells.append(_record(0x0203, place + struct.pack("<d", value)))
    bof = struct.pack("<HHHHII", 0x0600, 0x0005, 0x0DBB, 1996, 0, 6)
    name = "Sheet1".encode("utf-16-le")
    bound = struct.pack("<IBBBB", 0, 0, 0, 6, 1) + name
    start = len(_record(0x0809, bof)) + len(_record(0x0085, bound)) + len(_record(0x000A, b""))
    bound = struct.pack("<I", start) + bound[4:]
    head = _record(0x0809, bof) + _record(0x0085, bound) + _record(0x000A, b"")
    sheet_bof = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0x0DBB, 1996, 0, 6))
    return _compound("Workbook", head + sheet_bof + b"".join(cells) + _record(0x000A, b""))


def _record(kind: int, body: bytes) -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


def _compound(name: str, stream: bytes) -> bytes:
    """A compound file with one stream: header, allocation table, directory, content."""
    stream = stream.ljust(4096, b"\0")
    sectors = -(-len(stream) // _SECTOR)
    tables = 1
    while tables * 128 < tables + 1 + sectors:
        tables += 1
    table = [_FAT] * tables + [_END] + [tables + 2 + i for i in range(sectors)]
    table[-1] = _END
    table += [_FREE] * (tables * 128 - len(table))
    places = list(range(tables)) + [_FREE] * (109 - tables)
    header = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        + bytes(16)
        + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
        + bytes(6)
    )
    header += struct.pack("<IIIIIIIII", 0, tables, tables, 0, 4096, _END, 0, _END, 0)
    header += struct.pack("<109I", *places)
    root = _entry("Root Entry", 5, child=1, start=_END, size=0)
    entry = _entry(name, 2, child=_FREE, start=tables + 1, size=len(stream))
    blank = bytes(68) + struct.pack("<III", _FREE, _FREE, _FREE) + bytes(48)
    directory = root + entry + blank + blank
    body = struct.pack(f"<{len(table)}I", *table) + directory + stream.ljust(sectors * _SECTOR, b"\0")
    return header + body


def _entry(name: str, kind: int, *, child: int, start: int, size: int) -> bytes:
    raw = (name + "\0").encode("utf-16-le")
    entry = raw.ljust(64, b"\0") + struct.pack("<HBB", len(raw), kind, 1)
    entry += struct.pack("<III", _FREE, _FREE, child) + bytes(36)
    return entry + struct.pack("<IQ", start, size)
