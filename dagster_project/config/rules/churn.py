"""rules/churn.yml: days at which the churn tiers begin, and how long whoever was called back has to come."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, ValidationInfo, field_validator

from dagster_project.config.rules.base import Rule
from dagster_project.lang import tr


class ChurnRules(Rule):
    """Days since the last purchase at which each tier begins.

    `recall_days`: a purchase from the day on which a campaign's message was due up to so many days after answers it, the
    last day included; of the hold-out as well.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"recall_days"})

    l1_days: int = Field(ge=1)
    l2_days: int = Field(ge=2)
    l3_days: int = Field(ge=3)
    recall_days: int = Field(default=30, ge=1, le=365)

    @field_validator("l3_days")
    @classmethod
    def _rising(cls, value: int, info: ValidationInfo) -> int:
        l1, l2 = info.data.get("l1_days"), info.data.get("l2_days")
        if l1 is not None and l2 is not None and not l1 < l2 < value:
            raise ValueError(tr("三个天数必须递增：l1 < l2 < l3", "the days must rise: l1 < l2 < l3"))
        return value
