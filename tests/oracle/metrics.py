"""Numbers of a member, worked out again from what was bought. Unknown is None, never 0."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import ceil
from statistics import median

from tests.oracle.log import Bought, Known, Line

WINDOWS = (7, 30, 90, 365)


@dataclass
class Window:
    """Purchases of the last n business days, the night's own day included."""

    orders: int = 0
    spend: int = 0
    by_channel: dict[str, tuple[int, int]] = field(default_factory=dict)  # channel → (orders, fen)
    by_category: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)  # (l1, category or '')


@dataclass
class Usual:
    item_name: str
    times: int
    last_on: date
    gap_days: float | None


@dataclass
class Metrics:
    member: str
    last_on: date
    days_since: int
    tier: str
    lifecycle: str
    windows: dict[int, Window]
    visit_days_30d: int
    visit_days_90d: int
    items_90d: Decimal
    basket_90d: int | None
    gap_days: float | None
    newest_gap_days: int | None
    busy_hour: int
    busy_weekday: int
    groupbuy_first_on: date | None
    never_high_margin: bool
    usual: list[Usual]
    price_index: float | None = None
    first_on: date | None = None
    lifecycle_since: date | None = None
    rfm: tuple[int, int, int] = (1, 1, 1)  # recency, frequency, money


@dataclass(frozen=True)
class Rules:
    """Defaults of the rule files."""

    tiers: tuple[tuple[str, int], ...] = (("L3", 30), ("L2", 15), ("L1", 7), ("active", 0))
    new_days: int = 30
    lapsed_days: int = 30
    regained_days: int = 30
    usual_days: int = 365
    usual_min_times: int = 3
    usual_items: int = 5
    price_days: int = 90
    price_min_lines: int = 20
    high_margin: Collection[str] = ("熟食",)


def metrics(known: Known, rules: Rules | None = None) -> dict[str, Metrics]:
    """Everything of every member with a purchase, as of the night."""
    mine: dict[str, list[Bought]] = defaultdict(list)
    for one in known.purchases:
        if one.member:
            mine[one.member].append(one)
    chosen = rules or Rules()
    beginning = min((one.day for bought in mine.values() for one in bought), default=known.as_of)
    out = {
        member: _of_member(member, bought, known.as_of, beginning, chosen) for member, bought in mine.items()
    }
    for member, index in _price_indices(known, chosen).items():
        if member in out:
            out[member].price_index = index
    _score(out)
    return out


def _score(found: dict[str, Metrics]) -> None:
    """Fifths among all who ever bought, 5 the best: the share of those who are no better, rounded up to fifths."""
    recency = sorted(-one.days_since for one in found.values())
    frequency = sorted(one.windows[90].orders for one in found.values())
    money = sorted(one.windows[90].spend for one in found.values())
    for one in found.values():
        one.rfm = (
            _fifth(recency, -one.days_since),
            _fifth(frequency, one.windows[90].orders),
            _fifth(money, one.windows[90].spend),
        )


def _fifth(ranked: list[int], value: int) -> int:
    return ceil(Fraction(5 * bisect_right(ranked, value), len(ranked)))


def _of_member(member: str, bought: list[Bought], as_of: date, beginning: date, rules: Rules) -> Metrics:
    days = sorted({one.day for one in bought})
    gaps = [(b - a).days for a, b in pairwise(days)]
    since = (as_of - days[-1]).days
    recent = {n: [one for one in bought if (as_of - one.day).days < n] for n in WINDOWS}
    basket = recent[90]
    group = [one.day for one in bought if one.channel == "groupbuy"]
    lifecycle, lifecycle_since = _lifecycle(days, gaps, as_of, beginning, rules)
    return Metrics(
        member=member,
        last_on=days[-1],
        days_since=since,
        tier=next(name for name, edge in rules.tiers if since >= edge),
        lifecycle=lifecycle,
        lifecycle_since=lifecycle_since,
        first_on=days[0],
        windows={n: _window(recent[n]) for n in WINDOWS},
        visit_days_30d=len({one.day for one in recent[30]}),
        visit_days_90d=len({one.day for one in recent[90]}),
        items_90d=sum((line.qty for one in basket for line in one.lines if _kept(line)), Decimal(0)),
        basket_90d=_half_up(sum(one.spend for one in basket), len(basket)) if basket else None,
        gap_days=float(median(gaps)) if gaps else None,
        newest_gap_days=gaps[-1] if gaps else None,
        busy_hour=_most(one.at.hour for one in bought),
        busy_weekday=_most(one.day.isoweekday() for one in bought),
        groupbuy_first_on=min(group) if group else None,
        never_high_margin=not any(
            _kept(line) and (line.category in rules.high_margin or line.category_l1 in rules.high_margin)
            for one in bought
            for line in one.lines
        ),
        usual=usual(bought, as_of, rules),
    )


