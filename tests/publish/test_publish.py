"""A night becomes current as a whole, costs what changed, and never restates what an earlier night decided."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.publish import (
    KEPT_PUBLICATIONS,
    PublicationContext,
    PublishError,
    current_publication,
    last_published_as_of,
    publish,
    published_tables,
    read_current,
)

D = date(2024, 3, 5)
DAY = timedelta(days=1)


def _files(publication: Any) -> dict[str, int]:
    return {
        str(path.relative_to(publication.folder)): path.stat().st_ino
        for table in publication.tables
        for path in publication.files(table)
    }


def test_layout_is_what_readers_were_promised(chain: Any) -> None:
    chain.full = True
    assert current_publication(chain) is None
    assert last_published_as_of(chain) is None
    publication = chain.night(D)
    current = chain.published / "current"
    assert not current.readlink().is_absolute()
    assert current.resolve() == publication.folder
    document = json.loads((current / "publication.json").read_text("utf-8"))
    assert document["as_of_date"] == "2024-03-05"
    assert document["tables"]["orders"]["rows"] == 16
    assert document["sources"] == [
        {"age_days": 0, "connection": "pos_main", "feed": "tickets", "last_night": "2024-03-05"}
    ]
    assert document["quality"] == {"checks": 3}
    assert (current / "orders" / "business_date=2024-03-04" / "data.parquet").is_file()
    assert (current / "churn_tiers" / "as_of_date=2024-03-05" / "data.parquet").is_file()
    with duckdb.connect(str(chain.warehouse)) as con:
        for spec in published_tables():
            glob = f"read_parquet('{current}/{spec.name}/**/*.parquet')"
            audit = f"audit.{spec.name}"
            for left, right in ((glob, audit), (audit, glob), (f"marts.{spec.name}", audit)):
                assert con.execute(f"(from {left}) except all (from {right})").fetchall() == []
            assert read_current(chain, spec.name, con).columns == con.table(audit).columns
    assert current_publication(chain).to_json() == publication.to_json()
    assert last_published_as_of(chain) == D


def test_a_new_day_writes_that_day_only(chain: Any) -> None:
    chain.full = True
    first = chain.night(D, days=30)
    second = chain.night(D + DAY, days=31)
    new = {f"{t}/business_date=2024-03-06/data.parquet" for t in ("orders", "order_lines", "store_days")}
    new.add("campaign_candidates/business_date=2024-03-06/data.parquet")
    new |= {
        # also written when empty: an answer
        f"{t.name}/as_of_date=2024-03-06/data.parquet"
        for t in published_tables()
        if t.kind == "as_of"
    }
    # The hand-made audit shows tonight's candidates only: yesterday's day went, as audit says.
    assert set(second.written) == new | {"record_members/data.parquet"}
    before, after = _files(first), _files(second)
    shared = {name for name in after if name in before and after[name] == before[name]}
    assert shared == after.keys() - set(second.written)
    assert len(shared) > 90


def test_a_late_correction_writes_its_day_and_what_follows_from_it(chain: Any) -> None:
    chain.full = True
    chain.night(D)
    again = chain.night(D, corrected=D - 2 * DAY)
    assert set(again.written) == {
        "orders/business_date=2024-03-03/data.parquet",
        "order_lines/business_date=2024-03-03/data.parquet",
        "store_days/business_date=2024-03-03/data.parquet",
        "member_metrics/as_of_date=2024-03-05/data.parquet",
    }
    assert chain.query("select count(*), count(*) filter (net_fen = 1350) from marts.orders") == [(16, 1)]


def test_a_table_written_in_many_passes_has_the_same_bytes(
    chain: Any, make_chain: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    chain.night(D, days=5)
    for rows in (1, 9):
        monkeypatch.setattr("dagster_project.publish.folder._CHUNK_ROWS", rows)
        other = make_chain(f"rows_{rows}")
        other.night(D, days=5)
        assert other.tree() == chain.tree()


def test_the_same_contents_change_nothing(chain: Any) -> None:
    first = chain.night(D)
    tree, inodes = chain.tree(), _files(first)
    again = chain.night(D)
    assert again.publication_id == first.publication_id
    assert again.written == ()
    assert chain.tree() == tree
    assert _files(again) == inodes
    assert chain.query("select count(*) from ops.publications") == [(1,)]


def test_context_is_part_of_the_publication(chain: Any) -> None:
    chain.full = True
    first = chain.night(D)
    context = PublicationContext([], {"checks": 4})
    second = publish(chain.warehouse, chain, as_of=D, context=context)
    assert second.publication_id != first.publication_id
    assert second.written == ()
    assert current_publication(chain).quality == {"checks": 4}


def test_earlier_nights_are_records(chain: Any) -> None:
    chain.night(D)
    first = chain.query("from marts.member_metrics order by all")
    chain.audit(D + DAY, corrected=D - DAY)
    with duckdb.connect(str(chain.warehouse)) as con:
        con.execute("insert into audit.member_metrics select ?, 'M9', 1, 1", [D])
    second = chain.publish(D + DAY)
    assert sorted(second.tables["member_metrics"].partitions) == ["2024-03-05", "2024-03-06"]
    assert chain.query(f"from marts.member_metrics where as_of_date = '{D}' order by all") == first
    assert chain.query("select as_of_date, count(*) from marts.churn_tiers group by all order by all") == [
        (D, 3),
        (D + DAY, 3),
    ]
    # A table that nobody is in tonight says so with an empty file.
    assert second.tables["koc"].partitions["2024-03-06"][0] == 0
    assert second.files("koc")[-1].is_file()


def test_a_day_that_is_gone_from_audit_is_gone_for_readers(chain: Any) -> None:
    chain.night(D, days=4)
    second = chain.night(D, days=3)
    assert sorted(second.tables["orders"].partitions) == ["2024-03-03", "2024-03-04", "2024-03-05"]
    assert chain.query("select min(business_date) from marts.orders") == [(D - 2 * DAY,)]


def test_an_added_column_rewrites_the_table_and_keeps_earlier_nights(chain: Any) -> None:
    chain.night(D)
    before = chain.query("from marts.member_metrics order by all")
    second = chain.night(D + DAY, days=5, extra=True)
    assert {name for name in second.written if name.startswith("orders/")} == {
        f"orders/business_date={day}/data.parquet" for day in second.tables["orders"].partitions
    }
    assert "member_metrics/as_of_date=2024-03-05/data.parquet" in second.written
    assert not any(name.startswith("churn_tiers/as_of_date=2024-03-05") for name in second.written)
    rows = chain.query(f"from marts.member_metrics where as_of_date = '{D}' order by all")
    assert rows == [(*row, None) for row in before]
    with duckdb.connect() as con:
        assert con.execute(f"from {second.sql('member_metrics')} where as_of_date = '{D}'").fetchall() == rows


def test_a_reader_of_the_night_before_keeps_reading(chain: Any) -> None:
    chain.night(D)
    with duckdb.connect() as con:
        reading = read_current(chain, "orders", con)
        seen = reading.order("order_key").fetchall()
        chain.night(D + DAY, corrected=D)
        assert reading.order("order_key").fetchall() == seen
        assert read_current(chain, "orders", con).order("order_key").fetchall() != seen


def test_only_the_last_publications_are_kept(chain: Any) -> None:
    ids = [chain.night(D + n * DAY, days=1).publication_id for n in range(KEPT_PUBLICATIONS + 2)]
    kept = sorted(path.name for path in (chain.published / "publications").iterdir())
    assert kept == ids[-KEPT_PUBLICATIONS:]
    current = current_publication(chain)
    assert [current.publication_id, *current.earlier] == ids[: -KEPT_PUBLICATIONS - 1 : -1]
    assert len(current.tables["churn_tiers"].partitions) == len(ids)
    assert all(path.is_file() for path in current.files("churn_tiers"))
    assert chain.query("select count(*), count(manifest) from ops.publications") == [(len(ids), 1)]


def test_contents_that_come_back_stand_after_what_they_replace(chain: Any) -> None:
    zero = chain.night(D - DAY)
    first = chain.night(D)
    second = chain.night(D, corrected=D)
    third = chain.night(D)
    assert third.publication_id == first.publication_id
    assert current_publication(chain).earlier == (second.publication_id, zero.publication_id)
    assert chain.held().earlier == (second.publication_id, zero.publication_id)
    assert chain.query("select max(net_fen) filter (order_key like '%|0') from marts.orders") == [(1250,)]


def test_file_system_without_hard_links_gets_copies(chain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = chain.night(D)

    def refuse(old: Path, new: Path) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    second = chain.night(D, corrected=D)
    before, after = _files(first), _files(second)
    assert not set(before.values()) & set(after.values())
    assert len(second.written) == 2


def test_decisions_of_the_night_reach_the_lake(chain: Any, make_chain: Callable[[str], Any]) -> None:
    chain.audit(D)
    other = make_chain("other")
    other.audit(D)
    with duckdb.connect(str(other.warehouse)) as con:
        con.execute("create schema if not exists intermediate")
        con.execute(
            "create table intermediate.int_campaign_candidates_decided as"
            " select * replace ('quiet_hours' as outcome) from audit.campaign_candidates"
            " union all by name select * replace (business_date - 1 as business_date) from audit.campaign_candidates"
        )
    outcomes = {}
    for each in (chain, other):
        each.publish(D)
        path = each.lake / "linli" / "campaign_candidates" / "2024-03-05" / "decisions.parquet"
        assert [p.name for p in path.parent.iterdir()] == [path.name]
        outcomes[each] = duckdb.sql(
            f"select columns(*) from read_parquet('{path}', hive_partitioning = false)"
        ).fetchall()
    assert outcomes[chain] == [
        ("l2", D, "M0", "2024-01-01", "treatment", "wecom", "sent", None, None, None),
        ("l2", D, "M1", "2024-01-01", "treatment", "wecom", "sent", None, None, None),
    ]
    assert [row[6] for row in outcomes[other]] == ["quiet_hours", "quiet_hours"]


def test_what_must_not_be_published_is_refused_with_a_mend(chain: Any) -> None:
    chain.night(D)
    tree = chain.tree()
    cases: list[tuple[date, str, str]] = [
        (D - DAY, "select 1", "不能退回发布"),
        (D + DAY, "select 1", "audit 是为 2024-03-05 生成的"),
        (D, "create table audit.surprise as select 1 as a", "audit 的表 surprise 没有登记"),
        (D, "drop table audit.surprise; drop table audit.koc", "audit 缺少待发布的表 koc"),
    ]
    for as_of, sql, message in cases:
        with duckdb.connect(str(chain.warehouse)) as con:
            con.execute(sql)
        with pytest.raises(PublishError, match=message):
            chain.publish(as_of)
    assert chain.tree() == tree


def test_a_folder_in_place_of_the_link_is_named(chain: Any) -> None:
    (chain.published / "current").mkdir(parents=True)
    chain.audit(D)
    with pytest.raises(PublishError, match="符号链接"):
        chain.publish(D)
