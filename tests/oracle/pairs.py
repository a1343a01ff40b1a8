"""What is bought together more often than chance, counted purchase by purchase; fractions, so thresholds are exact."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations

from tests.oracle.log import Known


@dataclass(frozen=True)
class Rules:
    """Defaults of rules/pairs.yml."""

    days: int = 90
    min_orders: int = 30
    min_support: Fraction = Fraction(1, 1000)
    min_lift: Fraction = Fraction(12, 10)
    per_item: int = 10


@dataclass(frozen=True)
class Pair:
    """One row of `item_pairs`."""

    item_a: str
    item_b: str
    orders_a: int
    orders_b: int
    together: int
    orders_all: int
    place: int = 0

    @property
    def support(self) -> Fraction:
        return Fraction(self.together, self.orders_all)

    @property
    def confidence(self) -> Fraction:
        return Fraction(self.together, self.orders_a)

    @property
    def lift(self) -> Fraction:
        return Fraction(self.together * self.orders_all, self.orders_a * self.orders_b)


def pairs(known: Known, rules: Rules | None = None) -> dict[tuple[str, str], Pair]:
    """Every pair that goes together, both ways, as of the night."""
    chosen = rules or Rules()
    alone: Counter[str] = Counter()
    both: Counter[tuple[str, str]] = Counter()
    orders = 0
    for one in known.purchases:
        if (known.as_of - one.day).days >= chosen.days:
            continue
        names = {line.item_name for line in one.lines if line.item_name and line.amount - line.refunded > 0}
        orders += bool(names)
        alone.update(names)
        both.update(permutations(sorted(names), 2))
    found: dict[str, list[Pair]] = defaultdict(list)
    for (a, b), together in both.items():
        pair = Pair(a, b, alone[a], alone[b], together, orders)
        if (
            together >= chosen.min_orders
            and pair.support >= chosen.min_support
            and pair.lift >= chosen.min_lift
        ):
            found[a].append(pair)
    out = {}
    for ones in found.values():
        ones.sort(key=lambda pair: (-pair.lift, -pair.together, pair.item_b))
        for place, pair in enumerate(ones[: chosen.per_item], start=1):
            out[pair.item_a, pair.item_b] = Pair(
                pair.item_a, pair.item_b, pair.orders_a, pair.orders_b, pair.together, orders, place
            )
    return out
