"""Digests see every change and no order; files have the same bytes whoever writes them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import pytest

from dagster_project.publish import PublishError, TableSpec
from dagster_project.publish.relations import Shape, digests, parquet_files, shape_of, write_parquet

SHAPE = Shape(
    "fact",
    (("business_date", "DATE"), ("id", "VARCHAR"), ("note", "VARCHAR"), ("fen", "BIGINT")),
    ("id",),
)


def _digest(con: duckdb.DuckDBPyConnection, *rows: str) -> object:
    values = ", ".join(f"(date '2024-01-01', {row})" for row in rows)
    return digests(con, SHAPE, f"(values {values}) as v(business_date, id, note, fen)", split=False)[""]


@pytest.mark.parametrize(
    "other",
    [
        ("'a', 'x', 2", "'b', 'y', 1"),  # the last column swapped between two rows
        ("'a', 'y', 1", "'b', 'x', 2"),
        ("'a', 'x', 1",),
        ("'a', 'x', 1", "'b', 'y', 2", "'b', 'y', 2"),
        ("'a', 'x', 1", "'b', null, 2"),
        ("'a', 'x', 1", "'b', 'y', null"),
        ("'ax', '', 1", "'b', 'y', 2"),
    ],
)
def test_digest_sees_any_change_of_content(other: tuple[str, ...]) -> None:
    con = duckdb.connect()
    rows = ("'a', 'x', 1", "'b', 'y', 2")
    assert _digest(con, *rows) == _digest(con, *reversed(rows))
    assert _digest(con, *rows) != _digest(con, *other)


def test_digest_is_not_fooled_by_separators_or_null_marks() -> None:
    con = duckdb.connect()
    texts = ["'a|1:b', 'c'", "'a', '1:b|c'", "'a', '-'", "'a', null", "'a', ''", "'-', null", "null, '-'"]
    assert len({_digest(con, f"{text}, 1") for text in texts}) == len(texts)


def test_digest_per_partition_equals_the_digest_of_the_partition_alone() -> None:
    con = duckdb.connect()
    con.execute(
        "create table t as select date '2024-01-01' + (i % 3)::integer as business_date, 'o' || i as id,"
        " null::varchar as note, i as fen from range(100) as r(i)"
    )
    split = digests(con, SHAPE, "t", split=True)
    assert list(split) == ["2024-01-01", "2024-01-02", "2024-01-03"]
    alone = digests(con, SHAPE, "(select * from t where business_date = date '2024-01-02')", split=False)
    assert split["2024-01-02"] == alone[""]


def test_row_without_partition_is_an_error() -> None:
    con = duckdb.connect()
    with pytest.raises(PublishError, match="business_date 为空"):
        digests(
            con, SHAPE, "(select null::date as business_date, '' as id, '' as note, 1 as fen)", split=True
        )


def test_file_bytes_depend_on_the_rows_only(tmp_path: Path) -> None:
    query = (
        "select date '2024-01-01' as business_date, 'o' || (i // 2) as id,"
        " case when i % 7 > 0 then '菜' || (i % 100) end as note, i as fen from range(260000) as r(i) order by {}"
    )
    seen = set()
    for threads, order in ((1, "i"), (2, "hash(i)"), (2, "i desc")):
        con = duckdb.connect(config={"threads": threads, "preserve_insertion_order": threads == 1})
        path = tmp_path / f"{order}.parquet"
        assert write_parquet(con, SHAPE, query.format(order), path) == 260000
        seen.add(hashlib.sha256(path.read_bytes()).hexdigest())
        assert digests(con, SHAPE, parquet_files([path]), split=False) == digests(
            con, SHAPE, f"({query.format('i')})", split=False
        )
    groups = duckdb.sql(f"select num_row_groups from parquet_file_metadata('{path}')").fetchall()
    assert groups == [(3,)]
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([("business_date", "DATE")], "缺少排序列 id"),
        ([("business_date", "VARCHAR"), ("id", "VARCHAR")], "business_date 须为 DATE"),
        ([("business_date", "DATE"), ("id", "VARCHAR"), ("total", "HUGEINT")], "total 类型 HUGEINT"),
    ],
)
def test_table_that_cannot_be_published_is_named_with_its_column(
    columns: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(PublishError, match=message):
        shape_of(TableSpec("orders", "fact", ("id",)), columns)


def test_rows_of_another_day_do_not_change_the_bytes_of_this_one(tmp_path: Path) -> None:
    """DuckDB marks a column as required when the whole table holds no null; a day's file must not depend on that."""
    shape = Shape("state", (("name", "VARCHAR"), ("n", "BIGINT")), ("n",))
    files = []
    for absent in ("null", "'x'"):
        con = duckdb.connect()
        con.execute(
            f"create table t as select case when i < 5 then {absent} else 'x' end as name, i::bigint as n from range(10) r(i)"
        )
        files.append(tmp_path / f"{len(files)}.parquet")
        assert write_parquet(con, shape, "select * from t where n >= 5", files[-1]) == 5
    assert files[0].read_bytes() == files[1].read_bytes()
