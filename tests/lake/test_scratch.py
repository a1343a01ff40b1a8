"""Databases in memory are kept for the next small file, and nothing of one file is left for it."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest

from dagster_project.lake.scratch import scratch

TABLES = "select count(*) from duckdb_tables() where not internal"


def count(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    return int(connection.execute(sql).fetchall()[0][0])


def test_what_one_file_left_is_gone_for_the_next() -> None:
    with scratch() as first:
        first.register("rows_of_one", pa.table({"phone": ["13800138000"]}))
        first.execute("create temp table kept as select * from rows_of_one")
        first.execute("create temp view seen as select * from kept")
        with scratch() as beside:
            assert count(beside, TABLES) == 0
    with scratch() as second:
        assert count(second, TABLES) == 0
        for name in ("rows_of_one", "kept", "seen"):
            with pytest.raises(duckdb.CatalogException):
                second.execute(f"select * from {name}")


def test_settings_hold_for_every_connection() -> None:
    for _ in range(2):
        with scratch("set global TimeZone = 'Asia/Tokyo'; set temp_directory = ''") as connection:
            assert connection.execute("select current_setting('TimeZone')").fetchall() == [("Asia/Tokyo",)]


def test_somebody_s_statements_reach_nobody_else_s() -> None:
    setup = "create macro shown(x) as x"
    with scratch(setup, of="one") as one:
        one.execute("create or replace macro shown(x) as 0; create table left_behind as select 1 as a")
    with scratch(setup, of="other") as other:
        assert count(other, "select shown(7)") == 7
        assert count(other, TABLES) == 0
