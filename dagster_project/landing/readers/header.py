"""Finds the header of a grid: one row, or two to three merged rows, perhaps below titles."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from dagster_project.landing.readers.model import Layout, UnreadableFileError, normal_label
from dagster_project.lang import tr

SEARCHED_ROWS = 10
MAX_DEPTH = 3
PREVIEW_ROWS = SEARCHED_ROWS + MAX_DEPTH - 1
# numbering and buttons of back-office tables carry no data
_FURNITURE = frozenset({"序号", "操作"})
_RESERVED = "_row_no"
_NUMBER = re.compile(r"[-+]?[\d.,:/\-\s]+%?\Z")

Grid = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Header:
    """`labels`: one a column, "" without a label. `first`: index of its first row in the grid. `rows`: as in the file."""

    labels: list[str]
    first: int
    rows: list[list[str]]
    fits: bool = True

    @property
    def end(self) -> int:
        return self.first + len(self.rows)


def find_header(grid: Grid, layout: Layout | None) -> Header | None:
    """The header among the grid's first rows; None for a blank grid.

    With a layout the first row, then the first two, then three neighbouring rows that hold all it requires; when
    none does, and without a layout, the first row that is not blank.
    """
    if layout is not None:
        for depth in range(1, MAX_DEPTH + 1):
            for first in range(min(SEARCHED_ROWS, len(grid)) - depth + 1):
                header = _header_at(grid, first, depth, layout)
                if header is not None and covers(header.labels, layout):
                    return _with_subheader(grid, header, layout)
    for first, row in enumerate(grid):
        if not _is_blank(row):
            return Header([clean_label(cell) for cell in row], first, [list(row)], layout is None)
    return None


def covers(labels: Sequence[str], layout: Layout) -> bool:
    """Whether the labels hold a spelling of every required column (of any known one when none is required)."""
    found = {normal_label(label) for label in labels}
    if not layout.required:
        return bool(found & layout.labels)
    return all(found & group for group in layout.required)


def column_names(labels: Sequence[str], layout: Layout | None) -> tuple[list[str | None], list[str]]:
    """The table's column names, None for a column to drop, and notes about names that had to change.

    Columns without a label are called `_unnamed_<position>`.

    Raises:
        UnreadableFileError: two columns of one name, and the name means something (or without a layout any may).
    """
    names: list[str | None] = []
    notes: list[str] = []
    taken, meant = {_RESERVED}, set()
    for position, label in enumerate(labels, start=1):
        normal = normal_label(label)
        if layout is not None and normal in _FURNITURE and normal not in layout.labels:
            names.append(None)
            continue
        name = label or f"_unnamed_{position}"
        doubled = name in taken or normal in meant
        if doubled and (layout is None or normal in layout.labels):
            raise UnreadableFileError(tr(f"表头有重名的列：{name}", f"doubled columns: {name}"))
        if doubled:
            name = _free_name(name, taken, labels)
            notes.append(
                tr(
                    f"表头重名：第 {position} 列改称 {name}",
                    f"doubled label: column {position} is called {name}",
                )
            )
        taken.add(name)
        if layout is not None and normal in layout.labels:
            meant.add(normal)
        names.append(name)
    return names, notes


def clean_label(text: str) -> str:
    """A label as shown: outer blanks, tabs and marks gone, no line breaks inside."""
    return re.sub(r"\s*[\r\n]+\s*", "", text.strip().strip("\ufeff\u200b").strip())


def _free_name(name: str, taken: set[str], labels: Sequence[str]) -> str:
    number = 2
    while f"{name}_{number}" in taken or f"{name}_{number}" in labels:
        number += 1
    return f"{name}_{number}"


def _is_blank(row: Sequence[str]) -> bool:
    return not any(cell.strip() for cell in row)


def _header_at(grid: Grid, first: int, depth: int, layout: Layout) -> Header | None:
    rows = [list(row) for row in grid[first : first + depth]]
    if _is_blank(rows[0]) or _is_blank(rows[-1]):
        return None
    if depth == 1:
        return Header([clean_label(cell) for cell in rows[0]], first, rows)
    width = max(len(row) for row in rows)
    own = [[clean_label(cell) for cell in row] + [""] * (width - len(row)) for row in rows]
    filled = [_forward(row) for row in own[:-1]] + [own[-1]]
    return Header([_merged_label(own, filled, column, layout) for column in range(width)], first, rows)


def _forward(row: list[str]) -> list[str]:
    result, last = [], ""
    for label in row:
        last = label or last
        result.append(last)
    return result


def _merged_label(own: list[list[str]], filled: list[list[str]], column: int, layout: Layout) -> str:
    """The lowest label that is known, else all of them from top to bottom joined by "·"."""
    for level in range(len(own) - 1, -1, -1):
        label = own[level][column]
        if label and normal_label(label) in layout.labels and not _is_group(own, level, column):
            return label
    # merged downwards, a column's own label stands above blanks; one that only reaches over from the left is not its own
    lowest = next((i for i in range(len(own) - 1, -1, -1) if own[i][column]), None)
    if lowest is None:
        return ""
    parts = [row[column] for row in filled[:lowest] if row[column]] + [own[lowest][column]]
    return "·".join(dict.fromkeys(parts))


def _is_group(own: list[list[str]], level: int, column: int) -> bool:
    """Whether a label spans the next column as well, so that it names a group and no column."""
    if level == len(own) - 1 or column + 1 >= len(own[level]) or own[level][column + 1]:
        return False
    return any(row[column + 1] for row in own[level + 1 :])


def _with_subheader(grid: Grid, header: Header, layout: Layout) -> Header:
    """Takes rows below into the header that only divide columns whose labels span several."""
    while (
        len(header.rows) < MAX_DEPTH and header.end < len(grid) and _divides(grid[header.end], header, layout)
    ):
        deeper = _header_at(grid, header.first, len(header.rows) + 1, layout)
        if deeper is None or not covers(deeper.labels, layout):
            break
        header = deeper
    return header


def _divides(row: Sequence[str], header: Header, layout: Layout) -> bool:
    """Whether a row below a header names the columns under a label that spans several.

    It is blank under everything required, which no row of data is, and names both the column below such a label and
    the next one, which has no label yet; numbers are no names.
    """
    required = {spelling for group in layout.required for spelling in group}
    labels = header.labels
    cells = [cell.strip() for cell in row]
    if not required or any(cells[len(labels) :]) or any(_NUMBER.match(cell) for cell in cells if cell):
        return False
    pairs = list(zip(cells, labels, strict=False))
    if any(cell and normal_label(label) in required for cell, label in pairs):
        return False
    return any(
        left and cell and left_label and not label
        for (left, left_label), (cell, label) in itertools.pairwise(pairs)
    )
