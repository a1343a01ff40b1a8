"""The table that the demo prints and the README quotes."""

from __future__ import annotations

from datetime import date
from typing import cast

import pytest

from dagster_project.cli.demo import _figures, _stage_name
from dagster_project.lang import LANGUAGE
from dagster_project.publish import Publication

_SCORE = {
    "pairwise": {"precision": 1.0, "recall": 0.5, "f1": 0.6667},
    "b_cubed": {"precision": 1.0, "recall": 0.5, "f1": 0.6667},
    "mixed_share": 0.0,
}
_TABLES = {
    "orders": "values ('k1', 'm1', true, 'pos'), ('k2', null, true, 'pos')) t(order_key, member_id, is_purchase, channel",
    "order_lines": "values ('k1', 1), ('k1', 2)) t(order_key, line_no",
    "record_members": "values ('tickets', 'member_ref'), ('tickets', 'phone')) t(feed, basis",
    # m2 has an account in both systems and bought only at the counter
    "members": "values ('m1', true, true), ('m2', true, true), ('m3', true, false)) t(member_id, has_pos, has_groupbuy",
    "member_metrics": "values ('2026-01-20', 'm1', 3, 1), ('2026-01-20', 'm2', 2, 0), ('2026-01-20', 'm3', 1, 0),"
    " ('2026-01-19', 'm2', 2, 5)) t(as_of_date, member_id, pos_orders_total, groupbuy_orders_total",
    "churn_tiers": "values ('2026-01-20', 'L2'), ('2026-01-20', 'active'), ('2026-01-19', 'L3')) t(as_of_date, tier",
}


class _Published:
    as_of = date(2026, 1, 20)

    def sql(self, table: str) -> str:
        date_column = "replace (as_of_date::date as as_of_date)" if "as_of_date" in _TABLES[table] else ""
        return f"(select * {date_column} from ({_TABLES[table]})) {table}"


@pytest.fixture(params=["zh", "en"])
def figures(request: pytest.FixtureRequest) -> list[str]:
    asked = LANGUAGE.set(request.param)
    try:
        return [value for _, value in _figures(cast(Publication, _Published()), _SCORE)]
    finally:
        LANGUAGE.reset(asked)


def test_both_channels_means_bought_in_both(figures: list[str]) -> None:
    assert figures[1] == "3（1）"


def test_tiers_are_all_told_in_their_order(figures: list[str]) -> None:
    assert figures[-1] in ("活跃 1  L1 0  L2 1  L3 0", "active 1  L1 0  L2 1  L3 0")


def test_every_stage_of_a_night_has_a_chinese_name() -> None:
    names = [_stage_name(stage) for stage in ("land", "check", "raw", "dbt", "publish", "report")]
    assert names == ["入仓", "检查", "准备", "建模", "发布", "报表"]
