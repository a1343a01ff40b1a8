"""Checks and normalises the rows of some files of one feed, as sets: Arrow where it can, in-memory DuckDB else.

Values leave in one spelling per type (plain decimal yuan, chain-local `YYYY-MM-DD HH:MM:SS`, Y/N, lower-case enums).
A row that could not be counted is rejected; a wrong optional value is emptied; both are listed with file, row and
column, never with the value itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce

import duckdb
import numpy
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.contracts import Column, Feed
from dagster_project.lake.scratch import scratch
from dagster_project.landing.sql import amount, identifier

THREADS = 2  # Arrow and DuckDB leave the interpreter free while they work
PART_ROWS = 300_000  # a longer table is checked in parts of so many rows
# times of planned things may lie ahead; everything else has happened when its file arrives
_MAY_LIE_AHEAD = {"starts_at", "ends_at"}
_FREE_TEXT = {"id", "ref", "text"}  # any value is as good as another, so blanks around it do not show
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


def is_long(table: pa.Table) -> bool:
    """Whether the table is worth parts; many short ones are better checked together."""
    return table.num_rows > PART_ROWS


def validate_in_parts(table: pa.Table, feed: Feed, limits: Limits) -> Iterator[Validated]:
    """validate_rows of one file, a long one part by part, so that writing can go on beside the checks.

    Rows that share a key may be repeats of each other: a file that has such rows is one part.
    """
    step = PART_ROWS
    if is_long(table):
        with scratch(_setup(limits)) as connection:
            step = step if _keys_differ(connection, table, feed, limits) else table.num_rows
    for start in range(0, max(table.num_rows, 1), max(step, 1)):
        yield validate_rows(table.slice(start, step), feed, limits, unique=step < table.num_rows)


def _keys_differ(connection: duckdb.DuckDBPyConnection, table: pa.Table, feed: Feed, limits: Limits) -> bool:
    """Whether it is sure, before the checks, that no two rows will have one key."""
    keys = {}
    for column in feed.columns:
        if column.name in feed.key and column.name in table.column_names:
            keys[column.name] = _tidied(table.column(column.name))
            if not is_canonical(keys[column.name], column, limits, table):
                return False
    connection.register("arriving", pa.table({"_file_no": table["_file_no"], **keys}))
    return _distinct_keys(connection, "arriving", keys) == table.num_rows


def validate_rows(table: pa.Table, feed: Feed, limits: Limits, *, unique: bool = False) -> Validated:
    """Splits the rows of some files into good ones, exact repeats within a file, and rejects.

    Column by column: what is already spelled as it should be, nearly everything a machine writes, is only looked at;
    a column with anything else goes through SQL.

    Args:
        table: raw columns of the feed as far as any file has them, `_extra`, `_row_no`, `_file_no`, and `_night`, the
            night on which the file arrived.
        unique: no two rows have one key; repeats need not be looked for.
    """
    typed = {column.name: column for column in feed.columns}
    # several rows may come from one record of a source, so a row's number does not name it
    origin = table.select(["_file_no", "_row_no", "_night"]).append_column("_seq", _numbers(table.num_rows))
    columns: dict[str, pa.ChunkedArray] = {}
    findings = [_no_findings()]

    def look(name: str) -> tuple[pa.ChunkedArray, bool]:
        if name not in table.column_names:
            return pa.chunked_array([pa.nulls(table.num_rows, pa.string())]), True
        cells, column = table.column(name), typed.get(name)
        if column is None or column.type in ("phone", "name"):
            return cells, True  # made by the door
        # nearly every cell of a machine has its one spelling as it comes; what is looked at only is not copied
        if column.type not in _FREE_TEXT and is_canonical(cells, column, limits, origin):
            return cells, True
        cells = _tidied(cells)
        return cells, is_canonical(cells, column, limits, origin)

    with scratch(_setup(limits)) as connection, ThreadPoolExecutor(THREADS) as pool:
        for name, (cells, fine) in zip(feed.raw_columns(), pool.map(look, feed.raw_columns()), strict=True):
            columns[name] = cells
            if not fine:
                columns[name], found = _normalise(connection, origin, cells, typed[name], limits)
                findings.append(found)
        columns["_extra"] = table.column("_extra")
        rows = pa.table({**columns, "_file_no": origin["_file_no"], "_row_no": origin["_row_no"]})
        return _split(connection, rows, origin["_seq"], pa.concat_tables(findings), None if unique else feed)


def _setup(limits: Limits) -> str:
    return f"set threads = {THREADS}; set global TimeZone = '{limits.zone}'"


def _numbers(count: int) -> pa.Array:
    """0 … count - 1 from one buffer: a Python range would be walked number by number."""
    return pa.Array.from_buffers(
        pa.int64(), count, [None, pa.py_buffer(numpy.arange(count, dtype=numpy.int64))]
    )


def _split(
    connection: duckdb.DuckDBPyConnection,
    rows: pa.Table,
    sequence: pa.ChunkedArray,
    findings: pa.Table,
    feed: Feed | None,
) -> Validated:
    """Takes refused rows and repeats out of `rows`, which stay in order; no repeats without `feed`."""
    refused = pc.unique(
        findings.column("_seq").filter(pc.equal(findings.column("action"), "row_rejected")).combine_chunks()
    )
    rejected = pc.is_in(sequence, refused) if len(refused) else None
    repeats = _repeats(connection, rows, sequence, rejected, feed) if feed else []
    repeated = pc.is_in(sequence, repeats) if len(repeats) else None
    counts = {
        "rejected": _count_by_file(rows, rejected),
        "repeated": _count_by_file(rows, repeated),
    }
    kept = rows
    if masks := [mask for mask in (rejected, repeated) if mask is not None]:
        kept = rows.filter(pc.invert(reduce(pc.or_, masks)))
    ordered = findings.sort_by([("_seq", "ascending"), ("column_name", "ascending"), ("rule", "ascending")])
    return Validated(kept, ordered.drop_columns(["_seq"]), counts["repeated"], counts["rejected"])


def _repeats(
    connection: duckdb.DuckDBPyConnection,
    rows: pa.Table,
    sequence: pa.ChunkedArray,
    rejected: pa.ChunkedArray | None,
    feed: Feed,
) -> pa.Array:
    """Sequence numbers of rows that say exactly what an earlier row of their file says."""
    keys = [name for name in _key_columns(feed) if name in rows.column_names]
    candidates = rows.append_column("_seq", sequence)
    if rejected is not None:
        candidates = candidates.filter(pc.invert(rejected))
    # rows that are the same have the same key, and keys are cheap to compare
    connection.register("candidates", candidates)
    if _distinct_keys(connection, "candidates", keys) == candidates.num_rows:
        return pa.array([], pa.int64())
    listed = _key_list(keys)
    same_key = connection.sql(
        f"select unnest(list(_seq)) as _seq from candidates group by hash({listed}) having count(*) > 1"
    ).to_arrow_table()
    few = candidates.filter(pc.is_in(candidates["_seq"], same_key["_seq"].combine_chunks()))
    connection.register("few", few)
    everything = ", ".join(identifier(name) for name in rows.column_names if name != "_row_no")
    return (
        connection.sql(
            f"select _seq from (select _seq, row_number() over (partition by {everything} order by _seq) as copy"
            " from few) where copy > 1 order by _seq"
        )
        .to_arrow_table()["_seq"]
        .combine_chunks()
    )


def _distinct_keys(connection: duckdb.DuckDBPyConnection, table: str, keys: Iterable[str]) -> int:
    """At least so many different keys; fewer than the rows only where two rows may share one."""
    query = f"select count(distinct hash({_key_list(keys)})) from {table}"
    return int(connection.execute(query).fetchall()[0][0])


def _key_list(keys: Iterable[str]) -> str:
    return ", ".join(["_file_no", *map(identifier, keys)])


def _key_columns(feed: Feed) -> list[str]:
    """Key columns under their raw names."""
    return [name for name in feed.raw_columns() if name in feed.key]


def _count_by_file(rows: pa.Table, mask: pa.ChunkedArray | None) -> dict[int, int]:
    if mask is None:
        return {}
    counted = pc.value_counts(rows["_file_no"].filter(mask))
    return {entry["values"]: entry["counts"] for entry in counted.to_pylist()}


def _no_findings() -> pa.Table:
    text = pa.string()
    return pa.schema(
        [("_seq", pa.int64()), ("_file_no", pa.int64()), ("row_no", pa.int64()), ("column_name", text),
         ("value_kind", text), ("rule", text), ("action", text)]
    ).empty_table()  # fmt: skip


def _tidied(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without blanks around them, full-width ones too; empty is null."""
    trimmed = cells if _has_no_blanks(cells) else pc.utf8_trim_whitespace(cells)
    empty = pc.equal(pc.binary_length(trimmed), 0)
    return pc.if_else(empty, pa.scalar(None, pa.string()), trimmed) if pc.any(empty).as_py() else trimmed


