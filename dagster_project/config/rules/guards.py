"""rules/guards.yml: when and how much may be sent, and what a believable file looks like."""

from __future__ import annotations

from pydantic import Field

from dagster_project.config.rules.base import Clock, Fen, Rule


class QuietHours(Rule):
    """Messages leave only between `open` and `close`, local time."""

    open: Clock
    close: Clock


class FrequencyCap(Rule):
    """At most so many messages to one member within so many days, over all campaigns."""

    messages: int = Field(ge=1)
    days: int = Field(ge=1)


class Guards(Rule):
    """The file."""

    quiet_hours: QuietHours
    frequency_cap: FrequencyCap
    max_send_per_run: int = Field(ge=0)
    high_margin_categories: tuple[str, ...]
    earliest_year: int = Field(ge=2000)
    max_line_amount_yuan: Fen
    max_median_ticket_yuan: Fen
    max_reject_share: float = Field(ge=0, le=1)
    stale_source_days: int = Field(ge=1)
    accept_files: tuple[str, ...] = ()
    refuse_files: tuple[str, ...] = ()
    settle_seconds: int = Field(default=0, ge=0)
