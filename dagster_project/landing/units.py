"""The 100× check: money in fen where yuan was declared, or the other way round, shows in amounts that belong together."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from dagster_project.contracts import Feed
from dagster_project.lake.scratch import scratch
from dagster_project.landing.readers import UnreadableFileError
from dagster_project.landing.sql import TIDY
from dagster_project.lang import tr

SAMPLE_ROWS = 20_000
MIN_ROWS = 5
# a honest discount or a rounding never reaches these
_TOO_FAR = 50

# feed → (column, what it should come near to), both in yuan
_WITHIN: Mapping[tuple[str, str], tuple[str, str, tuple[str, ...]]] = {
    ("pos", "tickets"): ("net", "gross", ("net", "gross")),
    ("pos", "ticket_lines"): ("amount", "price * qty", ("amount", "price", "qty")),
}
# (total's feed, its key, its column) and (parts' feed, their key, their column) of one file
_BETWEEN: tuple[tuple[tuple[str, str, str], tuple[str, str, str]], ...] = (
    (("tickets", "ticket_id", "net"), ("ticket_lines", "ticket_id", "amount")),
    (("tickets", "ticket_id", "net"), ("tenders", "ticket_id", "amount")),
    (("orders", "order_id", "order_amount"), ("order_lines", "order_id", "amount")),
)


def check_units(feed: Feed, table: pa.Table) -> None:
    """Compares amounts of the same row.

    Raises: UnreadableFileError when half of the rows differ by about a factor of 100.
    """
    rule = _WITHIN.get((feed.kind, feed.name))
    if rule is None or not set(rule[2]) <= set(table.column_names):
        return
    amount, other, used = rule
    columns = ", ".join(f"{_number(name)} as {name}" for name in used)
    _compare(
        {"sample": table.select(list(used)).slice(0, SAMPLE_ROWS)},
        f"select {amount} as a, {other} as b from (select {columns} from sample)",
        f"{feed.name}.{amount}",
        f"{feed.name}.{other}",
    )


def check_units_between(tables: Mapping[str, pa.Table]) -> None:
    """Compares totals with the sums of their parts, where one file brought both.

    Raises: UnreadableFileError as check_units.
    """
    for (whole, key, total), (parts, part_key, amount) in _BETWEEN:
        if whole not in tables or parts not in tables:
            continue
        left, right = tables[whole], tables[parts]
        if not {key, total} <= set(left.column_names) or not {part_key, amount} <= set(right.column_names):
            continue
        _compare(
            {
                "whole": left.select([key, total]).slice(0, SAMPLE_ROWS),
                "parts": right.select([part_key, amount]),
            },
            f"select a, b from (select {key} as k, {_number(total)} as a from whole)"
            f" join (select {part_key} as k, sum({_number(amount)}) as b from parts group by 1) using (k)",
            f"{whole}.{total}",
            f"sum({parts}.{amount})",
        )


def _compare(tables: Mapping[str, pa.Table], pairs: str, name: str, other: str) -> None:
    if any(table.num_rows < MIN_ROWS for table in tables.values()):
        return
    with scratch() as connection:
        for table_name, table in tables.items():
            connection.register(table_name, table)
        found = connection.execute(
            f"select count(*), median(abs(a) / abs(b)) from ({pairs}) where a <> 0 and b <> 0"
        ).fetchone()
    rows, ratio = found or (0, None)
    if rows < MIN_ROWS or ratio is None or 1 / _TOO_FAR < ratio < _TOO_FAR:
        return
    raise UnreadableFileError(
        tr(
            f"金额单位像是错了：{name} 约为 {other} 的 {ratio:.4g} 倍（元和分相差 100 倍）。请核对导出或 preset 里的 unit",
            f"a money unit looks wrong: {name} is about {ratio:.4g} times {other} (yuan and fen differ by 100);"
            " check the export or the preset's unit",
        )
    )


def _number(name: str) -> str:
    return f"try_cast(regexp_replace(trim({name}, {TIDY}), '[,，¥￥元 ]', '', 'g') as double)"