def _has_no_blanks(cells: pa.ChunkedArray) -> bool:
    """Whether every byte is a visible ASCII character; one look at the bytes is cheaper than a trimmed copy."""
    if cells.type != pa.string():
        return False
    for chunk in cells.chunks:
        _, offsets, data = chunk.buffers()
        if data is None or len(chunk) == 0:
            continue
        bounds = numpy.frombuffer(offsets, numpy.int32)
        used = numpy.frombuffer(data, numpy.uint8)[bounds[chunk.offset] : bounds[chunk.offset + len(chunk)]]
        if used.size and (used.min() <= ord(" ") or used.max() >= 0x7F):
            return False
    return True


def _normalise(
    connection: duckdb.DuckDBPyConnection,
    origin: pa.Table,
    cells: pa.ChunkedArray,
    column: Column,
    limits: Limits,
) -> tuple[pa.ChunkedArray, pa.Table]:
    """One column in its one spelling, and what was found in it."""
    connection.register("arrived", origin.append_column("c", cells))
    connection.execute(
        f"create or replace temp table judged as select *, {_value('c', column, limits)} as v from arrived"
    )
    values = connection.sql("select v from judged order by _seq").to_arrow_table().column("v")
    found = connection.sql(_check(column)).to_arrow_table()
    connection.execute("drop table judged")
    connection.unregister("arrived")
    return values, found.cast(_no_findings().schema)


