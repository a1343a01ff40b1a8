"""Checks and normalises the rows of some files of one feed, as sets in an in-memory DuckDB.

Values leave in one spelling per type (plain decimal yuan, chain-local `YYYY-MM-DD HH:MM:SS`, Y/N, lower-case enums).
A row that could not be counted is rejected; a wrong optional value is emptied; both are listed with file, row and
column, never with the value itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from dagster_project.contracts import Column, Feed
from dagster_project.landing.sql import TIDY, identifier

# times of planned things may lie ahead; everything else has happened when its file arrives
_MAY_LIE_AHEAD = {"starts_at", "ends_at"}
_TIME_FORMATS = (
    "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y-%m-%d %H:%M", "%Y.%m.%d %H:%M:%S", "%Y%m%d %H:%M:%S",
    "%Y%m%d%H%M%S", "%Y年%m月%d日 %H:%M:%S", "%Y年%m月%d日 %H:%M", "%Y/%m/%d", "%Y-%m-%d", "%Y%m%d", "%Y年%m月%d日",
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What a plausible value is: `zone` of naive times, first year, largest amount (yuan)."""

    zone: str
    earliest_year: int
    max_amount_yuan: int


@dataclass
class Validated:
    """`rows`: normalised rows with `_file_no` and `_row_no`, in that order.

    `rejects`: _file_no, row_no, column_name, value_kind, rule, action. `repeated`, `rejected`: rows by _file_no.
    """

    rows: pa.Table
    rejects: pa.Table
    repeated: dict[int, int]
    rejected: dict[int, int]


def validate_rows(table: pa.Table, feed: Feed, limits: Limits) -> Validated:
    """Splits the rows of some files into good ones, exact repeats within a file, and rejects.

    Args:
        table: raw columns of the feed as far as any file has them, `_extra`, `_row_no`, `_file_no`, and `_night`, the
            night on which the file arrived.
    """
    with duckdb.connect() as connection:
        connection.execute(f"set threads = 2; set TimeZone = '{limits.zone}'")
        # several rows may come from one record of a source, so a row's number does not name it
        sequence = pa.array(range(table.num_rows), pa.int64())
        connection.register("arrived", table.append_column("_seq", sequence))
        return _validate(connection, table.column_names, feed, limits)


def _validate(
    connection: duckdb.DuckDBPyConnection, present: list[str], feed: Feed, limits: Limits
) -> Validated:
    typed = {column.name: column for column in feed.columns}
    names = [name for name in feed.raw_columns() if name in present]
    cleaned = ", ".join(
        f"nullif(trim({identifier(name)}, {TIDY}), '') as {identifier(name)}" for name in names
    )
    values = ", ".join(f"{_value(name, typed.get(name), limits)} as {identifier(name)}" for name in names)
    checks = [check for name in names if (check := _check(name, typed.get(name)))]
    findings = (
        " union all ".join(checks) or "select 0::bigint, 0::bigint, 0::bigint, '', '', '', '' where false"
    )
    everything = ", ".join([identifier(name) for name in names] + ["_extra"])
    connection.execute(
        f"""
        create temp table cleaned as select _seq, _file_no, _row_no, _night, _extra, {cleaned} from arrived;
        create temp table normalised as select _seq, _file_no, _row_no, _extra, {values} from cleaned;
        create temp table findings(_seq, _file_no, row_no, column_name, value_kind, rule, action) as {findings};
        create temp table refused as
            select distinct _seq, _file_no from findings where action = 'row_rejected';
        create temp table kept as
            select *, row_number() over (partition by _file_no, {everything} order by _seq) as copy
            from normalised anti join refused using (_seq)
        """
    )
    absent = "".join(
        f", null::varchar as {identifier(name)}" for name in feed.raw_columns() if name not in names
    )
    ordered = ", ".join(identifier(name) for name in feed.raw_columns())
    rows = connection.sql(
        f"select {ordered}, _extra, _file_no, _row_no from (select *{absent} from kept where copy = 1)"
        " order by _seq"
    ).to_arrow_table()
    rejects = connection.sql(
        "select * exclude (_seq) from findings order by _seq, column_name, rule"
    ).to_arrow_table()
    repeated = connection.execute("select _file_no, count(*) from kept where copy > 1 group by 1").fetchall()
    rejected = connection.execute("select _file_no, count(*) from refused group by 1").fetchall()
    return Validated(rows, rejects, dict(repeated), dict(rejected))


