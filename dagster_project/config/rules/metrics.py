"""rules/metrics.yml: where the words of a member's metrics and tags begin and end."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from dagster_project.config.rules.base import Rule, Thousandths
from dagster_project.lang import tr


class TagRule(Rule):
    """A tag for members for whom a condition holds; `when` is a condition of the segment language."""

    tag: str = Field(min_length=1, max_length=30)
    when: dict[str, Any] = Field(min_length=1)


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
