"""Who has lapsed since when, and which nights a recall campaign fires: once per lapse, whatever arrives late."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from tests.oracle.log import Bought, Known
from tests.oracle.metrics import Rules, usual

# words that tell of health, pregnancy or children
_UNSAID = (
    "怀孕", "孕妇", "孕期", "备孕", "孕妈", "母婴", "婴儿", "宝妈", "有娃", "有孩", "糖尿病", "高血压", "患者", "病人", "疾病",
    "残疾", "癌", "pregnan", "diabet", "disease", "patient", "infant", "newborn", "disabled",
)  # fmt: skip
TIERS = (("L3", 30), ("L2", 15), ("L1", 7), ("active", 0))


@dataclass(frozen=True)
class Tier:
    """One row of `churn_tiers`."""

    member: str
    last_on: date
    days_since: int
    tier: str
    entered_on: date
    usual_item: str | None

    @property
    def lapse_key(self) -> str:
        return self.last_on.isoformat()


def tiers(known: Known) -> dict[str, Tier]:
    """Of everybody who ever bought, as of the night."""
    mine: dict[str, list[Bought]] = defaultdict(list)
    for one in known.purchases:
        if one.member:
            mine[one.member].append(one)
    return {member: _tier(member, bought, known.as_of) for member, bought in mine.items()}


def _tier(member: str, bought: list[Bought], as_of: date) -> Tier:
    last = max(one.day for one in bought)
    since = (as_of - last).days
    name, edge = next((name, edge) for name, edge in TIERS if since >= edge)
    return Tier(member, last, since, name, last + timedelta(days=edge), _usual_item(bought, as_of))


def _usual_item(bought: list[Bought], as_of: date) -> str | None:
    """The first of the metrics' usual items; nothing in place of one that tells of health, pregnancy or children."""
    names = [one.item_name for one in usual(bought, as_of, Rules())][:1]
    return next((name for name in names if not any(word in name.lower() for word in _UNSAID)), None)


def firings(nights: Iterable[tuple[date, Mapping[str, Tier]]], tier: str) -> list[tuple[date, str]]:
    """(night, member) of every firing of a recall for `tier`, given what was known in each night, oldest first.

    A lapse ends with a purchase on a day after the night that fired; until then the same lapse goes on, also when its
    beginning turns out to have been another day.
    """
    fired: dict[str, date] = {}
    out = []
    for night, known in nights:
        for member in sorted(known):
            row = known[member]
            if row.tier == tier and (member not in fired or row.last_on > fired[member]):
                fired[member] = night
                out.append((night, member))
    return out
