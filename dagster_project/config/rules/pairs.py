"""rules/pairs.yml: when two items go together."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from dagster_project.config.rules.base import Millionths, Rule, Thousandths
from dagster_project.lang import tr


def _share(value: int) -> int:
    if value > 1_000_000:
        raise ValueError(tr("应当在 0 到 1 之间，例如 0.001", "must be from 0 to 1, such as 0.001"))
    return value


def _times(value: int) -> int:
    if value == 0:
        raise ValueError(
            tr("应当大于 0；1 是碰巧，例如 1.2", "must be above 0, such as 1.2; 1 is mere chance")
        )
    return value


class PairRules(Rule):
    """Over the purchases of `days`; `min_orders` is of both items together, `per_item` the companions kept."""

    days: int = Field(default=90, ge=1, le=365)
    min_orders: int = Field(default=30, ge=1)
    min_support: Annotated[Millionths, AfterValidator(_share)] = 1000
    min_lift: Annotated[Thousandths, AfterValidator(_times)] = 1200
    per_item: int = Field(default=10, ge=1, le=100)
