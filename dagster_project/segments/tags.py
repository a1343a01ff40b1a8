"""Tags that rules define, as conditions: what a segment means by `{tag: 价格敏感}`.

The tags of metrics are the same that the model `member_tags` writes; a chain adds its own in rules/metrics.yml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from dagster_project.lang import tr
from dagster_project.segments.base import Operator, parse
from dagster_project.segments.model import Segment, walk
from dagster_project.segments.problems import wrong
from dagster_project.segments.refused import check_number, check_numbers, check_words, sensitive_word

_FIXED: Mapping[str, Mapping[str, str]] = {
    "新客": {"metric": "lifecycle", "op": "=", "value": "new"},
    "活跃": {"metric": "lifecycle", "op": "=", "value": "active"},
    "回流": {"metric": "lifecycle", "op": "=", "value": "regained"},
    "流失": {"metric": "lifecycle", "op": "=", "value": "lapsed"},
    "潜在拼团用户": {"metric": "is_potential_group_buyer", "op": "=", "value": "true"},
    "拼团达人": {"metric": "is_groupbuy_star", "op": "=", "value": "true"},
    "价格敏感": {"metric": "price_sensitivity", "op": "=", "value": "sensitive"},
    "品质型": {"metric": "price_sensitivity", "op": "=", "value": "quality"},
    "L1": {"metric": "tier", "op": "=", "value": "L1"},
    "L2": {"metric": "tier", "op": "=", "value": "L2"},
    "L3": {"metric": "tier", "op": "=", "value": "L3"},
    "从未买过高毛利": {"metric": "never_high_margin", "op": "=", "value": "true"},
}
_LOVES, _USUAL = "爱买", "常买"


@dataclass(frozen=True)
class RuleTags(Mapping[str, Operator]):
    """Condition of every tag, by name; of 爱买… and 常买… also those that nobody has yet, but none that is never inferred.

    Args:
        own: the chain's tags as written in the file.
        min_share: in thousandths, and `min_orders`: from where on a top category is loved.
    """

    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    min_share: int = 300
    min_orders: int = 5

    def __getitem__(self, name: str) -> Operator:
        if name in self._conditions:
            return self._conditions[name]
        if sensitive_word(name):
            raise KeyError(name)
        if name.startswith(_LOVES) and name != _LOVES:
            where = {"category_l1": name.removeprefix(_LOVES)}
            share = f"{Decimal(self.min_share) / 1000:f}"
            many = {
                "event": "purchase",
                "where": where,
                "count": f">= {self.min_orders}",
                "within_days": "90",
            }
            much = {"share": where, "of": "spend", "within_days": "90", "op": ">=", "value": share}
            return parse({"all": [much, many]})
        if name.startswith(_USUAL) and name != _USUAL:
            return parse({"metric": "usual_item", "op": "=", "value": name.removeprefix(_USUAL)})
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._conditions)

    def __len__(self) -> int:
        return len(self._conditions)

    @cached_property
    def _conditions(self) -> dict[str, Operator]:
        return {name: parse(when) for name, when in {**_FIXED, **self.own}.items()}

    def judged(self) -> list[Segment]:
        """The chain's own tags as segments, to be judged with the others; the id of none can be that of a segment."""
        return [
            Segment.model_construct(
                segment_id=f"tag:{name}", name=name, when=self._conditions[name], source={"all": [dict(when)]}
            )
            for name, when in self.own.items()
        ]


def check_tag(name: str) -> str:
    """The name of a tag of the chain's own.

    Raises:
        ValueError: the name says what is never inferred, holds a mobile number, or is taken by a tag of metrics.
    """
    check_words(name, tr("名称", "name"))
    check_number(name)
    if name in _FIXED or name.startswith((_LOVES, _USUAL)):
        raise ValueError(
            tr(f"{name} 是自动打的标签，换一个名称", f"{name} is a tag of its own, take another name")
        )
    return name


def check_condition(when: Mapping[str, Any]) -> None:
    """What makes a condition no condition of a tag.

    Raises:
        pydantic.ValidationError: it is none, holds a mobile number, or asks for a segment: segments ask for tags, not the
            other way round.
    """
    condition = parse(when)
    check_numbers(when)
    for place, node in walk((), condition):
        for inside, kind, name in node.named():
            if kind == "segment":
                raise wrong(
                    tr(f"标签的条件里不能用人群（{name}）", f"a tag's condition takes no segment ({name})"),
                    *place,
                    *inside,
                )