def is_canonical(cells: pa.ChunkedArray, column: Column, limits: Limits, origin: pa.Table) -> bool:
    """Whether every cell already has its one spelling and, where it must have a value, has one."""
    if column.value and cells.null_count:
        return False
    if column.type in _FREE_TEXT or cells.null_count == len(cells):
        return True
    if column.type == "enum":
        return _all_in(cells, column.choices)
    if column.type == "flag":
        return _all_in(cells, ("Y", "N"))
    if column.type == "int":
        return _all_match(cells, r"^(0|-?[1-9][0-9]{0,14})$")
    if column.type == "money":
        return _all_match(cells, r"^(-?[1-9][0-9]{0,8}|0)\.[0-9]{2}$") and _within(
            cells, limits.max_amount_yuan
        )
    if column.type == "time":
        return _are_plain_times(cells, column, limits, origin)
    return column.type == "decimal" and _all_match(cells, r"^(-?[1-9][0-9]{0,11}|0)\.[0-9]{6}$")


def _all_in(cells: pa.ChunkedArray, choices: tuple[str, ...]) -> bool:
    return bool(pc.all(pc.is_in(cells, pa.array([*choices, None], pa.string()))).as_py())


def _all_match(cells: pa.ChunkedArray, pattern: str) -> bool:
    # amounts and counts come again and again, and a pattern costs more than a look-up
    return pc.all(pc.match_substring_regex(pc.unique(cells), pattern)).as_py() is not False


