"""Looks into the XML of an XLSX for what the workbook reader does not tell.

Error values (#N/A, #REF!), which it shows as empty cells, and cells so far out that it would fill the memory.
"""

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


_DIMENSION = re.compile(rb'<(?:\w+:)?dimension\b[^>]*\bref="[A-Z]+\d+:([A-Z]{1,3})(\d{1,7})"')
_REFERENCE = re.compile(rb'<(?:\w+:)?c\b[^>]*?\br="([A-Z]{1,3})(\d{1,7})"')


def reaches_too_far(data: bytes, most_cells: int) -> bool:
    """Whether a sheet spans more cells than `most_cells`: the reader takes memory for each, filled or not.

    The declared span is often far too large, so it only says where to look at the cells themselves.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            sheets = [name for name in packed.namelist() if name.startswith("xl/worksheets/")]
            return any(_span(packed, name, most_cells) > most_cells for name in sheets)
    except Exception:  # damage is told by the workbook reader
        return False


def _span(packed: zipfile.ZipFile, name: str, most_cells: int) -> int:
    with packed.open(name) as part:
        declared = _DIMENSION.search(part.read(4096))
    if declared is None or (_position(declared[1]) + 1) * int(declared[2]) <= most_cells:
        return 0
    columns = rows = 0
    for letters, row in _REFERENCE.findall(packed.read(name)):
        columns, rows = max(columns, _position(letters) + 1), max(rows, int(row))
    return columns * rows


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