def _value(name: str, column: Column | None, limits: Limits) -> str:
    """SQL for the normalised text of a column; null when it does not hold such a value."""
    cell = identifier(name)
    kind = column.type if column else "id"
    if kind == "money":
        bare = f"regexp_replace({cell}, '[,，¥￥元 ]', '', 'g')"
        amount = f"try_cast({bare} as decimal(18, 4))"
        return (
            f"case when abs({amount}) <= {limits.max_amount_yuan} then {amount}::decimal(18, 2)::varchar end"
        )
    if kind == "decimal":
        return f"try_cast(replace({cell}, ',', '') as decimal(18, 6))::varchar"
    if kind == "int":
        return f"case when try_cast({cell} as decimal(18, 4)) % 1 = 0 then try_cast({cell} as decimal(18, 4))::bigint::varchar end"
    if kind == "flag":
        return (
            f"case when upper({cell}) in ('Y', 'YES', '1', 'TRUE', 'T', '是') then 'Y'"
            f" when upper({cell}) in ('N', 'NO', '0', 'FALSE', 'F', '否') then 'N' end"
        )
    if kind == "enum":
        assert column is not None
        choices = ", ".join(f"'{choice}'" for choice in column.choices)
        other = " when " + cell + " is not null then 'other'" if "other" in column.choices else ""
        return f"case when lower({cell}) in ({choices}) then lower({cell}){other} end"
    if kind == "time":
        assert column is not None
        return _time(cell, column, limits)
    return cell


def _time(cell: str, column: Column, limits: Limits) -> str:
    formats = ", ".join(f"'{text}'" for text in _TIME_FORMATS)
    zoned = f"regexp_full_match({cell}, '.*[0-9]:[0-9]{{2}}.*([zZ]|[+-][0-9]{{2}}:?([0-9]{{2}})?)')"
    moment = (
        f"case when {zoned} then timezone('{limits.zone}', try_cast({cell} as timestamptz))"
        f" else coalesce(try_strptime({cell}, [{formats}]), try_cast({cell} as timestamp)) end"
    )
    window = f"year({moment}) >= {limits.earliest_year}"
    if column.name not in _MAY_LIE_AHEAD:
        # a night's files may hold the small hours after midnight, nothing later
        window += f" and {moment} < _night + interval 2 days"
    return f"case when {window} then ({moment})::varchar end"


def _check(name: str, column: Column | None) -> str | None:
    """SQL that lists what is wrong in one column: _seq, _file_no, row_no, column_name, value_kind, rule, action."""
    if column is None:
        return None
    cell, kind = f"c.{identifier(name)}", column.type
    wrong = f"{cell} is not null and n.{identifier(name)} is null"
    if kind == "enum" and "other" in column.choices:
        choices = ", ".join(f"'{choice}'" for choice in column.choices)
        wrong = f"{cell} is not null and lower({cell}) not in ({choices})"
    must = column.value
    if not must and kind in ("id", "ref", "text"):
        return None
    rule = f"case when {cell} is null then 'empty' else 'not_{kind}' end"
    condition = f"n.{identifier(name)} is null" if must else wrong
    if must and kind == "enum" and "other" in column.choices:
        condition = f"{cell} is null or ({wrong})"
    action = "'row_rejected'" if must else "'value_nulled'"
    if kind == "enum" and "other" in column.choices:
        action = f"case when {cell} is null then {action} else 'value_mapped' end"
    shape = (
        f"case when {cell} is null then 'empty'"
        f" when regexp_full_match({cell}, '[0-9]+') then 'digits(' || length({cell}) || ')'"
        f" else 'text(' || length({cell}) || ')' end"
    )
    return (
        f"select c._seq, c._file_no, c._row_no, '{name}', {shape}, {rule}, {action}"
        f" from cleaned c join normalised n using (_seq) where {condition}"
    )
