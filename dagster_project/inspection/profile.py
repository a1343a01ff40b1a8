"""What a file's columns hold, by aggregates: shares and kinds, and examples that name nobody."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy
import pyarrow as pa

from dagster_project.lake.scratch import scratch
from dagster_project.landing.sql import TIDY
from dagster_project.privacy import classify_phone
from dagster_project.privacy.phones import DUMMY_NUMBERS

SAMPLE_ROWS = 20_000
MAX_COLUMNS = 200
# every number of a shape counts as its first; what is left beyond this many shapes is not classified
_MAX_SHAPES = 20_000
_FREQUENT = 10
_MOSTLY = 0.8

_NUMBER = r"[-+]?[¥￥]?[0-9][0-9,]*(\.[0-9]+)?元?"
_WHOLE = r"[-+]?[0-9]+"
_PHONE = r"((\+|00)?86[- ]?)?1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4}(\.0)?"
_MASKED = r"1[0-9]{2,6}[*xX•·●#]{2,}[0-9]{0,6}"
_CIPHER = r"[$~#].{8,}[$~#][0-9]?[$~#]?"
_TIME = r"(19|20)[0-9]{2}[-/.年][0-9]{1,2}[-/.月][0-9]{1,2}.*|20[0-9]{2}(0[1-9]|1[0-2])([0-2][0-9]|3[01])( ?[0-2][0-9]:?[0-5][0-9](:?[0-5][0-9])?)?"
_CLOCK = r"[0-2]?[0-9]:[0-5][0-9](:[0-5][0-9])?"
_SECONDS = r"1[0-9]{9}(\.0)?"
_MILLISECONDS = r"1[0-9]{12}(\.0)?"
_FORMATS = (
    "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y-%m-%d %H:%M", "%Y.%m.%d %H:%M:%S", "%Y%m%d %H:%M:%S", "%Y%m%d%H%M%S",
    "%Y年%m月%d日 %H:%M:%S", "%Y年%m月%d日 %H:%M", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y年%m月%d日",
)  # fmt: skip

# headers of columns that name or locate a person: no example of theirs is ever shown
PERSONAL = re.compile(
    r"姓名|名字|昵称|收货人|收件人|提货人|联系人|下单人|购买人|团长|地址|住址|小区|楼|房号|身份证|证件|生日|备注|留言|"
    r"address|nick|real_?name|id_?card|remark|memo|^name$",
    re.IGNORECASE,
)


@dataclass
class ColumnProfile:
    """One column. Shares are of the rows read (`filled`) or of the sample's filled cells.

    kind: empty, phone, masked_phone, cipher_phone, time, clock, money, number, enum, id, text. `times`: s, ms or naive.
    `values`: the commonest values of an enum, commonest first; to be shown only when they cannot name a person.
    """

    name: str
    filled: int = 0
    distinct: int = 0
    kind: str = "empty"
    times: str | None = None
    numeric: float = 0.0
    shortest: int = 0
    longest: int = 0
    digits_only: bool = False
    low: str = ""
    high: str = ""
    example: str = ""
    values: list[str] = field(default_factory=list)

    @property
    def is_phone(self) -> bool:
        return self.kind.endswith("phone")


@dataclass
class PhoneFigures:
    """Phone cells of a column: `kinds` by classify_phone (empty cells excluded), `unclassified`, `filled`, `rows`."""

    column: str
    rows: int
    kinds: Counter[str]
    unclassified: int = 0

    @property
    def filled(self) -> int:
        return sum(self.kinds.values()) + self.unclassified


class Profiler:
    """Profiles one table; keep it open as long as figures are asked for, and close it."""

    def __init__(self, table: pa.Table) -> None:
        self._connection = scratch()
        self.names = [name for name in table.column_names if name != "_row_no"][:MAX_COLUMNS]
        # labels that differ in case only are one name to SQL
        self._cells = {name: f"nullif(trim(c{i}, {TIDY}), '')" for i, name in enumerate(self.names)}
        table = pa.table({f"c{i}": table.column(name) for i, name in enumerate(self.names)})
        self._connection.register("source", table)
        rows = table.num_rows
        if rows > SAMPLE_ROWS:
            table = table.take(numpy.linspace(0, rows - 1, SAMPLE_ROWS).astype("int64"))
        self._connection.register("sample", table)
        self.rows = rows

    def __enter__(self) -> Profiler:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._connection.close()

    def columns(self) -> list[ColumnProfile]:
        """Every column, in the file's order; at most MAX_COLUMNS."""
        if not self.names or not self.rows:
            return [ColumnProfile(name) for name in self.names]
        # trimming millions of cells is slow, and hardly any begins with a blank
        listed = ", ".join(
            f"count(case when c{i} > '!' and ascii(c{i}) not in (160, 12288) then '' when c{i} = '' then null"
            f" else {cell} end), approx_count_distinct(c{i})"
            for i, cell in enumerate(self._cells.values())
        )
        counts = self._row(f"select {listed} from source")
        return [
            self._column(name, counts[2 * index], counts[2 * index + 1])
            for index, name in enumerate(self.names)
        ]

    def _column(self, name: str, filled: int, distinct: int) -> ColumnProfile:
        profile = ColumnProfile(name, filled, min(distinct, filled))
        if not filled:
            return profile
        shapes = {
            "number": _NUMBER, "whole": _WHOLE, "phone": _PHONE, "masked": _MASKED, "cipher": _CIPHER, "time": _TIME,
            "clock": _CLOCK, "s": _SECONDS, "ms": _MILLISECONDS,
        }  # fmt: skip
        tests = ", ".join(f"count(*) filter (regexp_full_match(t, '{shape}'))" for shape in shapes.values())
        row = self._row(
            f"select count(t), count(distinct t), min(length(t)), max(length(t)), {tests},"
            " count(*) filter (regexp_full_match(t, '[-+]?[¥￥]?[0-9,]*\\.[0-9]{1,2}元?'))"
            f" from (select {self._cells[name]} as t from sample)"
        )
        seen, kinds_seen, profile.shortest, profile.longest = row[:4]
        if not seen:
            return profile
        share = {key: count / seen for key, count in zip([*shapes, "cents"], row[4:], strict=True)}
        profile.numeric, profile.digits_only = share["number"], share["whole"] == 1
        profile.kind, profile.times = _kind(share, kinds_seen, seen, profile)
        self._examples(profile)
        return profile

    def _examples(self, profile: ColumnProfile) -> None:
        tidy = self._cells[profile.name]
        if profile.kind == "enum":
            found = self._all(
                f"select t, count(*) from (select {tidy} as t from sample) where t is not null"
                " group by t order by 2 desc, 1 limit 20"
            )
            profile.values = [text for text, _ in found]
        elif profile.kind in ("money", "number"):
            bare = f"try_cast(regexp_replace({tidy}, '[,¥￥元+]', '', 'g') as decimal(18, 2))"
            low, high = self._row(f"select min({bare}), max({bare}) from sample")
            if low is not None and high < 10**9:
                form = ".2f" if profile.kind == "money" else "f"
                profile.low, profile.high = (
                    f"{amount.normalize() if profile.kind == 'number' else amount:{form}}"
                    for amount in (low, high)
                )
        elif profile.kind in ("time", "clock"):
            profile.example = (
                self._row(
                    f"select max({tidy}) from sample where regexp_full_match({tidy}, '[-0-9/.:年月日 TZ+]{{6,25}}')"
                )[0]
                or ""
            )
        elif profile.is_phone:
            found = self._all(f"select {tidy} from sample where {tidy} is not null limit 50")
            phones = [phone for (text,) in found if (phone := classify_phone(text)) is not None]
            profile.example = next((phone.masked for phone in phones if phone.masked), "")

    def phones(self, name: str) -> PhoneFigures:
        """Kinds of every phone cell of a column, each shape classified once."""
        figures = PhoneFigures(name, self.rows, Counter())
        # only the first digits decide whether a number exists, but a placeholder is one number only; what many share
        # may be on the chain's own list of those, so it stands for itself too
        dummies = ", ".join(f"'{number}'" for number in sorted(DUMMY_NUMBERS))
        key = (
            f"case when n >= {_FREQUENT} or t in ({dummies}) then t when regexp_full_match(t, '1[3-9][0-9]{{9}}') then left(t, 5)"
            " when length(t) >= 8 and not regexp_full_match(t, '[-0-9+() ]+') then"
            " regexp_replace(regexp_replace(t, '[02-9]', '0', 'g'), '[A-WYZa-wyz]', 'a', 'g') else t end"
        )
        found = self._all(
            f"select any_value(t), sum(n)::bigint from (select *, {key} as key from"
            f" (select {self._cells[name]} as t, count(*) as n from source group by 1) where t is not null)"
            f" group by key order by 2 desc, 1 limit {_MAX_SHAPES + 1}"
        )
        for text, count in found[:_MAX_SHAPES]:
            phone = classify_phone(text)
            if phone is not None:
                figures.kinds[phone.kind] += count
        if len(found) > _MAX_SHAPES:
            filled = self._row(f"select count({self._cells[name]}) from source")[0]
            figures.unclassified = filled - sum(count for _, count in found[:_MAX_SHAPES])
        return figures

    def span(self, name: str, times: str | None) -> tuple[str, str] | None:
        """First and last time of a column as `YYYY-MM-DD HH:MM`, None when nothing in it is a plausible time."""
        tidy = self._cells[name]
        if times in ("s", "ms"):
            scale = 1 if times == "s" else 1000
            moment = f"(timezone('Asia/Shanghai', to_timestamp(try_cast(split_part({tidy}, '.', 1) as bigint) / {scale})))"
        else:
            listed = ", ".join(f"'{text}'" for text in _FORMATS)
            moment = f"coalesce(try_cast({tidy} as timestamp), try_strptime({tidy}, [{listed}]))"
        query = (
            f"select strftime(min(m), '%Y-%m-%d %H:%M'), strftime(max(m), '%Y-%m-%d %H:%M')"
            f" from (select {moment} as m from source) where year(m) between 1990 and 2100"
        )
        try:
            first, last = self._row(query)
        except duckdb.Error:
            return None
        return (first, last) if first else None

    def repeated_rows(self) -> int:
        """Rows beyond the first of the same content."""
        listed = ", ".join(f"coalesce(c{i}, '')" for i in range(len(self.names)))
        return self._row(
            f"select count(*) - count(distinct h) from (select hash({listed}) as h from source)"
        )[0]

    def _row(self, query: str) -> tuple[Any, ...]:
        row = self._connection.execute(query).fetchone()
        assert row is not None
        return row

    def _all(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()


def _kind(
    share: dict[str, float], distinct: int, seen: int, profile: ColumnProfile
) -> tuple[str, str | None]:
    for kind, key in (("phone", "phone"), ("masked_phone", "masked"), ("cipher_phone", "cipher")):
        if share[key] >= _MOSTLY / 2 and share["phone"] + share["masked"] + share["cipher"] >= _MOSTLY / 1.6:
            return kind, None
    if share["time"] >= _MOSTLY:
        return "time", "naive"
    if share["clock"] >= _MOSTLY:
        return "clock", None
    for times in ("s", "ms"):
        if share[times] >= 0.99 and re.search(r"时间|日期|time|date|_at$", profile.name, re.IGNORECASE):
            return "time", times
    is_enum = distinct <= 20 and distinct <= max(2, seen / 3) and profile.longest <= 16
    if share["number"] >= _MOSTLY:
        if share["cents"] > 0.2:
            return "money", None
        if share["whole"] == 1 and (profile.shortest >= 6 or (distinct > 0.9 * seen and seen > 20)):
            return "id", None
        return "number", None
    if is_enum:
        return "enum", None
    is_code = profile.longest <= 40 and distinct > 0.5 * seen
    return ("id", None) if is_code and share["number"] == 0 and _all_ascii_code(profile) else ("text", None)


def _all_ascii_code(profile: ColumnProfile) -> bool:
    return profile.shortest == profile.longest and profile.shortest >= 4
