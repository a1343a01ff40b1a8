"""Rules as rows of schema `ops`: exact integers, one row per rule, nothing lost on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dagster_project.config import Chain, load_rules
from dagster_project.privacy import ChainKey
from dagster_project.warehouse.ops import FROM_LAKE, FROM_QUERIES, TABLES, Night, schemas


@pytest.fixture
def rows(chain: Chain, tmp_path: Path) -> Any:
    """Rows of an ops table, after rule files (name → text) have been written."""

    def of(table: str, **rule_files: str) -> list[dict[str, Any]]:
        for name, text in rule_files.items():
            (tmp_path / f"{name}.yml").write_text(text, "utf-8")
        night = Night(replace(chain, rules=load_rules(tmp_path)), date(2026, 11, 1), ChainKey(b"k" * 32))
        [found] = [each for each in TABLES if each.name == table]
        return found.arrow(night).to_pylist()

    return of


def test_no_table_has_two_makers() -> None:
    names = [*(table.name for table in TABLES), *FROM_QUERIES, *FROM_LAKE]
    assert len(names) == len(set(names)) == len(schemas())


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_is_made_of_the_packaged_rules(rows: Any, table: Any) -> None:
    for row in rows(table.name):
        assert row.keys() == table.schema.keys()


def test_one_row_per_rule_file(rows: Any) -> None:
    for name in ("run_context", "rule_identity", "rule_identity_health", "rule_churn", "rule_koc", "rule_metrics",
                 "rule_ledger", "rule_commission", "rule_markdown", "rule_pairs"):  # fmt: skip
        assert len(rows(name)) == 1, name


def test_shares_and_ratios_come_as_integers(rows: Any) -> None:
    [row] = rows("rule_commission", commission="koc: {level1_percent: 12.5}\nleader: {groupbuy_percent: 8}\n")
    assert (row["koc_level1_bp"], row["koc_level2_bp"], row["leader_groupbuy_bp"]) == (1250, 500, 800)
    assert (row["koc_attribution"], row["cashier_scenes"]) == ("invite_code", "1,2,3")
    [row] = rows("rule_markdown", markdown="radius_km: 0.75\n")
    assert (row["radius_m"], row["left_ratio_permille"], row["price_factor_permille"]) == (750, 300, 500)
    [row] = rows("rule_metrics")
    assert (row["price_sensitive_index_permille"], row["quality_index_permille"]) == (1250, 750)
    assert rows("rule_pairs")[0]["min_support_ppm"] == 1000
    home = "use_wecom_remark: true\nmax_wechat_accounts_per_phone: 1\nmax_cards_per_phone: 3\npayer_min_tickets: 1\n"
    assert rows("rule_identity", identity=f"{home}home_store_max_km: 2.5\n")[0]["home_store_max_m"] == 2500
    [row] = rows("rule_churn", churn="l1_days: 7\nl2_days: 15\nl3_days: 28\nrecall_days: 21\n")
    assert (row["l3_days"], row["recall_days"]) == (28, 21)
    assert rows("rule_ledger", ledger="tolerance_points: 0.5\n")[0]["tolerance_points"] == Decimal("0.500")


def test_every_connection_has_a_factor(rows: Any) -> None:
    found = rows("point_factors", ledger="point_factor: {default: 1, group_main: 0.5}\n")
    assert {(row["connection"], row["factor_permille"]) for row in found} >= {
        ("group_main", 500),
        ("pos_main", 1000),
    }


def test_the_ledger_file_goes_before_a_campaign(rows: Any) -> None:
    text = "templates:\n  - {template_id: L2_50_8, valid_days: 3, amount_yuan: 7}\n  - {template_id: X}\n"
    found = {row["template_id"]: row for row in rows("rule_coupon_templates", ledger=text)}
    assert list(found) == sorted(found)
    assert (found["L2_50_8"]["valid_hours"], found["L2_50_8"]["amount_fen"]) == (72, 700)
    assert (found["X"]["valid_hours"], found["X"]["campaign_id"]) == (None, None)
    assert (found["FIRST_GROUP"]["valid_hours"], found["FIRST_GROUP"]["amount_fen"]) == (72, 500)
    assert found["FIRST_GROUP"]["campaign_id"] == "first_group_order"


def test_an_offer_is_a_row_for_each_shop(rows: Any) -> None:
    text = """offers:
  - {sku: a, from: 2026-11-01, to: 2026-11-02, stores: [S2, S1, S1], price_yuan: 1.99}
  - {category: 蛋, from: 2026-11-01, to: 2026-11-01}
"""
    found = [(r["sku"], r["category"], r["store_code"], r["price_fen"]) for r in rows("offers", offers=text)]
    assert found == [("a", None, "S1", 199), ("a", None, "S2", 199), (None, "蛋", None, None)]


def test_a_tag_keeps_its_condition_as_written(rows: Any) -> None:
    [row] = rows(
        "rule_tags", metrics="tags:\n  - {tag: 大户, when: {metric: spend_30d, op: '>', value: 1000}}\n"
    )
    assert row["tag"] == "大户"
    assert row["condition_json"] == '{"metric": "spend_30d", "op": ">", "value": "1000"}'
