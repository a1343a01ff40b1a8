"""Tags of rules: what a segment means by one, and where the chain's own stand in the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from dagster_project.segments import RuleTags, SegmentFile, parse, plan_variable
from dagster_project.segments.compile import WORD_BITS

REPOSITORY = Path(__file__).parents[2]
OWN = {
    "大户": {"metric": "spend_30d", "op": ">=", "value": "1000"},
    "敏感大户": {"all": [{"tag": "大户"}, {"tag": "价格敏感"}]},
}


def _segments(*conditions: dict[str, Any]) -> Any:
    data = [
        {"segment_id": f"s{number}", "name": "x", "all": [condition]}
        for number, condition in enumerate(conditions)
    ]
    return SegmentFile.model_validate({"segments": data}).segments


def _bits(*conditions: dict[str, Any], tags: RuleTags | None = None) -> str:
    found: str = plan_variable(_segments(*conditions), tags)["bits"]
    return found


@pytest.mark.parametrize(
    ("tag", "condition"),
    [
        ("新客", {"metric": "lifecycle", "op": "=", "value": "new"}),
        ("L2", {"metric": "tier", "op": "=", "value": "L2"}),
        ("常买有机蛋", {"metric": "usual_item", "op": "=", "value": "有机蛋"}),
        ("大户", OWN["大户"]),
    ],
)
def test_a_tag_means_its_condition_or_that_staff_set_it(tag: str, condition: dict[str, Any]) -> None:
    tags = RuleTags(OWN)
    assert tags[tag] == parse(condition)
    assert f"tag = '{tag}'" in plan_variable(_segments({"tag": tag}), tags)["features"]


def test_a_loved_category_is_a_share_and_a_number_of_purchases() -> None:
    tags = RuleTags(min_share=250, min_orders=3)
    assert tags["爱买蔬菜"] == parse(
        {
            "all": [
                {"share": {"category_l1": "蔬菜"}, "of": "spend", "within_days": "90", "op": ">=", "value": "0.25"},
                {"event": "purchase", "where": {"category_l1": "蔬菜"}, "count": ">= 3", "within_days": "90"},
            ]
        }
    )  # fmt: skip
    assert tags["从未买过高毛利"] == parse({"metric": "never_high_margin", "op": "=", "value": "true"})


@pytest.mark.parametrize("name", ["爱买母婴", "常买婴儿米粉"])
def test_no_rule_tells_of_children_nor_does_a_segment_ask(name: str) -> None:
    assert name not in RuleTags()
    with pytest.raises(ValidationError, match="不能推断"):
        _segments({"tag": name})


@pytest.mark.parametrize("name", ["爱买", "常买", "VIP"])
def test_a_prefix_alone_is_no_tag_of_rules(name: str) -> None:
    assert name not in RuleTags()
    # staff may have set it all the same
    assert f"tag = '{name}'" in plan_variable(_segments({"tag": name}))["features"]


def test_the_chains_own_tags_follow_the_segments_in_the_words() -> None:
    many = _segments(*[{"metric": "orders_30d", "op": ">=", "value": str(n)} for n in range(61)])
    found = plan_variable(many, RuleTags(OWN))
    assert [(one["tag"], one["word"], one["bit"]) for one in found["tags"]] == [
        ("大户", 0, 1 << 61),
        ("敏感大户", 1, 1),
    ]
    assert (found["words"], len(found["segments"]), WORD_BITS) == (2, 61, 62)
    assert "price_sensitivity" in [column["field"] for column in found["frame"]]


def test_a_segment_by_the_chains_own_tag_is_judged_by_its_condition() -> None:
    assert "spend_30d_fen >= 100000" in _bits({"tag": "大户"}, tags=RuleTags(OWN))
    assert "spend_30d_fen >= 100000" not in _bits({"tag": "大户"})


def test_shops_are_looked_for_as_far_as_somebody_asks() -> None:
    asked = _segments(
        {"near": "home_shop", "km": "50"}, {"not": {"near": "S01", "km": "2.5"}}, {"near": "any_shop", "km": "1"}
    )  # fmt: skip
    assert plan_variable(asked)["reach_km"] == "2.5"
    assert plan_variable(asked, RuleTags({"远": {"near": "any_shop", "km": "3"}}))["reach_km"] == "3"
    assert plan_variable(_segments({"tag": "新客"}))["reach_km"] == "0"


def test_models_know_every_key_of_the_plan_without_rules() -> None:
    project = yaml.safe_load((REPOSITORY / "dbt" / "dbt_project.yml").read_text("utf-8"))
    assert project["vars"]["segment_plan"].keys() == plan_variable(()).keys() - {"hash"}
