"""What a publication shows of member ids goes into the lake, night by night, and only what changed."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import duckdb

from dagster_project.lake.member_ids import member_ids_path
from dagster_project.warehouse.prepare import published_ids_view

D = date(2024, 3, 5)


def kept(chain: Any, night: date) -> list[tuple[str, str, bool]]:
    path = member_ids_path(chain.lake, night)
    if not path.exists():
        return []
    query = f"select member_id, state, owned from '{path}' where night = ? order by 1"
    return duckdb.sql(query, params=[night]).fetchall()


def test_a_night_keeps_what_it_changed(chain: Any) -> None:
    for day in range(3):
        chain.night(D + timedelta(days=day))
    assert kept(chain, D) == [("m0", "own", True), ("m1", "own", True), ("m2", "own", True)]
    assert kept(chain, D + timedelta(days=1)) == [("m2", "within", False), ("m3", "own", True)]
    assert kept(chain, D + timedelta(days=2)) == [("m2", "own", True)]


def test_a_night_published_twice_keeps_both(chain: Any) -> None:
    chain.night(D)
    first = member_ids_path(chain.lake, D).read_bytes()
    chain.night(D)
    assert member_ids_path(chain.lake, D).read_bytes() == first
    chain.audit(D, corrected=D)
    with duckdb.connect(str(chain.warehouse)) as con:
        con.execute("update intermediate.int_identity_ids set state = 'gone' where member_id = 'm1'")
    chain.publish(D)
    # readers of that night have seen it as a member's
    assert kept(chain, D) == [("m0", "own", True), ("m1", "gone", True), ("m2", "own", True)]


def test_nobody_sees_what_a_later_night_kept(chain: Any) -> None:
    chain.night(D)
    chain.night(D + timedelta(days=1))
    with duckdb.connect() as con:
        con.execute("create schema ops")
        published_ids_view(con, chain.lake, D)
        assert con.execute("select distinct night from ops.published_ids").fetchall() == [(D,)]
