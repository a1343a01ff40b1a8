"""The semantic layer: definitions that dbt agrees with, and the SQL they become, against a few orders by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from dagster_project.cli.main import linli
from dagster_project.config import load_chain
from dagster_project.metrics import MetricError, Query, definitions, metric_sql
from tests.publications import open_audit, publish_audit

FIRST, LATER = date(2026, 11, 1), date(2026, 12, 2)
WORLD = """
create table orders (order_key varchar, store_code varchar, channel varchar, member_id varchar, business_date date, is_purchase boolean, spend_fen bigint);
insert into orders values
    ('a', 'A', 'pos', 'm1', '2026-11-01', true, 300), ('b', 'A', 'groupbuy', 'm1', '2026-11-01', true, 100),
    ('c', null, 'pos', null, '2026-11-01', true, 50), ('d', 'A', 'pos', 'm2', '2026-11-01', false, 0),
    ('e', 'O''B', 'pos', 'm2', '2026-12-02', true, 7);
create table members (member_id varchar, home_store_code varchar, consent_marketing varchar, first_seen_on date, has_pos boolean, has_groupbuy boolean, has_wecom boolean);
insert into members values ('m1', 'H', 'Y', '2026-01-01', true, true, null), ('m2', null, null, '2026-01-01', true, false, false);
create table store_days (store_code varchar, business_date date, new_members int, margin_fen bigint);
insert into store_days values ('A', '2026-11-01', 1, null), ('B', '2026-11-01', 2, null);
create table settlements (month varchar, party_kind varchar, party_id varchar, store_code varchar, sales_fen bigint, refund_fen bigint, commission_fen bigint, incentive_fen bigint, due_fen bigint);
insert into settlements values ('2026-11', 'shop', 'A', 'A', 1000, 100, 90, 10, 800), ('2026-11', 'shop', 'B', 'B', 50, 0, 0, 0, 50), ('2026-11', 'leader', 'g:L1', 'A', 400, 30, 80, 0, 80);
"""


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute(WORLD)
        yield con


def _ask(con: duckdb.DuckDBPyConnection, *names: str, **query: Any) -> list[tuple[Any, ...]]:
    tables = {name: name for name in ("orders", "members", "store_days", "settlements")}
    return con.execute(metric_sql(Query(names, **query), tables)).fetchall()


def test_only_purchases_count_and_a_ratio_is_of_the_same_rows(con: duckdb.DuckDBPyConnection) -> None:
    assert _ask(con, "purchases", "net_fen", "buyers", "recognition_rate") == [(4, 457, 2, 0.75)]
    assert _ask(con, "groupbuy_share", by=["store_code"]) == [("A", 0.25), ("O'B", 0.0), ("unknown", 0.0)]
    assert _ask(con, "net_fen", where={"store_code": ["O'B", "A"]}) == [(407,)]


def test_metrics_of_several_tables_meet_in_their_dimensions(con: duckdb.DuckDBPyConnection) -> None:
    """Nobody bought in B, and nothing is known of the margin: no sales are 0, an unknown margin is unknown."""
    found = _ask(con, "purchases", "new_members", "margin_fen", by=["store_code", "day"], until=FIRST)
    assert found == [("A", FIRST, 2, 1, None), ("B", FIRST, 0, 2, None), ("unknown", FIRST, 1, 0, None)]


def test_a_leaders_sale_is_not_counted_with_the_shops(con: duckdb.DuckDBPyConnection) -> None:
    """A leader's sales and commission stand in the row of the shop too; only that one has incentives."""
    shop = ("shop_sales_fen", "shop_refund_fen", "shop_commission_fen", "shop_incentive_fen", "shop_due_fen")
    assert _ask(con, *shop) == [(1050, 100, 90, 10, 850)]
    assert _ask(con, "leader_sales_fen", "leader_refund_fen", "leader_due_fen") == [(400, 30, 80)]
    assert _ask(con, "shop_due_fen", "leader_due_fen", by=["store_code"]) == [("A", 800, 80), ("B", 50, 0)]
    known = definitions()
    [settled] = [model for model in known.models.values() if model.table == "settlements"]
    assert all(metric.filter for metric in known.metrics.values() if metric.measure in settled.measures)


def test_what_is_off_a_whole_ticket_is_not_taken_off_lines_and_their_metrics_say_so() -> None:
    known = definitions()
    of_lines = {
        name: metric
        for name, metric in known.metrics.items()
        if metric.measure.startswith("product_day_") or "margin" in metric.measure
        if name.endswith("_fen") and "refund" not in name
    }
    assert {"margin_fen", "product_net_fen", "product_margin_fen"} <= set(of_lines)
    for name, metric in of_lines.items():
        assert metric.label.endswith("（未扣整单优惠）"), name
        assert "before discounts on whole tickets" in metric.description, name


def test_no_rows_are_zero_and_a_ratio_of_nothing_is_unknown(con: duckdb.DuckDBPyConnection) -> None:
    nowhere = {"store_code": ["nowhere"]}
    assert _ask(con, "purchases", "net_fen", "recognition_rate", where=nowhere) == [(0, 0, None)]
    assert con.execute(metric_sql(Query(["shop_due_fen", "purchases"]), {})).fetchall() == [(0, 0)]
    assert con.execute(metric_sql(Query(["purchases"], ["store_code"]), {})).fetchall() == []


