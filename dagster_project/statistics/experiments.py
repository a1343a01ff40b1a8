"""An experiment's arms, each compared with its hold-out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dagster_project.statistics.rates import always_valid_p, newcombe_interval, sample_ratio_p

HOLDOUT = "holdout"


@dataclass(frozen=True)
class Arm:
    """Members of one arm of a campaign. holdout_percent: what the rule plans, None when no rule is left."""

    campaign_id: str
    arm: str
    assigned: int
    converted: int
    holdout_percent: int | None


def compare_arms(arms: Iterable[Arm]) -> list[dict[str, Any]]:
    """campaign_id, arm, lift, ci_low, ci_high, srm_p, always_valid_p per arm, in order of campaign and arm.

    Lift, interval and p stand with the arm that was treated; with nobody in an arm there are none. srm_p is that of the
    split and stands with every arm.
    """
    campaigns: dict[str, dict[str, Arm]] = {}
    for arm in sorted(arms, key=lambda arm: (arm.campaign_id, arm.arm)):
        campaigns.setdefault(arm.campaign_id, {})[arm.arm] = arm
    rows = []
    for campaign_id, found in campaigns.items():
        base = found.get(HOLDOUT)
        split = _split_p(found)
        for name, arm in found.items():
            row: dict[str, Any] = {"campaign_id": campaign_id, "arm": name, "srm_p": split}
            row |= dict.fromkeys(("lift", "ci_low", "ci_high", "always_valid_p"))
            if name != HOLDOUT and base is not None and arm.assigned and base.assigned:
                counts = arm.converted, arm.assigned, base.converted, base.assigned
                row["lift"] = arm.converted / arm.assigned - base.converted / base.assigned
                row["ci_low"], row["ci_high"] = newcombe_interval(*counts) or (None, None)
                row["always_valid_p"] = always_valid_p(*counts)
            rows.append(row)
    return rows


def _split_p(arms: dict[str, Arm]) -> float | None:
    percent = next((arm.holdout_percent for arm in arms.values() if arm.holdout_percent is not None), None)
    if percent is None:
        return None
    held = sum(arm.assigned for arm in arms.values() if arm.arm == HOLDOUT)
    treated = sum(arm.assigned for arm in arms.values()) - held
    return sample_ratio_p(held, treated, percent / 100)