def _kept(line: Line) -> bool:
    return line.amount - line.refunded > 0


def _half_up(total: int, parts: int) -> int:
    return (2 * total + parts) // (2 * parts)


def _most(values: object) -> int:
    counted = Counter(values)  # type: ignore[call-overload]
    return min(counted, key=lambda value: (-counted[value], value))


def _lifecycle(
    days: list[date], gaps: list[int], as_of: date, beginning: date, rules: Rules
) -> tuple[str, date]:
    """lapsed, new, regained or active, in this order of precedence, and since when; nobody is new so soon after the data
    begin. Active is who is neither new nor regained any more."""
    lapsed_on = days[-1] + timedelta(days=rules.lapsed_days)
    if lapsed_on <= as_of:
        return "lapsed", lapsed_on
    was_new = (days[0] - beginning).days >= rules.lapsed_days
    new_until = days[0] + timedelta(days=rules.new_days if was_new else 0)
    if new_until > as_of:
        return "new", days[0]
    returns = [day for day, gap in zip(days[1:], gaps, strict=True) if gap >= rules.lapsed_days]
    if not returns:
        return "active", new_until
    regained_until = returns[-1] + timedelta(days=rules.regained_days)
    return ("regained", returns[-1]) if regained_until > as_of else ("active", max(new_until, regained_until))


def _window(bought: list[Bought]) -> Window:
    out = Window(len(bought), sum(one.spend for one in bought))
    for one in bought:
        orders, fen = out.by_channel.get(one.channel, (0, 0))
        out.by_channel[one.channel] = (orders + 1, fen + one.spend)
        spent: dict[tuple[str, str], int] = defaultdict(int)
        for line in filter(_kept, one.lines):
            for key in {(line.category_l1, ""), (line.category_l1, line.category)}:
                spent[key] += line.amount - line.refunded
        for key, amount in spent.items():
            orders, fen = out.by_category.get(key, (0, 0))
            out.by_category[key] = (orders + 1, fen + amount)
    return out


def usual(bought: list[Bought], as_of: date, rules: Rules) -> list[Usual]:
    """Items bought in most orders of the last year; of several the latest, then by name."""
    orders: dict[str, list[Bought]] = defaultdict(list)
    for one in bought:
        if (as_of - one.day).days < rules.usual_days:
            for name in {line.item_name for line in one.lines if _kept(line)}:
                orders[name].append(one)
    often = [name for name, ones in orders.items() if len(ones) >= rules.usual_min_times]
    # three sorts, the least important first: names up, times of the last order down, counts down
    often.sort()
    often.sort(key=lambda name: max(one.at for one in orders[name]), reverse=True)
    often.sort(key=lambda name: len(orders[name]), reverse=True)
    out = []
    for name in often[: rules.usual_items]:
        days = sorted({one.day for one in orders[name]})
        gaps = [(b - a).days for a, b in pairwise(days)]
        out.append(Usual(name, len(orders[name]), days[-1], float(median(gaps)) if gaps else None))
    return out


def _price_indices(known: Known, rules: Rules) -> dict[str, float | None]:
    """Own share of discounted amount over the share in the same shop, day and category; None below the fewest lines."""
    cells: dict[tuple[str, date, str], list[int]] = defaultdict(lambda: [0, 0])  # (discounted, all) fen
    own: dict[str, list[tuple[tuple[str, date, str], int, bool]]] = defaultdict(list)
    for one in known.purchases:
        if one.channel != "pos" or (known.as_of - one.day).days >= rules.price_days:
            continue
        for line in one.lines:
            if line.gift or not _kept(line):
                continue
            cell = (one.store_code, one.day, line.category)
            cells[cell][0] += line.amount if line.discount > 0 else 0
            cells[cell][1] += line.amount
            if one.member:
                own[one.member].append((cell, line.amount, line.discount > 0))
    out: dict[str, float | None] = {}
    for member, lines in own.items():
        amount = sum(fen for _, fen, _ in lines)
        expected = sum(fen * cells[cell][0] / cells[cell][1] for cell, fen, _ in lines) / amount
        share = sum(fen for _, fen, cheap in lines if cheap) / amount
        enough = len(lines) >= rules.price_min_lines and expected > 0
        out[member] = share / expected if enough else None
    return out