def test_a_dimension_may_belong_to_the_member(con: duckdb.DuckDBPyConnection) -> None:
    """Who has no home is at home in `unknown`; what nobody bought has no home at all."""
    found = _ask(con, "net_fen", by=["home_store_code"])
    assert set(found) == {("H", 400), ("unknown", 7), (None, 50)}
    assert _ask(con, "people", "people_in_several", by=["home_store_code"]) == [
        ("H", 1, 1),
        ("unknown", 1, 0),
    ]
    # m1's third system is unknown: it is not there, and does not hide the other two
    assert _ask(con, "people_in_pos", "people_in_groupbuy", "people_in_wecom") == [(2, 1, 0)]


def test_days_may_be_taken_together(con: duckdb.DuckDBPyConnection) -> None:
    assert _ask(con, "net_fen", by=["month"]) == [(date(2026, 11, 1), 450), (date(2026, 12, 1), 7)]
    assert _ask(con, "net_fen", by=["week"])[1] == (date(2026, 11, 30), 7)
    assert _ask(con, "net_fen", since=LATER) == [(7,)]


def test_what_is_not_there_is_told_with_what_is() -> None:
    with pytest.raises(MetricError, match="没有指标 'net'；相近的有 net_fen"):
        metric_sql(Query(["net"]), {})
    with pytest.raises(MetricError, match="不能按 'tier' 分；可用：day, week, month"):
        metric_sql(Query(["net_fen"], ["tier"]), {})
    with pytest.raises(MetricError, match="请写出"):
        metric_sql(Query([]), {})


def test_every_definition_has_words_for_people_and_becomes_sql() -> None:
    known = definitions()
    assert len(known.metrics) > 40
    for name, metric in known.metrics.items():
        assert metric.label and metric.description.endswith((".", "1."))
        for dimension in known.dimensions(metric):
            assert f'"{dimension}"' in metric_sql(Query([name], [dimension]), {})
    measures = [measure for model in known.models.values() for measure in model.measures]
    assert len(measures) == len(set(measures))


def test_the_command_lists_asks_and_refuses(tmp_path: Any) -> None:
    listed = CliRunner().invoke(linli, ["metric", "--chain", str(tmp_path)])
    assert listed.exit_code == 0 and "net_fen" in listed.output and "销售额" in listed.output
    wrong = CliRunner().invoke(linli, ["metric", "net_fen", "--where", "channel", "--chain", str(tmp_path)])
    assert wrong.exit_code == 2


@pytest.fixture
def published(chain_dir: Path) -> Path:
    with duckdb.connect() as con:
        con.execute(WORLD)
        open_audit(con, LATER)
        con.execute("create table audit.orders as from orders; create table audit.members as from members")
        paths = load_chain(chain_dir, resolve_secrets=False).paths
        publish_audit(con, paths, LATER, ["orders", "members"])
    return chain_dir


@pytest.mark.parametrize(
    ("options", "lacking"),
    [
        (["purchases", "net_fen", "--where", "store_code=S99"], "purchases, net_fen"),
        (["net_fen", "--by", "day", "--from", "2027-01-01", "--csv"], "net_fen"),
        (["recognition_rate", "net_fen", "--to", "2026-10-31"], "recognition_rate, net_fen"),
        (["net_fen", "new_members"], "new_members"),
        # what is there and comes to nothing is a number
        (["groupbuy_share", "groupbuy_purchases", "--where", "store_code=O'B"], ""),
    ],
)
def test_no_data_is_said_and_no_zero(published: Path, options: list[str], lacking: str) -> None:
    told = CliRunner().invoke(linli, ["metric", *options, "--chain", str(published)])
    assert told.exit_code == 0, told.output
    note = f"没有数据：{lacking}。2026-12-02 的发布里没有符合条件的行\n" if lacking else ""
    assert told.stderr == note


def test_days_the_wrong_way_round_are_refused(published: Path) -> None:
    days = ["--from", "2026-11-20", "--to", "2026-11-19"]
    told = CliRunner().invoke(linli, ["metric", "net_fen", *days, "--chain", str(published)])
    assert told.exit_code == 2 and "--from 2026-11-20 晚于 --to 2026-11-19" in told.output


def test_who_has_no_home_is_told_in_the_chosen_language(published: Path) -> None:
    def say(*words: str) -> list[str]:
        told = CliRunner().invoke(linli, [*words, "--chain", str(published)])
        assert told.exit_code == 0, told.output
        return [" ".join(line.split()) for line in told.stdout.splitlines()]

    people = ["metric", "people", "--by", "home_store_code"]
    assert say(*people) == ["home_store_code people", "H 1", "未知 1"]
    assert say(*people, "--where", "home_store_code=未知")[1:] == ["未知 1"]
    assert say("--lang", "en", *people)[2] == "unknown 1"
    assert say(*people, "--csv")[2] == "unknown,1"
