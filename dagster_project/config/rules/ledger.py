"""rules/ledger.yml: what a point of each source is worth, and the coupon templates of the sources."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from dagster_project.config.rules.base import Fen, Rule, Thousandths
from dagster_project.lang import tr

DEFAULT_FACTOR = "default"


class CouponTemplate(Rule):
    """A template that a source issues coupons from; how long one is valid, where its events do not say."""

    template_id: str = Field(min_length=1)
    valid_hours: int | None = Field(default=None, ge=1)
    valid_days: int | None = Field(default=None, ge=1)
    threshold_yuan: Fen = 0
    amount_yuan: Fen = 0

    @model_validator(mode="after")
    def _one_validity(self) -> CouponTemplate:
        if self.valid_hours is not None and self.valid_days is not None:
            raise ValueError(
                tr("valid_hours 和 valid_days 只写一个", "give valid_hours or valid_days, not both")
            )
        return self

    @property
    def hours(self) -> int | None:
        """Hours of validity; None when nobody says."""
        return self.valid_hours if self.valid_days is None else 24 * self.valid_days


class LedgerRules(Rule):
    """`point_factor`: connection, or default, to points of the chain for one of its own."""

    point_factor: dict[str, Thousandths] = Field(default={DEFAULT_FACTOR: 1000})
    tolerance_points: Thousandths = 0
    templates: tuple[CouponTemplate, ...] = ()

    @field_validator("point_factor")
    @classmethod
    def _worth_something(cls, value: dict[str, int]) -> dict[str, int]:
        if not all(factor > 0 for factor in value.values()):
            raise ValueError(tr("积分系数要大于 0", "a factor must be above 0"))
        return value

    def factor(self, connection: str) -> int:
        """Points of the chain for one point of a connection, in thousandths."""
        return self.point_factor.get(connection, self.point_factor.get(DEFAULT_FACTOR, 1000))
