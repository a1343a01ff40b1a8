"""The evening markdown: what was left at four, who was told, and what became of it, worked out from the event log.

The list of a day is made from the counts that came that day and from what the night before knew; results are told from
all that a later night knows.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from statistics import median

from tests.oracle.log import Event, Known

Stores = Mapping[str, tuple[float, float] | None]  # store_code → (lng, lat), None when nobody says where
Key = tuple[str, date, str]  # store_code, business date, sku


@dataclass(frozen=True)
class Rules:
    """Defaults of rules/markdown.yml."""

    count_at: time = time(16)
    tolerance: timedelta = timedelta(minutes=60)
    start_at: time = time(17)
    categories: Collection[str] = ("叶菜",)
    left: Decimal = Decimal("0.3")
    factor: Decimal = Decimal("0.5")
    radius_km: float = 1.0
    min_orders: int = 4
    usual_weeks: int = 4


@dataclass(frozen=True)
class Listed:
    """One row of `markdown_plan`, without its audience."""

    store_code: str
    day: date
    sku: str
    item_name: str
    category: str
    on_hand: Decimal
    received: Decimal
    counted_at: datetime
    price: int
    evening_price: int
    unit: str | None = None

    @property
    def key(self) -> Key:
        return self.store_code, self.day, self.sku

    @property
    def left_ratio(self) -> float:
        return float(self.on_hand) / float(self.received) if self.received > 0 else 1.0


@dataclass(frozen=True)
class Result:
    """One row of `markdown_results`."""

    left: Decimal
    sold: Decimal
    sold_fen: int
    usual: Decimal | None
    would_be_wasted: Decimal | None
    wasted: Decimal
    saved_fen: int | None


def counts(events: Iterable[Event], rules: Rules) -> dict[Key, Event]:
    """The newest count of each afternoon, shop and product."""
    newest: dict[Key, Event] = {}
    for event in events:
        middle = datetime.combine(event.when.date(), rules.count_at)
        if event.kind == "stock_count" and abs(event.when - middle) <= rules.tolerance:
            key = (event.store_code, event.when.date(), event.sku)
            if key not in newest or newest[key].when <= event.when:
                newest[key] = event
    return newest


def listed(
    before: Known, arrived: Iterable[Event], day: date, rules: Rules | None = None
) -> dict[Key, Listed]:
    """The list of `day`.

    Args:
        before: what the night before knew: goods, prices.
        arrived: stock counts that had come by the afternoon of `day`.
    """
    chosen = rules or Rules()
    goods: dict[str, Event] = {}
    for product in sorted(before.by_kind["product"], key=lambda event: (event.night or date.min, event.seq)):
        goods[product.sku] = product
    out = {}
    for key, count in counts(arrived, chosen).items():
        thing = goods.get(count.sku)
        if key[1] != day or thing is None or not {thing.category, thing.category_l1} & set(chosen.categories):
            continue
        on_hand, received = count.qty or Decimal(0), Decimal(str(count.detail["received_qty"]))
        if on_hand <= 0 or (received > 0 and on_hand < chosen.left * received):
            continue
        evening = (thing.amount_fen * chosen.factor).quantize(Decimal(1), ROUND_HALF_UP)
        out[key] = Listed(
            count.store_code, day, count.sku, thing.detail["item_name"], thing.category, on_hand, received,
            count.when, thing.amount_fen, int(evening), thing.detail.get("unit"),
        )  # fmt: skip
    return out


def homes(before: Known) -> dict[str, list[tuple[float, float]]]:
    """Where members live: the account that came last; all of several that came in the same night, of which the log does
    not say which was changed last."""
    newest: dict[str, tuple[date, list[tuple[float, float]]]] = {}
    for event in before.by_kind["registered"]:
        member = before.member_of(event)
        if member is None or not event.detail.get("lng") or not event.detail.get("lat"):
            continue
        place, night = (float(event.detail["lng"]), float(event.detail["lat"])), event.night or date.min
        held = newest.get(member)
        if held is None or night > held[0]:
            newest[member] = (night, [place])
        elif night == held[0]:
            held[1].append(place)
    return {member: places for member, (_, places) in newest.items()}


def kilometres(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Along a great circle of a globe of 6,371 km."""
    (lng_a, lat_a), (lng_b, lat_b) = (tuple(map(math.radians, place)) for place in (a, b))
    middle = math.sin((lat_b - lat_a) / 2) ** 2
    middle += math.cos(lat_a) * math.cos(lat_b) * math.sin((lng_b - lng_a) / 2) ** 2
    return 2 * 6371 * math.asin(min(1.0, math.sqrt(middle)))


def audience(
    before: Known, shops: Iterable[str], stores: Stores, rules: Rules | None = None
) -> dict[tuple[str, str], tuple[list[float], int]]:
    """(store_code, member) → (possible distances in km to the metre, purchases of 30 days) of who is told."""
    chosen = rules or Rules()
    orders: dict[str, int] = defaultdict(int)
    for one in before.purchases:
        if one.member and (before.as_of - one.day).days < 30:
            orders[one.member] += 1
    out = {}
    for member, places in homes(before).items():
        for shop in shops:
            there = stores.get(shop)
            if there is None or orders[member] < chosen.min_orders:
                continue
            near = [km for km in (kilometres(place, there) for place in places) if km <= chosen.radius_km]
            if near:
                out[shop, member] = ([round(km, 3) for km in near], orders[member])
    return out


def results(
    known: Known,
    plan: Mapping[Key, int | None],
    rules: Rules | None = None,
    left: Mapping[Key, Decimal] | None = None,
) -> dict[Key, Result]:
    """What became of the lists of all days up to the night.

    Args:
        plan: listed goods → evening price in fen; `left`: what the list said was left, where no count is known any more.
    """
    chosen = rules or Rules()
    newest = counts(known.by_kind["stock_count"], chosen)
    sold: dict[Key, Decimal] = defaultdict(Decimal)
    fen: dict[Key, int] = defaultdict(int)
    is_open = set()
    for one in known.bought.values():
        if one.channel != "pos" or one.is_test:
            continue
        is_open.add((one.store_code, one.day))
        if one.at < datetime.combine(one.day, chosen.start_at):
            continue
        for line in one.lines:
            if line.refunded == 0 or line.amount > line.refunded:
                sold[one.store_code, one.day, line.sku] += line.qty
                fen[one.store_code, one.day, line.sku] += line.amount - line.refunded
    out = {}
    for key, price in plan.items():
        store, day, sku = key
        if day > known.as_of:
            continue
        earlier = [day - timedelta(days=7 * week) for week in range(1, chosen.usual_weeks + 1)]
        seen = [
            sold[store, other, sku]
            for other in earlier
            if (store, other) in is_open and (store, other, sku) not in plan
        ]
        usual = Decimal(median(seen)).quantize(Decimal("0.001"), ROUND_HALF_UP) if seen else None
        count = newest.get(key)
        remained = (count.qty or Decimal(0)) if count else (left or {})[key]
        saved = None
        if usual is not None and price is not None:
            beyond = max(sold[key] - usual, Decimal(0))
            saved = int((beyond * price).quantize(Decimal(1), ROUND_HALF_UP))
        out[key] = Result(
            remained, sold[key], fen[key], usual, None if usual is None else max(remained - usual, Decimal(0)),
            max(remained - sold[key], Decimal(0)), saved,
        )  # fmt: skip
    return out
