"""The scratch database of one simulation, with the macros every query shares.

All chance is a hash of (seed, key, purpose): the same world has the same bytes whatever the thread count or
the order in which tables are built.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project.simulator.settings import World

# Mobile prefixes with a plain 11-digit numbering (no IoT and no virtual-operator ranges).
_PREFIXES = [
    *(*range(130, 140), *range(150, 154), *range(155, 160), 166, 173, *range(175, 179)),
    *(*range(180, 190), 191, 193, *range(195, 200)),
]
_SCATTER = 982_451_653  # a prime: neighbours get numbers that look unrelated


def open_scratch(world: World, folder: Path) -> duckdb.DuckDBPyConnection:
    """An in-memory database that spills to `folder`, with macros bound to the world's seed and start."""
    con = duckdb.connect(config={"threads": 2, "temp_directory": str(folder)})
    con.execute("set enable_progress_bar = false")
    seed = int(world.seed)
    prefixes = ", ".join(f"'{prefix}'" for prefix in _PREFIXES)
    # Two rounds: one round would only XOR key and purpose, which ties the draws of one key to each other.
    con.execute(f"create macro h(k, purpose) as hash(hash(k::BIGINT, purpose, {seed}))")
    con.execute("create macro u(k, purpose) as (h(k, purpose) >> 11)::DOUBLE * 1.1102230246251565e-16")
    con.execute("create macro pick(k, purpose, n) as (h(k, purpose) % (n)::UBIGINT)::BIGINT")
    # Strings that look like WeChat ids: case-sensitive, 28 characters, one shared head per appid.
    con.execute(
        "create macro wx(head, k, purpose) as head || left(translate(to_base64(unhex("
        f"md5(purpose || '|{seed}|' || (k)::VARCHAR))), '+/', '-_'), 28 - length(head))"
    )
    # A bijection from number to valid mobile number, so that two persons collide only where a trap says so.
    numbers = len(_PREFIXES) * 100_000_000
    con.execute(
        f"create macro scattered(n) as ((n)::BIGINT * {_SCATTER} + {seed % 99_991}) % {numbers}; "
        f"create macro mobile(n) as [{prefixes}][(scattered(n) // 100000000)::INT + 1]"
        " || lpad((scattered(n) % 100000000)::VARCHAR, 8, '0')"
    )
    con.execute(
        "create macro mistype(phone, k) as left(phone, 4 + pick(k, 'typo at', 7)::INT) || "
        "((substr(phone, 5 + pick(k, 'typo at', 7)::INT, 1)::INT + 1 + pick(k, 'typo', 8)) % 10)::VARCHAR || "
        "substr(phone, 6 + pick(k, 'typo at', 7)::INT)"
    )
    con.execute("create macro masked(phone) as left(phone, 3) || '****' || right(phone, 4)")
    con.execute(
        "create macro placeholder(k) as "
        "['13800138000', '13900000000', '18888888888', '13888888888'][1 + pick(k, 'placeholder', 4)::INT]"
    )
    start = world.start.isoformat()
    con.execute(f"create macro on_day(day) as (DATE '{start}' + (day)::INT)")
    midnight = int(datetime.combine(world.start, datetime.min.time(), UTC).timestamp())
    con.execute(
        f"create macro moment(day, second) as "
        f"make_timestamp(({midnight} + (day)::BIGINT * 86400 + (second)::BIGINT) * 1000000)::TIMESTAMP_S"
    )
    width = len(world.store_codes[0]) - 1
    con.execute(f"create macro store_code_of(store) as 'S' || lpad(((store) + 1)::VARCHAR, {width}, '0')")
    con.execute(
        "create macro ticket_id(day, bid) as strftime(on_day(day), '%y%m%d') || lpad((bid)::VARCHAR, 8, '0')"
    )
    con.execute(
        "create macro order_id(day, bid) as 'G' || strftime(on_day(day), '%Y%m%d') || lpad((bid)::VARCHAR, 9, '0')"
    )
    con.execute("create macro yuan(fen) as ((fen)::DECIMAL(14, 0) * 0.01)::DECIMAL(12, 2)")
    return con


def ladder(draw: str, steps: list[tuple[float, str]], otherwise: str = "null") -> str:
    """SQL that gives each value its share of the draw (0…1), one after the other, and `otherwise` the rest."""
    cases, below = [], 0.0
    for share, value in steps:
        below += share
        cases.append(f"when {draw} < {below} then {value}")
    return f"case {' '.join(cases)} else {otherwise} end"


def text_list(values: list[str]) -> str:
    """An SQL list of texts."""
    return "[" + ", ".join(f"'{value}'" for value in values) + "]"


def choice(values: list[str], key: str, purpose: str) -> str:
    """SQL that picks one of the texts by `key`."""
    return f"{text_list(values)}[1 + pick({key}, '{purpose}', {len(values)})::INT]"


def register(con: duckdb.DuckDBPyConnection, name: str, columns: dict[str, list[Any]]) -> None:
    """Makes a small table from Python lists."""
    table = pa.table(columns)
    con.register("handed_over", table)
    con.execute(f"create or replace table {name} as select * from handed_over")
    con.unregister("handed_over")
