"""What a reader takes and gives: the layout to look for, the table found, the refusal."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

import pyarrow as pa

# 【】 is as much a bracket as （）, but NFKC leaves it alone
_BRACKETS = str.maketrans("【】〔〕", "[][]")
_BLANK_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
_PLAIN = re.compile(r"[a-z0-9_.]+\Z")
# far above the 1,048,576 rows that a sheet can hold
SHEET_OFFSET = 10_000_000


class UnreadableFileError(ValueError):
    """The file goes to quarantine; the text says why and how to mend it."""


@dataclass(frozen=True)
class Layout:
    """How to find the header of a file.

    `labels`: normalised spellings (`normal_label`) of every known column.
    `required`: one group a column; the header must hold at least one spelling of every group.
    `columns`: one group a column, required or not: what sheets of one workbook may each spell in their own way.
    """

    labels: frozenset[str]
    required: tuple[frozenset[str], ...]
    columns: tuple[frozenset[str], ...] = ()


@dataclass
class TextTable:
    """A file as read. `table`: string columns as in the file plus `_row_no` (int64, as a spreadsheet shows it).

    Of a workbook several sheets may be read, one below the other. Row numbers of the k-th of them, counted from 0,
    are k × 10,000,000 higher: 20,000,007 is row 7 of the third sheet that was read. `drift` names them in that order.
    `broken`: (row number, what is wrong) of rows that have no place in the table, e.g. too few fields.
    `ignored`: (row number, rule) of rows that carry no data: title_row, total_row, empty_state_row,
    repeated_header, blank_row. They do not count as read.
    `drift`: sentences for people about what is unusual but readable.
    `title`: the title of the (first) sheet read, or "".
    """

    table: pa.Table
    format: str
    encoding: str = ""
    broken: list[tuple[int, str]] = field(default_factory=list)
    ignored: list[tuple[int, str]] = field(default_factory=list)
    drift: list[str] = field(default_factory=list)
    title: str = ""

    @property
    def rows_read(self) -> int:
        return self.table.num_rows + len(self.broken)


def normal_label(text: str) -> str:
    """A label as compared: NFKC, half-width brackets, lower case; no blanks, line breaks or invisible marks."""
    if _PLAIN.match(text):
        return text
    wide = unicodedata.normalize("NFKC", text).translate(_BRACKETS).lower()
    return "".join(char for char in wide if unicodedata.category(char) not in _BLANK_CATEGORIES)
