"""rules/segments.yml: groups of members by conditions on their metrics."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from dagster_project.config.rules.base import Rule, file_safe, yuan_to_fen
from dagster_project.lang import tr

_WHOLE = re.compile(r"-?[0-9]{1,9}")

# Columns of member_metrics and churn_tiers that a segment may ask about, and how a value is written.
# yuan: the author writes yuan, the column is fen.
SEGMENT_METRICS = {
    "days_since_purchase": "int",
    "orders_30d": "int",
    "orders_total": "int",
    "pos_orders_total": "int",
    "groupbuy_orders_total": "int",
    "high_margin_orders_total": "int",
    "channels_30d": "int",
    "rfm_r": "int",
    "rfm_f": "int",
    "rfm_m": "int",
    "spend_7d": "yuan",
    "spend_30d": "yuan",
    "spend_90d": "yuan",
    "counter_spend_30d": "yuan",
    "groupbuy_spend_30d": "yuan",
    "is_potential_group_buyer": "bool",
}


class Condition(Rule):
    """`metric op value`, e.g. spend_30d > 500 (yuan)."""

    metric: str
    op: Literal[">=", "<=", ">", "<", "=", "!="]
    value: str

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, value: str) -> str:
        if value not in SEGMENT_METRICS:
            known = ", ".join(SEGMENT_METRICS)
            raise ValueError(
                tr(f"不认识的指标 {value!r}。可用：{known}", f"unknown metric {value!r}; known: {known}")
            )
        return value

    @field_validator("value")
    @classmethod
    def _typed_value(cls, value: str, info: ValidationInfo) -> str:
        kind = SEGMENT_METRICS.get(info.data.get("metric", ""))
        if kind == "int" and not _WHOLE.fullmatch(value):
            raise ValueError(tr(f"{value!r} 应当是整数", f"{value!r} must be a whole number"))
        if kind == "yuan":
            yuan_to_fen(value)
        if kind == "bool" and value not in ("true", "false"):
            raise ValueError(tr(f"{value!r} 应当是 true 或 false", f"{value!r} must be true or false"))
        return value

    @property
    def predicate(self) -> str:
        """SQL over the columns of member_metrics."""
        kind = SEGMENT_METRICS[self.metric]
        column = f"{self.metric}_fen" if kind == "yuan" else self.metric
        value = str(yuan_to_fen(self.value)) if kind == "yuan" else self.value
        return f"{column} {'<>' if self.op == '!=' else self.op} {value}"


class Segment(Rule):
    """Members for whom all conditions hold."""

    segment_id: str
    name: str
    all: tuple[Condition, ...] = Field(min_length=1)

    @field_validator("segment_id")
    @classmethod
    def _file_safe(cls, value: str) -> str:
        return file_safe(value)

    @property
    def predicate(self) -> str:
        return " and ".join(condition.predicate for condition in self.all)

    @property
    def reason(self) -> str:
        return "；".join(f"{c.metric} {c.op} {c.value}" for c in self.all)


class SegmentRules(Rule):
    """The file."""

    segments: tuple[Segment, ...] = ()
