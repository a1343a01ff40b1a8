"""rules/koc.yml: who qualifies as a recommender (社区 KOC)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from dagster_project.config.rules.base import Fen, Rule


class KocRules(Rule):
    """Thresholds over the 30 days that the contract fixes (koc_days in dbt/macros/koc.sql). A share feed silent for
    `silent_share_days` nights answers nothing any more.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"silent_share_days"})

    spend_30d_yuan: Fen
    shares_30d: int = Field(ge=0)
    max_complaints: int = Field(ge=0)
    silent_share_days: int = Field(default=30, ge=1)

    @property
    def spend_30d_fen(self) -> int:
        return self.spend_30d_yuan
