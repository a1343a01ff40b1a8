"""rules/pairs.yml: when two items go together."""

from __future__ import annotations

from pydantic import Field

from dagster_project.config.rules.base import Millionths, Rule, Thousandths


class PairRules(Rule):
    """Over the purchases of `days`; `min_orders` is of both items together, `per_item` the companions kept."""

    days: int = Field(default=90, ge=1, le=365)
    min_orders: int = Field(default=30, ge=1)
    min_support: Millionths = Field(default=1000, ge=0, le=1_000_000)
    min_lift: Thousandths = Field(default=1200, ge=0)
    per_item: int = Field(default=10, ge=1, le=100)
