"""The oracle joins what true links join, and nothing else: compared with a search that asks record by record."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.identity.oracle import oracle_records
from dagster_project.identity.scores import score_records

Statement = tuple[str, str | None]  # namespace, identifier

records = st.lists(
    st.tuples(
        st.sampled_from(["tickets", "orders"]),
        st.sampled_from(["A", "B", "C"]),  # person
        st.lists(
            st.tuples(st.sampled_from(["phone", "card"]), st.sampled_from(["1", "2", "3", None])), max_size=3
        ),
    ),
    max_size=14,
)


def _ask(con: duckdb.DuckDBPyConnection, told: list[tuple[str, str, list[Statement]]]) -> pa.Table:
    truth = [("pos", feed, f"r{n}", person) for n, (feed, person, _) in enumerate(told)]
    said = [
        ("pos", feed, f"r{n}", namespace, identifier)
        for n, (feed, _, statements) in enumerate(told)
        for namespace, identifier in statements
    ]
    con.execute(
        "create or replace table truth (connection varchar, feed varchar, record_id varchar, person_id varchar)"
    )
    con.execute(
        "create or replace table said (connection varchar, feed varchar, record_id varchar, namespace varchar, identifier varchar)"
    )
    for table, rows in (("truth", truth), ("said", said)):
        for row in rows:
            con.execute(f"insert into {table} values ({', '.join('?' * len(row))})", row)
    return oracle_records(con, "said", "truth")


def _by_hand(told: list[tuple[str, str, list[Statement]]]) -> dict[str, frozenset[str] | None]:
    """Which records each record ends up with: walked from record to record, no union-find, no SQL."""
    own = {
        f"r{n}": (person, {s for s in statements if s[1] is not None})
        for n, (_, person, statements) in enumerate(told)
    }
    found: dict[str, frozenset[str] | None] = {}
    for start, (person, said) in own.items():
        if not said:
            found[start] = None
            continue
        group, known = {start}, set(said)
        while True:
            near = {r for r, (p, s) in own.items() if p == person and s & known}
            if near <= group:
                break
            group |= near
            known |= {s for r in near for s in own[r][1]}
        found[start] = frozenset(group)
    return found


@settings(max_examples=150, deadline=None)
@given(records)
def test_it_is_what_a_search_by_hand_finds(told: list[tuple[str, str, list[Statement]]]) -> None:
    with duckdb.connect() as con:
        rows = _ask(con, told).to_pylist()
    groups: dict[str, set[str]] = {}
    for row in rows:
        if row["member_id"] is not None:
            groups.setdefault(row["member_id"], set()).add(row["record_id"])
    found = {
        row["record_id"]: None if row["member_id"] is None else frozenset(groups[row["member_id"]])
        for row in rows
    }
    assert found == _by_hand(told)


def test_a_stranger_with_the_same_number_is_no_link() -> None:
    with duckdb.connect() as con:
        result = _ask(
            con,
            [
                ("tickets", "A", [("phone", "1")]),
                ("tickets", "B", [("phone", "1")]),
                ("orders", "A", [("phone", "1"), ("card", "9")]),
                ("orders", "A", [("card", "9")]),
                ("orders", "A", [("card", "1")]),
                ("tickets", "A", []),
            ],
        )
        ids = {row["record_id"]: row["member_id"] for row in result.to_pylist()}
        con.register("result", result)
        scores = score_records(con, "truth", "result")
    assert ids["r0"] == ids["r2"] == ids["r3"] is not None
    assert ids["r1"] not in (ids["r0"], None) and ids["r4"] not in (ids["r0"], ids["r1"], None)
    assert ids["r5"] is None
    assert result.column_names == ["connection", "feed", "record_id", "member_id"]
    assert scores["pairwise"]["precision"] == 1.0 and scores["mixed_members"] == 0


def test_the_order_of_rows_does_not_matter() -> None:
    told = [("tickets", "AB"[n % 2], [("phone", str(n % 5)), ("card", str(n % 7))]) for n in range(40)]
    with duckdb.connect() as con:
        first = _ask(con, told)
        for table in ("said", "truth"):
            con.execute(f"create or replace table {table} as select * from {table} order by hash(record_id)")
        again = oracle_records(con, "(select * from said union all select * from said)", "truth")
    assert first.equals(again)


def test_nothing_is_an_answer_and_two_persons_are_none() -> None:
    with duckdb.connect() as con:
        assert _ask(con, []).num_rows == 0
        _ask(con, [("tickets", "A", [("phone", "1")])])
        con.execute("insert into truth values ('pos', 'tickets', 'r0', 'B')")
        with pytest.raises(ValueError, match="second person"):
            oracle_records(con, "said", "truth")
