"""rules/campaigns.yml: who gets which offer, when and how often."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from dagster_project.config.rules.base import Clock, Fen, Rule, file_safe
from dagster_project.lang import tr


class Offer(Rule):
    """What a campaign gives."""

    template_id: str
    kind: Literal["cash_off", "first_order_price"]
    amount_yuan: Fen
    threshold_yuan: Fen = 0
    valid_hours: int = Field(ge=1)

    @property
    def amount_fen(self) -> int:
        return self.amount_yuan

    @property
    def threshold_fen(self) -> int:
        return self.threshold_yuan


class Campaign(Rule):
    """Who gets which offer through which channel, and how often one member does.

    `amount_yuan` of the offer is the cost of one redemption. `tier`, `segment` and `every_days` go with the trigger
    and the `once` that need them, and only there.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"segment", "once", "every_days"})

    campaign_id: str
    name: str
    trigger: Literal["churn_tier", "potential_group_buyer", "segment", "markdown", "after_order"]
    tier: Literal["L1", "L2", "L3"] | None = None
    segment: str | None = None
    once: Literal["lapse", "ever", "every_days"] = "lapse"
    every_days: int | None = Field(default=None, ge=1)
    offer: Offer
    holdout_percent: int = Field(ge=0, le=50)
    channels: tuple[Literal["wecom", "groupbuy_coupon"], ...] = Field(min_length=1)
    tag: str = Field(max_length=30)
    text: str
    send_at: Clock = "10:00"
    daily_cap: int = Field(default=100_000, ge=0)

    @field_validator("campaign_id")
    @classmethod
    def _file_safe(cls, value: str) -> str:
        return file_safe(value)

    @field_validator("text")
    @classmethod
    def _fits_the_vendor(cls, value: str) -> str:
        if len(value.encode()) > 4000:
            raise ValueError(tr("消息正文超过企业微信 4000 字节上限", "the text is over WeCom's 4000 bytes"))
        return value


class CampaignRules(Rule):
    """The file."""

    campaigns: tuple[Campaign, ...] = ()
