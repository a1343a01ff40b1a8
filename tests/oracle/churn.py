"""Who has lapsed since when, and which nights a recall campaign fires: once per lapse, whatever arrives late."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tests.oracle.log import Bought, Known

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
    return Tier(member, last, since, name, last + timedelta(days=edge), _usual_item(bought))


def _usual_item(bought: list[Bought]) -> str | None:
    """The item in most purchases; of several the one bought last, then the first by name."""
    seen: dict[str, list[datetime]] = defaultdict(list)
    for one in bought:
        for name in {line.item_name for line in one.lines if line.amount - line.refunded > 0}:
            seen[name].append(one.at)
    names = sorted(seen)
    names.sort(key=lambda name: max(seen[name]), reverse=True)
    names.sort(key=lambda name: len(seen[name]), reverse=True)
    return names[0] if names else None


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
