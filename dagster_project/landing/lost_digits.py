"""Ids that a spreadsheet wrote as 3.57123E+18 when it saved a text file: their last digits are gone for good."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.contracts import Feed
from dagster_project.contracts import feed as contract_feed
from dagster_project.landing.readers import UnreadableFileError
from dagster_project.lang import tr
from dagster_project.presets import Table

# the plus is part of it: 12E5 is a code that somebody chose
_E_NOTATION = r"^\s*-?[0-9](?:\.[0-9]+)?[eE]\+[0-9]{1,3}\s*$"
# an id that only says which rows are summed up together is not summed up itself
_WINDOW = re.compile(r"\bover \((?:[^()]|\([^()]*\))*\)")
_ID_TYPES = frozenset({"id", "ref"})
# a column that is also read as one of these is no id: its own check says what is wrong with it
_VALUE_TYPES = frozenset({"phone", "money", "decimal", "int", "time"})


def refuse_lost_digits(table: pa.Table, columns: Iterable[str], labels: Mapping[str, str]) -> None:
    """Looks for ids in E-notation.

    Args:
        table: text columns and `_row_no`.
        columns: names of the columns that hold ids; those that the table lacks are passed over.
        labels: column → its label in the file, where that differs.

    Raises: UnreadableFileError that names the first such row of the first such column.
    """
    for name in columns:
        if name not in table.column_names:
            continue
        cells = table.column(name)
        # one pass for a byte costs a fraction of the regular expression
        if not pc.any(pc.match_substring(cells, "+")).as_py():
            continue
        lost = pc.fill_null(pc.match_substring_regex(cells, _E_NOTATION), False)
        if not pc.any(lost).as_py():
            continue
        row, label = pc.min(table.column("_row_no").filter(lost)).as_py(), labels.get(name, name)
        raise UnreadableFileError(
            tr(
                f"第 {row} 行 {label} 列是科学计数法（如 3.57E+18），表格软件另存时已丢失末尾数位。请从原系统重新导出，"
                "不要用表格软件打开再保存",
                f"row {row}, column {label}: an id in E-notation (like 3.57E+18) has lost its tail when a spreadsheet"
                " saved the file; export it again from the system and do not save it from a spreadsheet",
            )
        )


def id_columns(feed: Feed) -> list[str]:
    """Columns of a canonical feed that hold ids."""
    return [column.name for column in feed.columns if column.type in _ID_TYPES]


def preset_id_columns(kind: str, rule: Table) -> list[str]:
    """The preset's columns that ids are made of, and nothing that is counted or dialled."""
    used: dict[str, set[str]] = {name: set() for name in rule.columns}
    for feed_name, feed_rule in rule.feeds.items():
        types = {column.name: column.type for column in contract_feed(kind, feed_name).columns}
        for column, expression in feed_rule.columns.items():
            words = re.findall(r"[A-Za-z_]\w*", _WINDOW.sub("", expression.value))
            for word in used.keys() & set(words):
                used[word].add(types[column])
    return [name for name, types in used.items() if types & _ID_TYPES and not types & _VALUE_TYPES]
