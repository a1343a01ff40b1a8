"""Every operator: its example is valid, its page is right, and who is in, who is out, who is not known."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
import yaml

from dagster_project.config import packaged_chain
from dagster_project.segments import METRICS, REGISTRY, SegmentFile, parse, plan
from dagster_project.segments.events import COLUMNS, EVENTS, Where
from dagster_project.segments.handbook import entries, handbook
from dagster_project.segments.model import check
from tests.segments.evaluator import Town, members_of
from tests.segments.worlds import NIGHT, into_duckdb

REPOSITORY = Path(__file__).parents[2]
# what DuckDB and Spark spell differently
ENGINE_WORDS = re.compile(
    r"\b(sha256|date_diff|datediff|strpos|list_\w+|regexp_\w+|arg_min|arg_max|try_cast|unnest|isodow)\s*\(|//"
)


def _day(ago: int) -> date:
    return NIGHT - timedelta(days=ago)


def order(ago: int, key: str = "o1", hour: int = 10, **more: Any) -> dict[str, Any]:
    day = _day(ago)
    return {"order_key": key, "business_date": day, "happened_at": datetime(day.year, day.month, day.day, hour),
            "hour_of_day": hour, "channel": "pos", "store_code": "S01", "leader_id": None, "spend_fen": 3000, **more}  # fmt: skip


def line(ago: int, item: str, key: str = "o1", **more: Any) -> dict[str, Any]:
    return {**order(ago, key), "line_no": item, "sku": item, "item_name": item, "category": item, "category_l1": "生鲜",
            "qty": Decimal(1), "amount_fen": 1000, "is_discounted": False, **more}  # fmt: skip


def did(kind: str, ago: int, hour: int = 10, **more: Any) -> dict[str, Any]:
    base = {
        key: value
        for key, value in order(ago, hour=hour).items()
        if key not in ("order_key", "leader_id", "spend_fen")
    }
    return {
        **base,
        "engagement_key": f"{kind}{ago}",
        "kind": kind,
        "ref": None,
        "amount_fen": None,
        "points": None,
        **more,
    }


def tag(name: str, author: str = "csh1", ago: int | None = 3) -> dict[str, Any]:
    return {"tag": name, "author": author, "days_ago": ago}


# operator → rule, what is true of who is in, what of who is out; who is known by nothing is in where it says so
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], bool]] = {
    "all": ("{all: [{metric: orders_30d, op: '>', value: 1}, {metric: rfm_r, op: '=', value: 5}]}",
            {"orders_30d": 2, "rfm_r": 5}, {"orders_30d": 2, "rfm_r": 4}, False),
    "any": ("{any: [{metric: orders_30d, op: '>', value: 1}, {metric: rfm_r, op: '=', value: 5}]}",
            {"orders_30d": 1, "rfm_r": 5}, {"orders_30d": 1, "rfm_r": 4}, False),
    "none": ("{none: [{metric: orders_30d, op: '>', value: 1}]}", {"orders_30d": 1}, {"orders_30d": 2}, True),
    "not": ("{not: {metric: days_since_purchase, op: '>=', value: 7}}",
            {"days_since_purchase": 6}, {"days_since_purchase": 7}, True),
    "at_least": ("{at_least: 2, of: [{metric: rfm_r, op: '=', value: 5}, {metric: rfm_f, op: '=', value: 5},"
                 " {metric: rfm_m, op: '=', value: 5}]}",
                 {"rfm_r": 5, "rfm_m": 5}, {"rfm_f": 5, "rfm_m": 4}, False),
    "=": ("{metric: is_staff, op: '=', value: false}", {"is_staff": False}, {"is_staff": True}, False),
    "!=": ("{metric: tier, op: '!=', value: L1}", {"tier": "L2"}, {"tier": "L1"}, False),
    ">": ("{metric: spend_30d, op: '>', value: 299.99}", {"spend_30d_fen": 30000}, {"spend_30d_fen": 29999}, False),
    ">=": ("{metric: spend_30d, op: '>=', value: 300}", {"spend_30d_fen": 30000}, {"spend_30d_fen": 29999}, False),
    "<": ("{metric: days_since_purchase, op: '<', value: 7}", {"days_since_purchase": 6}, {"days_since_purchase": 7}, False),
    "<=": ("{metric: home_distance_km, op: '<=', value: 1}", {"home_distance_km": 1.0}, {"home_distance_km": 1.001}, False),
    "between": ("{metric: days_since_purchase, op: between, value: [7, 14]}",
                {"days_since_purchase": 14}, {"days_since_purchase": 15}, False),
    "not_between": ("{metric: days_since_purchase, op: not_between, value: [7, 14]}",
                    {"days_since_purchase": 6}, {"days_since_purchase": 7}, False),
    "in": ("{metric: lifecycle, op: in, value: [new, regained]}", {"lifecycle": "new"}, {"lifecycle": "lapsed"}, False),
    "not_in": ("{metric: rfm_r, op: not_in, value: [1, 2]}", {"rfm_r": 3}, {"rfm_r": 2}, False),
    "known": ("{metric: household_id, op: known}", {"household_id": "h"}, {}, False),
    "unknown": ("{metric: household_id, op: unknown}", {}, {"household_id": "h"}, True),
    "top_percent": ("{metric: spend_90d, op: top_percent, value: 50}", {"spend_90d_fen": 2}, {"spend_90d_fen": 1}, False),
    "bottom_percent": ("{metric: spend_90d, op: bottom_percent, value: 50}", {"spend_90d_fen": 1}, {"spend_90d_fen": 2}, False),
    "top_n": ("{metric: spend_90d, op: top_n, value: 1}", {"spend_90d_fen": 1}, {"spend_90d_fen": 1}, False),
    "contains": ("{metric: usual_item, op: contains, value: 蛋}", {"usual_item": "有机蛋"}, {"usual_item": "鸡"}, False),
    "starts_with": ("{metric: usual_item, op: starts_with, value: 有机}", {"usual_item": "有机蛋"}, {"usual_item": "非有机蛋"}, False),
    "before": ("{metric: first_purchase_on, op: before, value: 2026-10-01}",
               {"first_purchase_on": date(2026, 9, 30)}, {"first_purchase_on": date(2026, 10, 1)}, False),
    "after": ("{metric: first_purchase_on, op: after, value: 2026-10-01}",
              {"first_purchase_on": date(2026, 10, 2)}, {"first_purchase_on": date(2026, 10, 1)}, False),
    "within_last": ("{metric: joined_group_on, op: within_last, value: 7}",
                    {"joined_group_on": _day(6)}, {"joined_group_on": _day(7)}, False),
    "not_within_last": ("{metric: joined_group_on, op: not_within_last, value: 7}",
                        {"joined_group_on": _day(7)}, {"joined_group_on": _day(6)}, False),
    "ratio": ("{ratio: groupbuy_spend_30d, to: spend_30d, op: '>=', value: 0.333}",
              {"groupbuy_spend_30d_fen": 333, "spend_30d_fen": 1000}, {"groupbuy_spend_30d_fen": 0, "spend_30d_fen": 0}, False),
    "own_normal": ("{metric: spend_30d, op: '<', times: 0.5, own_normal: 60}",
                   {"spend_30d_fen": 749, "orders": [order(30)]}, {"spend_30d_fen": 750, "orders": [order(89)]}, False),
    "shop_normal": ("{metric: spend_90d, op: '>', times: 1.5, shop_normal: true}",
                    {"spend_90d_fen": 301, "home_store_code": "S01"}, {"spend_90d_fen": 100, "home_store_code": "S01"}, False),
    "overdue": ("{overdue: purchase, times: 1.5}", {"days_since_purchase": 9, "gap_days": 6.0},
                {"days_since_purchase": 8, "gap_days": 6.0}, False),
    "share": ("{share: {item: 肋排}, of: spend, within_days: 90, op: '>=', value: 0.5}",
              {"lines": [line(1, "肋排"), line(2, "蛋", "o2")]}, {"lines": [line(1, "肋排"), line(2, "蛋", amount_fen=1001)]}, False),
    "tag": ("{tag: VIP}", {"tags": [tag("VIP")]}, {"tags": [tag("vip")]}, False),
    "no_tag": ("{no_tag: VIP}", {"tags": [tag("vip")]}, {"tags": [tag("VIP")]}, True),
    "tag_by": ("{tag: VIP, by: csh1}", {"tags": [tag("VIP")]}, {"tags": [tag("VIP", "csh2")]}, False),
    "tag_within": ("{tag: VIP, within_days: 14}", {"tags": [tag("VIP", ago=13)]}, {"tags": [tag("VIP", ago=14), tag("VIP", ago=None)]}, False),
    "segment": ("{segment: fives}", {"rfm_r": 5}, {"rfm_r": 4}, False),
    "no_segment": ("{no_segment: fives}", {"rfm_r": 4}, {"rfm_r": 5}, True),
    "any_of": ("{segments: any_of, list: [fives, fours]}", {"rfm_f": 4}, {"rfm_r": 1}, False),
    "all_of": ("{segments: all_of, list: [fives, fours]}", {"rfm_r": 5, "rfm_f": 4}, {"rfm_r": 5}, False),
    "except": ("{segments: except, list: [fives, fours]}", {"rfm_r": 5}, {"rfm_r": 5, "rfm_f": 4}, False),
    "did": ("{event: share, did: true, within_days: 30}", {"engagements": [did("share", 29)]}, {"engagements": [did("share", 30)]}, False),
    "did_not": ("{event: share, did: false, within_days: 30}", {"engagements": [did("share", 30)]}, {"engagements": [did("share", 29)]}, True),
    "count": ("{event: purchase, where: {item: 肋排}, count: '>= 2', within_days: 90}",
              {"lines": [line(1, "肋排"), line(89, "肋排", "o2")], "orders": [order(1), order(89, "o2")]},
              {"lines": [line(1, "肋排"), line(1, "肋排"), line(90, "肋排", "o2")], "orders": [order(1), order(90, "o2")]}, False),
    "sum": ("{event: purchase, sum: amount, op: '>=', value: 60, between: [2026-11-01, 2026-11-20]}",
            {"orders": [order(0), order(19, "o2")]}, {"orders": [order(0), order(20, "o2")]}, False),
    "distinct": ("{event: line, distinct: category, op: '>=', value: 2, within_days: 30}",
                 {"lines": [line(1, "肋排"), line(2, "蛋")]}, {"lines": [line(1, "肋排"), line(2, "肋排"), line(30, "蛋")]}, False),
    "first": ("{event: purchase, first: within_days, value: 30}", {"orders": [order(29)]}, {"orders": [order(1), order(30, "o2")]}, False),
    "last": ("{event: purchase, last: not_within_days, value: 14}", {"orders": [order(14)]}, {"orders": [order(13), order(50, "o2")]}, False),
    # the night is a Friday: the last full week ends five days ago
    "streak": ("{event: purchase, streak: week, at_least: 2}", {"orders": [order(5), order(18, "o2")]},
               {"orders": [order(0), order(5, "o2"), order(19, "o3")]}, False),
    "sequence": ("{sequence: [{event: group_join}, {event: purchase}], within_days: 7, gap_days: 3}",
                 {"engagements": [did("group_join", 6)], "orders": [order(3)]},
                 {"engagements": [did("group_join", 6)], "orders": [order(6), order(2, "o2")]}, False),
    "not_followed": ("{event: coupon_issued, not_followed_by: {event: coupon_redeemed}, in_days: 3}",
                     {"engagements": [did("coupon_issued", 3)]},
                     {"engagements": [did("coupon_issued", 2), did("coupon_issued", 9), did("coupon_redeemed", 6)]}, False),
    "first_was": ("{event: purchase, first_was: {channel: groupbuy}}", {"orders": [order(9, channel="groupbuy"), order(1, "o2")]},
                  {"orders": [order(9), order(1, "o2", channel="groupbuy")]}, False),
    "basket": ("{basket: {all: [肋排], any: [生姜, 香菜], none: [啤酒]}, min_total: 30, size: '>= 2'}",
               {"orders": [order(1)], "lines": [line(1, "肋排"), line(1, "香菜")]},
               {"orders": [order(1), order(2, "o2")], "lines": [line(1, "肋排"), line(2, "香菜", "o2")]}, False),
    "never_bought": ("{never_bought: {category: 熟食}}", {"orders": [order(1)], "lines": [line(1, "蛋")]},
                     {"orders": [order(1)], "lines": [line(1, "熟食")]}, False),
    "shop": ("{shop: [S01], as: only_at, within_days: 30}", {"orders": [order(1), order(30, "o2", store_code="S02")]},
             {"orders": [order(1), order(29, "o2", store_code="S02")]}, False),
    "near": ("{near: any_shop, km: 1}", {"places": [{"store_code": "S03", "distance_km": 1.0}]},
             {"places": [{"store_code": "S03", "distance_km": 1.001}]}, False),
    "bucket": ("{bucket: spring26, from: 0, to: 100}", {}, {}, False),
}  # fmt: skip


def test_there_are_at_least_forty_operators_and_a_case_for_each() -> None:
    assert len(REGISTRY) == 56 and set(CASES) == set(REGISTRY)


@pytest.mark.parametrize("name", list(REGISTRY))
def test_the_example_is_valid_and_is_of_its_operator(name: str) -> None:
    condition = parse(yaml.load(REGISTRY[name].example, Loader=yaml.BaseLoader))
    assert condition.operator == name and condition.words


def town_of(inside: dict[str, Any], outside: dict[str, Any]) -> Town:
    members, happenings = [], {relation: [] for relation in COLUMNS}
    for member_id, facts in (("in", inside), ("out", outside), ("null", {})):
        members.append({"member_id": member_id, **{m.field: facts.get(m.field) for m in METRICS.values()}})
        for relation in COLUMNS:
            happenings[relation] += [{"member_id": member_id, **row} for row in facts.get(relation, ())]
    fives, fours = {"metric": "rfm_r", "op": "=", "value": "5"}, {"metric": "rfm_f", "op": "=", "value": "4"}
    return Town(NIGHT, members, happenings, segments={"fives": {"all": [fives]}, "fours": {"all": [fours]}})


def members_by_sql(rule: dict[str, Any], place: Town) -> set[str]:
    data = [
        {"segment_id": key, "name": key, **given}
        for key, given in {**place.segments, "asked": {"all": [rule]}}.items()
    ]
    segments = SegmentFile.model_validate({"segments": data}).segments
    check(segments)
    with duckdb.connect() as con:
        rows = con.sql(plan(segments).on_duckdb(into_duckdb(con, place))).fetchall()
    return {row[0] for row in rows if row[-1]}


@pytest.mark.parametrize("name", list(CASES))
def test_one_in_one_out_one_unknown(name: str) -> None:
    text, inside, outside, is_null_in = CASES[name]
    if name == "bucket":
        rule = yaml.load(text, Loader=yaml.BaseLoader)
        place = town_of(inside, outside)
        parts = [
            members_by_sql({**rule, "from": str(n), "to": str(n + 10)}, place) for n in range(0, 100, 10)
        ]
        # everybody is in one tenth, and it is the one that the evaluator says
        assert sorted(one for part in parts for one in part) == ["in", "null", "out"]
        assert parts == [
            members_of({**rule, "from": str(n), "to": str(n + 10)}, place) for n in range(0, 100, 10)
        ]
        return
    rule = yaml.load(text, Loader=yaml.BaseLoader)
    place = town_of(inside, outside)
    expected = {"in", "null"} if is_null_in else {"in"}
    assert parse(rule).operator == name
    assert members_by_sql(rule, place) == expected
    assert members_of(rule, place) == expected


def test_the_handbook_is_what_the_registry_says() -> None:
    """Write it again with: python -c "from dagster_project.segments.handbook import handbook; …" when this fails."""
    assert (REPOSITORY / "docs" / "users" / "segments.md").read_text("utf-8") == handbook()
    assert {entry.name for entry in entries()} == set(REGISTRY)


def test_every_key_of_where_belongs_to_an_event() -> None:
    assert set(Where.model_fields) == {key for event in EVENTS.values() for key in event.where}


_TYPES = {
    "int": {"integer", "bigint"}, "yuan": {"bigint"}, "bool": {"boolean"}, "text": {"varchar"}, "date": {"date"},
    "ratio": {"double"}, "quantity": {"decimal(18,3)", "decimal(18, 3)"}, "presence": {"varchar"},
}  # fmt: skip


def test_metrics_are_columns_of_the_models_and_columns_are_metrics() -> None:
    columns: dict[str, dict[str, str]] = {}
    for path in (REPOSITORY / "dbt" / "models" / "marts").rglob("*.yml"):
        for model in yaml.safe_load(path.read_text("utf-8")).get("models", ()):
            columns[model["name"]] = {c["name"]: c["data_type"] for c in model["columns"]}
    wrong = [
        metric.name
        for metric in METRICS.values()
        if columns[metric.table].get(metric.source) not in _TYPES[metric.kind]
    ]
    assert wrong == []
    asked = {metric.source for metric in METRICS.values() if metric.table == "member_metrics"}
    assert set(columns["member_metrics"]) - {"as_of_date", "member_id", "rule_hash"} <= asked


def test_the_form_of_earlier_files_keeps_its_hashes_reasons_and_members() -> None:
    found = {s.segment_id: (s.hash, s.reason, s.operators()) for s in packaged_chain().rules.segments}
    assert found == {
        "no_purchase_7d": ("26783c89553f", "days_since_purchase >= 7", ("all", ">=")),
        "spend_30d_over_500": ("0c5f7e253d21", "spend_30d > 500", ("all", ">")),
        "potential_group_buyer": ("59b18a3a3ee9", "is_potential_group_buyer = true", ("all", "=")),
        "never_bought_cooked": (
            "bf2bec9fc310",
            "orders_total >= 1；high_margin_orders_total = 0",
            ("all", ">=", "="),
        ),
    }


def test_equal_features_of_many_segments_are_one_column_and_relations_are_read_once() -> None:
    rule = {"event": "purchase", "count": ">= 2", "within_days": "30"}
    more = {"event": "purchase", "count": ">= 5", "within_days": "30"}
    data = [{"segment_id": f"s{n}", "name": "x", "all": [rule, more]} for n in range(100)]
    compiled = plan(SegmentFile.model_validate({"segments": data}).segments)
    assert compiled.features_sql.count("__orders__") == 1
    assert compiled.features_sql.count("count(case when") == 1
    assert (compiled.words, compiled.place("s61"), compiled.place("s62")) == (2, (0, 61), (1, 0))


def test_the_sql_of_every_example_is_spark_sql_too() -> None:
    rules = [yaml.load(entry.example, Loader=yaml.BaseLoader) for entry in REGISTRY.values()]
    data = [{"segment_id": f"s{number}", "name": "x", "all": [rule]} for number, rule in enumerate(rules)]
    named = [
        {"segment_id": key, "name": key, "all": [{"metric": "rfm_r", "op": "known"}]}
        for key in ("vip", "regulars")
    ]
    compiled = plan(SegmentFile.model_validate({"segments": [*data, *named]}).segments)
    for sql in (compiled.features_sql, compiled.bits_sql, compiled.wide_sql):
        assert sqlglot.parse_one(sql, dialect="spark").sql("duckdb") and sqlglot.parse_one(
            sql, dialect="duckdb"
        )
        assert not ENGINE_WORDS.search(sql)
