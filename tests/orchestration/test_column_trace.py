"""What a column is made of, what only decides about it, and which columns hold masks and tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.orchestration.column_trace import ROWS, Source, trace_columns
from dagster_project.orchestration.lineage import lineage_rows

TABLES = {
    ("staging", "sales"): {"id": "VARCHAR", "shop": "VARCHAR", "fen": "BIGINT", "at": "TIMESTAMP", "phone_token": "VARCHAR"},
    ("ops", "shops"): {"shop": "VARCHAR", "name": "VARCHAR"},
}  # fmt: skip


def _sale(column: str) -> Source:
    return Source("staging", "sales", column)


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
    assert found["id"].direct == {_sale("id"), _sale("phone_token")}
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


def _lineage(
    folder: Path, types: dict[tuple[str, str], dict[str, str]], **models: str
) -> dict[tuple[str, str, str], bool]:
    """(model, column, upstream column) → masked, of what is direct."""
    for name, sql in models.items():
        (folder / f"{name}.sql").write_text(sql)
    return {(row[0], row[1], row[3]): row[5] for row in lineage_rows(folder, types) if row[4] == "direct"}


def test_a_token_is_masked_and_a_hash_is_an_id(tmp_path: Path) -> None:
    sql = """
        with hashed as (select sha256(id) as x, id, phone_token as t, md5_number_lower(phone_token) as s from warehouse.staging.sales)
        select x, t, s, concat(s, t) as both_ways from hashed
    """
    types = {**TABLES, ("audit", "people"): {"x": "VARCHAR"}}
    assert _lineage(tmp_path, types, people=sql) == {
        ("people", "both_ways", "phone_token"): True,
        ("people", "s", "phone_token"): False,
        ("people", "t", "phone_token"): True,
        ("people", "x", "id"): False,
    }


def test_a_token_stays_masked_under_other_names_and_through_all_models(tmp_path: Path) -> None:
    """The models' names are in no order of theirs, and the last two read each other, as a model that grows reads itself."""
    types = {
        **TABLES,
        ("ops", "rule_koc"): {"rule_hash": "VARCHAR"},
        ("intermediate", "statements"): {"identifier": "VARCHAR", "n": "BIGINT", "member_id": "VARCHAR"},
        ("intermediate", "links"): {"identifier_b": "VARCHAR", "n": "BIGINT", "member_id": "VARCHAR"},
        ("audit", "identifiers"): {"identifier": "VARCHAR", "invite_code": "VARCHAR", "rule_hash": "VARCHAR", "n": "BIGINT"},
    }  # fmt: skip
    found = _lineage(
        tmp_path,
        types,
        identifiers="""
            select l.identifier_b as identifier, md5(l.member_id) as invite_code, r.rule_hash, l.n
            from warehouse.intermediate.links as l cross join warehouse.ops.rule_koc as r
        """,
        links="""
            select identifier as identifier_b, n, member_id from warehouse.intermediate.statements
            union all select identifier, n, invite_code from warehouse.audit.identifiers
        """,
        statements="""
            select coalesce(phone_token, id) as identifier, length(phone_token) as n, md5(phone_token) as member_id
            from warehouse.staging.sales
        """,
    )
    assert {edge for edge, masked in found.items() if masked} == {
        ("statements", "identifier", "phone_token"),
        ("statements", "n", "phone_token"),
        ("links", "identifier_b", "identifier"),
        ("identifiers", "identifier", "identifier_b"),
    }
    assert found[("statements", "identifier", "id")] is False
    assert found[("identifiers", "rule_hash", "rule_hash")] is found[("identifiers", "n", "n")] is False
    assert found[("identifiers", "invite_code", "member_id")] is False


def test_what_cannot_be_read_has_no_lineage() -> None:
    assert trace_columns("select from where", TABLES) == {}
