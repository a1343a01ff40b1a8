"""rules/churn.yml: days at which the churn tiers begin."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from dagster_project.config.rules.base import Rule
from dagster_project.lang import tr


class ChurnRules(Rule):
    """Days since the last purchase at which each tier begins."""

    l1_days: int = Field(ge=1)
    l2_days: int = Field(ge=2)
    l3_days: int = Field(ge=3)

    @field_validator("l3_days")
    @classmethod
    def _rising(cls, value: int, info: ValidationInfo) -> int:
        l1, l2 = info.data.get("l1_days"), info.data.get("l2_days")
        if l1 is not None and l2 is not None and not l1 < l2 < value:
            raise ValueError(tr("三个天数必须递增：l1 < l2 < l3", "the days must rise: l1 < l2 < l3"))
        return value
