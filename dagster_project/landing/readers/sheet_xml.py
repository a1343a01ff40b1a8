"""Finds error values (#N/A, #REF!) in a sheet of an XLSX: the workbook reader shows them as empty cells."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from xml.etree import ElementTree

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_REL = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_CELL = re.compile(
    rb'<(?:\w+:)?c\b(?=[^>]*\bt="e")[^>]*\br="([A-Z]{1,3})(\d{1,7})"[^>]*>(?:(?!</(?:\w+:)?c>).)*?<(?:\w+:)?v>([^<]{1,20})<',
    re.DOTALL,
)


def error_cells(data: bytes, title: str) -> list[tuple[int, int, str]]:
    """(row from 1, column from 0, code) of each error value in the sheet of that title; [] when not told.

    Only a help for people, so a workbook built unlike the standard one yields nothing instead of an error.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            sheet = packed.read(_sheet_path(packed, title))
    except Exception:  # binary workbooks, other layouts: the cells are empty all the same
        return []
    if b't="e"' not in sheet:
        return []
    return [
        (int(row), _position(letters), code.decode("ascii", "replace"))
        for letters, row, code in _CELL.findall(sheet)
    ]


def _sheet_path(packed: zipfile.ZipFile, title: str) -> str:
    book = ElementTree.fromstring(packed.read("xl/workbook.xml"))
    link = next(sheet.get(_REL) for sheet in book.iter(f"{_MAIN}sheet") if sheet.get("name") == title)
    links = ElementTree.fromstring(packed.read("xl/_rels/workbook.xml.rels"))
    target = next(str(entry.get("Target")) for entry in links if entry.get("Id") == link)
    return posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")


def _position(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1
