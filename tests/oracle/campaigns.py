"""What became of messages and of who was sent one: read from the push journal, and worked out again from the log.

Who stands in which arm is drawn, not computed: arms and outcomes are taken from the published decisions.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import hypot
from pathlib import Path
from statistics import NormalDist
from typing import Any

from tests.oracle.log import Bought, Known

DAYS = 30  # in which a purchase answers a message
PLANNED = 0.1  # share of the hold-out in the campaigns of the simulated chain
_EFFECT = 0.05
_FIRST_ORDER = "first_group_order"


@dataclass(frozen=True)
class Decision:
    """One row of `campaign_candidates`; `member`: who it is tonight."""

    campaign: str
    member: str
    lapse_key: str
    arm: str
    outcome: str
    on: date
    planned_at: datetime | None
    decided_for: str  # as she was called then

    @property
    def is_reached(self) -> bool:
        return self.outcome in ("sent", "delivered")

    @property
    def due_on(self) -> date:
        return self.planned_at.date() if self.planned_at else self.on + timedelta(days=1)


@dataclass
class Lapse:
    """One occasion on which a member was decided on, with what she bought in the days after."""

    campaign: str
    member: str
    lapse_key: str
    arm: str
    assigned_on: date
    due_on: date
    reached_on: date | None
    returned_on: date | None = None
    is_returned: bool | None = None
    spend: int = 0
    is_contaminated: bool = False


@dataclass(frozen=True)
class Arm:
    assigned: int
    delivered: int
    converted: int
    spend: int
    contaminated: int


def messages(lake: Path, upto: date) -> dict[str, dict[str, Any]]:
    """message_id → its last line in the journals, of what was done up to the day of the night `upto`."""
    last: dict[str, dict[str, Any]] = {}
    for path in sorted((lake / "linli" / "push_events").glob("*/*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            told = json.loads(line)
            held = last.get(told["message_id"])
            is_known = datetime.fromisoformat(told["at"]).date() <= upto
            if is_known and (held is None or told["seq"] > held["seq"]):
                last[told["message_id"]] = told
    return last


@dataclass(frozen=True)
class Issued:
    """A coupon that a message carried."""

    message_id: str
    code: str
    campaign: str
    member: str  # as she was called then
    at: datetime


def issued(known: Known, lake: Path, decisions: Iterable[Decision]) -> list[Issued]:
    """Coupons of ours that were handed over; what is uncertain may be in her hands."""
    lapse_keys = {(one.campaign, one.on, one.decided_for): one.lapse_key for one in decisions}
    out = []
    for key, told in messages(lake, known.as_of).items():
        if told["action"] != "coupon" or told["state"] not in ("accepted", "uncertain"):
            continue
        campaign, member = told["campaign_id"], told["member_id"]
        lapse = lapse_keys[campaign, date.fromisoformat(told["business_date"]), member]
        digest = hashlib.sha256(f"{campaign}|{member}|{lapse}".encode()).hexdigest()
        out.append(
            Issued(key, f"LL{digest[:14].upper()}", campaign, member, datetime.fromisoformat(told["at"]))
        )
    return out


def lapses(known: Known, decisions: Iterable[Decision]) -> list[Lapse]:
    """Every campaign, member and occasion once; a hold-out's days begin when a message would have been due."""
    by_occasion: dict[tuple[str, str, str], list[Decision]] = defaultdict(list)
    arms: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in decisions:
        by_occasion[one.campaign, one.member, one.lapse_key].append(one)
        arms[one.campaign, one.member].add(one.arm)
    bought = _bought(known)
    out = []
    for (campaign, member, key), ones in by_occasion.items():
        reached = [one.due_on for one in ones if one.is_reached]
        lapse = Lapse(
            campaign, member, key, min(one.arm for one in ones), min(one.on for one in ones),
            min(one.due_on for one in ones), min(reached, default=None),
            is_contaminated=len(arms[campaign, member]) > 1,
        )  # fmt: skip
        _answer(lapse, bought[member], known.as_of)
        out.append(lapse)
    return out


def _bought(known: Known) -> Mapping[str, list[Bought]]:
    out: dict[str, list[Bought]] = defaultdict(list)
    for one in known.purchases:
        if one.member:
            out[one.member].append(one)
    return out


def _answer(lapse: Lapse, bought: Iterable[Bought], as_of: date) -> None:
    """Who was asked for a first group order answers by one, everybody else by any purchase."""
    after = [one for one in bought if one.day >= lapse.due_on]
    answers = [one.day for one in after if lapse.lapse_key != _FIRST_ORDER or one.channel == "groupbuy"]
    end = lapse.due_on + timedelta(days=DAYS)
    lapse.returned_on = min(answers, default=None)
    lapse.spend = sum(one.spend for one in after if one.day <= end)
    if lapse.returned_on and lapse.returned_on <= end:
        lapse.is_returned = True
    elif as_of >= end:
        lapse.is_returned = False


