"""rules/markdown.yml: the evening markdown (晚间折扣)."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from dagster_project.config.rules.base import Clock, Rule, Thousandths, file_safe
from dagster_project.lang import tr


class MarkdownRules(Rule):
    """What goes on the evening list, who is told, and when. `radius_km` is held in metres."""

    count_at: Clock = "16:00"
    count_tolerance_minutes: int = Field(default=60, ge=0, le=240)
    push_at: Clock = "16:30"
    start_at: Clock = Field(default="17:00", validate_default=True)
    categories: tuple[str, ...] = ("叶菜",)
    left_ratio: Thousandths = Field(default=300, ge=0, le=1000)
    price_factor: Thousandths = Field(default=500, ge=1, le=1000)
    radius_km: Thousandths = Field(default=1000, ge=1)
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
