"""rules/commission.yml: what recommenders, cashiers and leaders earn."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from dagster_project.config.rules.base import BasisPoints, Fen, Rule
from dagster_project.lang import tr

_SCENES = (1, 2, 3)


class KocCommission(Rule):
    """`attribution`: what makes somebody the one who brought an order, the first that names one wins.

    `refuse_shared_phone`: WeChat accounts that verified one number at one time earn nothing from each other.
    """

    level1_percent: BasisPoints = 1500
    level2_percent: BasisPoints = 500
    refund_window_days: int = Field(default=7, ge=0)
    require_koc: bool = True
    attribution: tuple[Literal["invite_code", "sharer", "inviter"], ...] = Field(
        default=("invite_code",), min_length=1
    )
    max_circle: int = Field(default=16, ge=1, le=16)
    refuse_shared_phone: bool = True

    @model_validator(mode="after")
    def _no_more_than_all(self) -> KocCommission:
        if self.level1_percent + self.level2_percent > 100_00:
            raise ValueError(tr("两级佣金合计超过 100%", "the two levels add up to more than 100 %"))
        return self


class CashierIncentive(Rule):
    """For a customer brought into the group: when she joined and stayed, and for her first group-buy purchase.

    `scenes`: join scenes of WeCom that count.
    """

    join_yuan: Fen = 200
    stay_days: int = Field(default=7, ge=0)
    first_order_yuan: Fen = 300
    first_order_days: int = Field(default=30, ge=0)
    scenes: tuple[int, ...] = Field(default=_SCENES, min_length=1)

    @field_validator("scenes")
    @classmethod
    def _known(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if strange := sorted(set(value) - set(_SCENES)):
            listed = ", ".join(map(str, strange))
            raise ValueError(
                tr(
                    f"没有入群方式 {listed}。可用：1 成员邀请，2 成员邀请链接，3 扫群二维码",
                    f"no join scene {listed}; known: 1 invited by a member, 2 by a member's link, 3 by the group's QR code",
                )
            )
        return value


class LeaderCommission(Rule):
    """On group-buy, and on what bound members buy at the counter; a member stays bound for `bind_days`."""

    groupbuy_percent: BasisPoints = 800
    counter_percent: BasisPoints = 100
    bind_days: int = Field(default=90, ge=0)


class CommissionRules(Rule):
    """The file."""

    koc: KocCommission = KocCommission()
    cashier: CashierIncentive = CashierIncentive()
    leader: LeaderCommission = LeaderCommission()
