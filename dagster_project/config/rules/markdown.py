"""rules/markdown.yml: the evening markdown (晚间折扣)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from dagster_project.config.rules.base import Clock, Rule, Thousandths, file_safe
from dagster_project.lang import tr


def _share(value: int) -> int:
    if value > 1000:
        raise ValueError(tr("应当在 0 到 1 之间，例如 0.3 是三成", "must be from 0 to 1, such as 0.3"))
    return value


def _price(value: int) -> int:
    if not 1 <= value <= 1000:
        raise ValueError(
            tr("应当大于 0、不超过 1，例如五折写 0.5", "must be above 0 and at most 1; half price is 0.5")
        )
    return value


def _distance(value: int) -> int:
    if value < 1:
        raise ValueError(tr("应当大于 0，以公里为单位，例如 1.5", "must be above 0 kilometres, such as 1.5"))
    return value


class MarkdownRules(Rule):
    """What goes on the evening list, who is told, and when. `radius_km` is held in metres."""

    count_at: Clock = "16:00"
    count_tolerance_minutes: int = Field(default=60, ge=0, le=240)
    push_at: Clock = "16:30"
    start_at: Clock = Field(default="17:00", validate_default=True)
    categories: tuple[str, ...] = ("叶菜",)
    left_ratio: Annotated[Thousandths, AfterValidator(_share)] = 300
    price_factor: Annotated[Thousandths, AfterValidator(_price)] = 500
    radius_km: Annotated[Thousandths, AfterValidator(_distance)] = 1000
    min_orders_30d: int = Field(default=4, ge=1)
    campaign_id: str = "evening_markdown"
    usual_weeks: int = Field(default=4, ge=1, le=52)

    @field_validator("start_at")
    @classmethod
    def _in_order(cls, value: str, info: ValidationInfo) -> str:
        counted, pushed = info.data.get("count_at"), info.data.get("push_at")
        if counted is not None and pushed is not None and not counted <= pushed < value:
            raise ValueError(
                tr(
                    "时间要依次为 count_at ≤ push_at < start_at",
                    "the times must follow count_at ≤ push_at < start_at",
                )
            )
        return value

    @field_validator("campaign_id")
    @classmethod
    def _file_safe(cls, value: str) -> str:
        return file_safe(value)