def arms(found: Iterable[Lapse]) -> dict[tuple[str, str], Arm]:
    """(campaign, arm) → members by their first occasion; whose records stood in both arms is counted beside them."""
    left_out: dict[str, set[str]] = defaultdict(set)
    firsts: dict[tuple[str, str], Lapse] = {}
    for one in sorted(found, key=lambda one: (one.assigned_on, one.lapse_key)):
        if one.is_contaminated:
            left_out[one.campaign].add(one.member)
        else:
            firsts.setdefault((one.campaign, one.member), one)
    by_arm: dict[tuple[str, str], list[Lapse]] = defaultdict(list)
    for one in firsts.values():
        by_arm[one.campaign, one.arm].append(one)
    return {
        key: Arm(
            len(ones),
            sum(one.reached_on is not None for one in ones),
            sum(one.is_returned is True for one in ones),
            sum(one.spend for one in ones),
            len(left_out[key[0]]),
        )
        for key, ones in by_arm.items()
    }


Statistics = tuple[float | None, float | None, float | None, float | None, float | None]


def statistics(found: Mapping[tuple[str, str], Arm], key: tuple[str, str]) -> Statistics:
    """lift, ci_low, ci_high, srm_p, always_valid_p of one arm of a campaign, by other formulas than the pipeline's."""
    campaign, name = key
    split = _split(found, campaign)
    base, arm = found.get((campaign, "holdout")), found[key]
    if name == "holdout" or base is None:
        return None, None, None, split, None
    rate, base_rate = arm.converted / arm.assigned, base.converted / base.assigned
    low, high = wilson(arm.converted, arm.assigned)
    base_low, base_high = wilson(base.converted, base.assigned)
    lift = rate - base_rate
    ci_low, ci_high = (
        lift - hypot(rate - low, base_high - base_rate),
        lift + hypot(high - rate, base_rate - base_low),
    )
    return lift, ci_low, ci_high, split, _always_valid(arm, base)


def wilson(hits: int, members: int) -> tuple[float, float]:
    """The rates of which what was seen is just 1.96 deviations away, found by halving."""
    z, seen = NormalDist().inv_cdf(0.975), hits / members

    def is_too_far(rate: float) -> bool:
        return (seen - rate) ** 2 > z * z * rate * (1 - rate) / members

    return _edge(is_too_far, 0.0, seen), _edge(is_too_far, 1.0, seen)


def _edge(is_too_far: Callable[[float], bool], far: float, near: float) -> float:
    if not is_too_far(far):
        return far
    for _ in range(200):
        middle = (far + near) / 2
        far, near = (middle, near) if is_too_far(middle) else (far, middle)
    return near


def _split(found: Mapping[tuple[str, str], Arm], campaign: str) -> float:
    """Two-sided p of the split against the plan, by the normal distribution."""
    sizes = {arm: one.assigned for (of, arm), one in found.items() if of == campaign}
    total, held = sum(sizes.values()), sizes.get("holdout", 0)
    expected = NormalDist(total * PLANNED, (total * PLANNED * (1 - PLANNED)) ** 0.5)
    return 2 * expected.cdf(min(held, 2 * expected.mean - held))


def _always_valid(arm: Arm, base: Arm) -> float:
    """One over the likelihood of the difference under effects spread about nothing, against that under none."""
    rates = [(one.converted + 1, one.assigned + 2) for one in (arm, base)]
    variance = sum(hits / of * (1 - hits / of) / of for hits, of in rates)
    difference = rates[0][0] / rates[0][1] - rates[1][0] / rates[1][1]
    none = NormalDist(0, variance**0.5).pdf(difference)
    some = NormalDist(0, (variance + _EFFECT**2) ** 0.5).pdf(difference)
    return min(1.0, none / some)


def recalled(known: Known, decisions: Iterable[Decision]) -> Counter[tuple[str, date]]:
    """(shop, day) → members who, reached in a lapse, bought for the first time in the days after the message."""
    reached: dict[tuple[str, str], date] = {}
    for one in decisions:
        if one.arm == "treatment" and one.is_reached and _names_a_lapse(one.lapse_key):
            key, day = (one.member, one.lapse_key), one.on + timedelta(days=1)
            reached[key] = min(reached.get(key, day), day)
    bought = _bought(known)
    found: set[tuple[str, date, str]] = set()
    for (member, _), day in reached.items():
        end = day + timedelta(days=DAYS)
        first = next((one for one in bought[member] if day <= one.day <= end), None)
        if first:
            found.add((first.store_code or "unknown", first.day, member))
    return Counter((shop, day) for shop, day, _ in found)


def _names_a_lapse(key: str) -> bool:
    """A lapse is named by the day of the purchase it began with."""
    try:
        date.fromisoformat(key[:10])
    except ValueError:
        return False
    return True