def _within(cells: pa.ChunkedArray, most: int) -> bool:
    largest = pc.max(pc.abs(cells.cast(pa.float64()))).as_py()
    return largest is None or largest < most


def _are_plain_times(cells: pa.ChunkedArray, column: Column, limits: Limits, origin: pa.Table) -> bool:
    """`YYYY-MM-DD HH:MM:SS` of moments that exist, inside the window of every night in the table."""
    lengths = pc.min_max(pc.binary_length(cells)).as_py()
    if lengths != {"min": 19, "max": 19} or pc.any(pc.match_substring(cells, "T")).as_py():
        return False
    try:
        cells.cast(pa.timestamp("s"))  # of this length it takes no zone, so this is the one spelling
    except pa.ArrowInvalid:
        return False
    reach = pc.min_max(cells).as_py()
    last = (pc.min(origin["_night"]).as_py() + timedelta(days=2)).isoformat()
    return reach["min"] >= f"{limits.earliest_year:04}" and (
        column.name in _MAY_LIE_AHEAD or reach["max"] < f"{last} 00:00:00"
    )


def _value(cell: str, column: Column, limits: Limits) -> str:
    """SQL for the normalised text of a column; null when it does not hold such a value."""
    kind = column.type
    if kind == "money":
        value = amount(cell)
        return (
            f"case when abs({value}) <= {limits.max_amount_yuan} then ({value})::decimal(18, 2)::varchar end"
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
        choices = ", ".join(f"'{choice}'" for choice in column.choices)
        other = " when " + cell + " is not null then 'other'" if "other" in column.choices else ""
        return f"case when lower({cell}) in ({choices}) then lower({cell}){other} end"
    if kind == "time":
        return _time(cell, column, limits)
    return cell


def _time(cell: str, column: Column, limits: Limits) -> str:
    formats = ", ".join(f"'{text}'" for text in _TIME_FORMATS)
    zoned = f"regexp_full_match({cell}, '.*[0-9]:[0-9]{{2}}.*([zZ]|[+-][0-9]{{2}}:?([0-9]{{2}})?)')"
    plain = f"regexp_full_match({cell}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}} [0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}')"
    moment = (
        f"case when {zoned} then timezone('{limits.zone}', try_cast({cell} as timestamptz))"
        f" when {plain} then try_cast({cell} as timestamp)"
        f" else coalesce(try_strptime({cell}, [{formats}]), try_cast({cell} as timestamp)) end"
    )
    window = f"year({moment}) >= {limits.earliest_year}"
    if column.name not in _MAY_LIE_AHEAD:
        # a night's files may hold the small hours after midnight, nothing later
        window += f" and {moment} < _night + interval 2 days"
    return f"case when {window} then ({moment})::varchar end"


def _check(column: Column) -> str:
    """SQL over `judged` that lists what is wrong: _seq, _file_no, row_no, column_name, value_kind, rule, action."""
    kind, must = column.type, column.value
    wrong = "c is not null and v is null"
    if kind == "enum" and "other" in column.choices:
        choices = ", ".join(f"'{choice}'" for choice in column.choices)
        wrong = f"c is not null and lower(c) not in ({choices})"
    rule = f"case when c is null then 'empty' else 'not_{kind}' end"
    condition = "v is null" if must else wrong
    if must and kind == "enum" and "other" in column.choices:
        condition = f"c is null or ({wrong})"
    action = "'row_rejected'" if must else "'value_nulled'"
    if kind == "enum" and "other" in column.choices:
        action = f"case when c is null then {action} else 'value_mapped' end"
    shape = (
        "case when c is null then 'empty'"
        " when regexp_full_match(c, '[0-9]+') then 'digits(' || length(c) || ')'"
        " else 'text(' || length(c) || ')' end"
    )
    return (
        f"select _seq, _file_no, _row_no as row_no, '{column.name}' as column_name, {shape} as value_kind,"
        f" {rule} as rule, {action} as action from judged where {condition}"
    )
