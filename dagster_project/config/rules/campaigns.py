"""rules/campaigns.yml: who gets which offer, when and how often."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from dagster_project.config.rules.base import Clock, Fen, Rule, file_safe
from dagster_project.lang import tr

ITEM = "{item}"
"""Stands in a campaign's text for the item that the candidate is told of."""


class Offer(Rule):
    """What a campaign gives."""

    template_id: str
    kind: Literal["cash_off", "first_order_price", "voucher"]
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

    `amount_yuan` of the offer is the cost of one redemption; a campaign without an offer only tells. `tier`, `segment`
    and `every_days` go with the trigger and the `once` that need them, and only there. `only`: of those triggered only
    whose usual item is on offer. `{item}` in the text becomes the item that is on offer, or goes with what was bought.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"segment", "only", "once", "every_days"})

    campaign_id: str
    name: str
    trigger: Literal["churn_tier", "potential_group_buyer", "segment", "markdown", "after_order"]
    tier: Literal["L1", "L2", "L3"] | None = None
    segment: str | None = None
    only: Literal["usual_item_on_offer"] | None = None
    once: Literal["lapse", "ever", "every_days"] = "lapse"
    every_days: int | None = Field(default=None, ge=1)
    offer: Offer | None = None
    holdout_percent: int = Field(ge=0, le=50)
    channels: tuple[Literal["wecom", "groupbuy_coupon", "call"], ...] = Field(min_length=1)
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

    @model_validator(mode="after")
    def _whole(self) -> Campaign:
        if self.offer is None and "groupbuy_coupon" in self.channels:
            raise ValueError(
                tr("channels 有 groupbuy_coupon 时必须写 offer", "channel groupbuy_coupon needs an offer")
            )
        if ITEM in self.text and self.trigger != "after_order" and self.only is None:
            raise ValueError(
                tr(
                    "text 里的 {item} 只能用于 after_order，或写了 only: usual_item_on_offer 的活动",
                    "{item} in the text needs the trigger after_order, or only: usual_item_on_offer",
                )
            )
        if self.only is not None and self.trigger not in ("churn_tier", "segment"):
            raise ValueError(
                tr(
                    "only 只能和 trigger churn_tier、segment 一起写",
                    "only goes with the triggers churn_tier and segment",
                )
            )
        return self


class CampaignRules(Rule):
    """The file."""

    campaigns: tuple[Campaign, ...] = ()
