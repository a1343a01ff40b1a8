"""rules/identity.yml: how careful One ID is."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from dagster_project.config.rules.base import Rule, Thousandths
from dagster_project.lang import tr


class IdentityHealthRules(Rule):
    """From when on an identifier looks like nobody's own, and a shop's day unlike the days before it."""

    suspect_min_people: int = Field(default=5, ge=3)
    suspect_factor: float = Field(default=3, gt=1)
    suspect_tickets_a_day: int = Field(default=4, ge=2)
    suspect_busy_days: int = Field(default=3, ge=1)
    usual_min_identifiers: int = Field(default=20, ge=1)
    alarm_factor: float = Field(default=3, gt=1)
    alarm_min_statements: int = Field(default=30, ge=1)
    alarm_days: int = Field(default=28, ge=1)
    alarm_min_days: int = Field(default=7, ge=1)
    shown_days: int = Field(default=92, ge=1)

    @model_validator(mode="after")
    def _days_can_be_met(self) -> IdentityHealthRules:
        if self.alarm_min_days > self.alarm_days:
            raise ValueError(
                tr(
                    "alarm_min_days 不能超过 alarm_days：否则哪天都不会提醒",
                    "alarm_min_days may not exceed alarm_days: no day would ever alarm",
                )
            )
        return self


class IdentityRules(Rule):
    """Limits of One ID, and of what it says about a member. `home_store_max_km` is held in metres."""

    LATER: ClassVar[frozenset[str]] = frozenset({"home_store_max_km"})

    max_wechat_accounts_per_phone: int = Field(ge=1)
    max_cards_per_phone: int = Field(ge=1)
    use_wecom_remark: bool
    remark_needs_proof: bool = True
    payer_min_tickets: int = Field(ge=0)
    payer_member_tickets: int = Field(default=2, ge=0)
    max_phones_per_member: int = Field(default=4, ge=1)
    number_silence_days: int = Field(default=90, ge=1)
    reregister_gap_days: int = Field(default=45, ge=0)
    visit_minutes: int = Field(default=60, ge=0)
    former_link_min_days: int = Field(default=7, ge=0)
    max_household_members: int = Field(default=6, ge=2)
    two_places_times: int = Field(default=2, ge=0)
    travel_kmh: int = Field(default=80, ge=1)
    till_clock_minutes: int = Field(default=5, ge=0)
    name_agreement_min_share: float = Field(default=0.7, ge=0, le=1)
    name_agreement_min_pairs: int = Field(default=30, ge=1)
    home_store_max_km: Thousandths = Field(default=5000, ge=1, le=100_000)
    placeholder_phones: tuple[str, ...] = ()
    health: IdentityHealthRules = IdentityHealthRules()
