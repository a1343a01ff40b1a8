"""rules/metrics.yml: where the words of a member's metrics and tags begin and end."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from dagster_project.config.document import Document
from dagster_project.config.rules.base import Rule, Thousandths
from dagster_project.lang import tr
from dagster_project.segments import RuleTags, SegmentError, check_condition, check_tag, plan


class TagRule(Rule):
    """A tag for members for whom a condition holds; `when` is a condition of the segment language."""

    tag: str = Field(min_length=1, max_length=30)
    when: dict[str, Any] = Field(min_length=1)

    @field_validator("tag")
    @classmethod
    def _free(cls, value: str) -> str:
        return check_tag(value)

    @field_validator("when")
    @classmethod
    def _condition(cls, value: dict[str, Any]) -> dict[str, Any]:
        check_condition(value)
        return value


class MetricRules(Rule):
    """Days are business days before the night; indexes compare a member with what her shops had on offer."""

    new_days: int = Field(default=30, ge=1, le=1095)
    lapsed_days: int = Field(default=30, ge=1, le=1095)
    regained_days: int = Field(default=30, ge=1, le=1095)
    groupbuy_star_orders: int = Field(default=1, ge=1)
    price_days: int = Field(default=90, ge=1, le=365)
    price_min_lines: int = Field(default=20, ge=1)
    price_sensitive_index: Thousandths = Field(default=1250, ge=1)
    quality_index: Thousandths = Field(default=750, ge=0)
    affinity_min_share: Thousandths = Field(default=300, ge=1, le=1000)
    affinity_min_orders: int = Field(default=5, ge=1)
    usual_min_times: int = Field(default=3, ge=1)
    usual_days: int = Field(default=365, ge=1, le=1095)
    usual_items: int = Field(default=5, ge=1, le=100)
    pickup_min_buyers: int = Field(default=5, ge=5)
    tags: tuple[TagRule, ...] = ()

    @model_validator(mode="after")
    def _apart(self) -> MetricRules:
        if self.quality_index >= self.price_sensitive_index:
            raise ValueError(
                tr(
                    "quality_index 要小于 price_sensitive_index",
                    "quality_index must be below price_sensitive_index",
                )
            )
        return self

    @property
    def rule_tags(self) -> RuleTags:
        """All tags that rules define, as conditions."""
        own = {rule.tag: rule.when for rule in self.tags}
        return RuleTags(own, self.affinity_min_share, self.affinity_min_orders)


def check_tags(document: Document, part: MetricRules) -> None:
    """What no single tag shows: tags that refer to each other in a circle.

    Raises:
        ConfigError: with the line of the condition that is wrong.
    """
    try:
        plan(part.rule_tags.judged(), tags=part.rule_tags)
    except SegmentError as error:
        _, number, *rest = error.place
        raise document.error(("tags", number, "when", *rest), error.problem) from None
