"""A data test that looks at touched rows only: what it lets pass, what it finds, and that a build of everything tests all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

TABLES = """
create schema if not exists intermediate; create schema if not exists audit;
create table intermediate.int_touched_sale_days (business_date date);
create table intermediate.int_touched_product_days (sku varchar, store_code varchar, business_date date);
create table audit.product_days as select 'egg' as sku, 'A' as store_code, date '2024-05-01' as business_date
from range(2)
"""
TEST = "unique_combination_product_days_sku__store_code__business_date"
KEY = "('egg', 'A', '2024-05-01')"


@pytest.fixture
def failing(tmp_path: Path, dbt: Any, new_warehouse: Callable[..., Any]) -> Callable[..., bool]:
    """Whether the test fails of a table that has the same key twice, once this statement was run."""
    warehouse = new_warehouse(tmp_path / "warehouse.duckdb", as_of=date(2024, 5, 2))
    with duckdb.connect(str(warehouse.path)) as con:
        con.execute(TABLES)

    def run(statement: str, *options: str) -> bool:
        with duckdb.connect(str(warehouse.path)) as con:
            con.execute(statement)
        return bool(dbt.run(warehouse, "build", "--resource-type", "test", "--select", TEST, *options))

    return run


def test_what_no_list_has_is_not_looked_at(failing: Callable[..., bool]) -> None:
    assert not failing("insert into intermediate.int_touched_sale_days values ('2024-05-02')")
    assert not failing("insert into intermediate.int_touched_product_days values ('egg', 'B', '2024-05-01')")


@pytest.mark.parametrize(
    "statement",
    [
        "insert into intermediate.int_touched_sale_days values ('2024-05-01')",
        f"insert into intermediate.int_touched_product_days values {KEY}",
        "update ops.run_context set is_refresh = true",
        "drop table intermediate.int_touched_product_days",
    ],
)
def test_what_one_list_has_is_looked_at(failing: Callable[..., bool], statement: str) -> None:
    assert failing(statement)


def test_a_build_of_everything_looks_at_every_row(failing: Callable[..., bool]) -> None:
    assert failing("select 1", "--full-refresh")
