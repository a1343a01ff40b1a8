"""What a column is made of, what only decides about it, and what passes as a mask only."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.orchestration.column_trace import ROWS, Source, trace_columns
from dagster_project.orchestration.lineage import lineage_rows

TABLES = {
    ("staging", "sales"): {"id": "VARCHAR", "shop": "VARCHAR", "fen": "BIGINT", "at": "TIMESTAMP", "phone_token": "VARCHAR"},
    ("ops", "shops"): {"shop": "VARCHAR", "name": "VARCHAR"},
}  # fmt: skip


def _sale(column: str, masked: bool = False) -> Source:
    return Source("staging", "sales", column, masked)


@pytest.mark.parametrize(
    ("value", "direct", "indirect"),
    [
        ("fen + 1", {"fen"}, set()),
        ("case when shop = 'A' then fen else 0 end", {"fen"}, {"shop"}),
        ("sum(fen) filter (where shop = 'A')", {"fen"}, {"shop"}),
        ("row_number() over (partition by shop order by at)", set(), {"shop", "at"}),
        ("first_value(id) over (order by at desc)", {"id"}, {"at"}),
        ("1", set(), set()),
    ],
)
def test_a_condition_decides_and_a_value_passes(value: str, direct: set[str], indirect: set[str]) -> None:
    made = trace_columns(f"select {value} as x from warehouse.staging.sales", TABLES)["x"]
    assert made.direct == {_sale(name) for name in direct}
    assert made.indirect == {_sale(name) for name in indirect}


def test_rows_are_decided_by_filters_joins_and_groups_through_all_layers() -> None:
    found = trace_columns(
        """
        with big as (select * from warehouse.staging.sales where fen > 100),
        both as (select id, shop from big union all select phone_token, shop from warehouse.staging.sales)
        select both.id, shops.name, count(*) as n
        from both left join warehouse.ops.shops on both.shop = shops.shop
        group by 1, 2 qualify row_number() over (order by shops.name) = 1
        """,
        TABLES,
    )
    assert found["id"].direct == {_sale("id"), _sale("phone_token", masked=True)}
    assert found["name"].direct == {Source("ops", "shops", "name")}
    assert found["n"].direct == set()
    assert found[ROWS].indirect >= {
        _sale("fen"),
        _sale("shop"),
        Source("ops", "shops", "shop"),
        Source("ops", "shops", "name"),
    }


def test_what_a_subquery_asks_decides() -> None:
    found = trace_columns(
        "select id from warehouse.staging.sales where shop in (select shop from warehouse.ops.shops where name = 'x')",
        TABLES,
    )
    assert found["id"].direct == {_sale("id")} and found["id"].indirect == set()
    assert {Source("ops", "shops", "shop"), Source("ops", "shops", "name"), _sale("shop")} == found[
        ROWS
    ].indirect


def test_a_masked_column_stays_masked_and_a_hash_masks(tmp_path: Path) -> None:
    sql = """
        with hashed as (select sha256(id) as x, id, phone_token as t, md5_number_lower(shop) as s, shop from warehouse.staging.sales)
        select x, t, s + length(shop) as both_ways from hashed
    """
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "people.sql").write_text(sql)
    rows = lineage_rows(tmp_path, {**TABLES, ("audit", "people"): {"x": "VARCHAR"}})
    assert rows == [
        ("people", "both_ways", "sales", "shop", "direct", False),
        ("people", "t", "sales", "phone_token", "direct", True),
        ("people", "x", "sales", "id", "direct", True),
    ]


def test_what_cannot_be_read_has_no_lineage() -> None:
    assert trace_columns("select from where", TABLES) == {}
