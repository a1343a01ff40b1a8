"""Days of shops, leaders, cashiers and products, worked out again from the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from tests.oracle.ledgers import coupons
from tests.oracle.log import Bought, Event, Known, Line

UNKNOWN = "unknown"


@dataclass
class Sold:
    """What a shop, leader, cashier or product has of one day; `margin` is None when no cost is known."""

    orders: int = 0
    net: int = 0
    buyers: set[str] = field(default_factory=set)
    items: Decimal = Decimal(0)
    refund: int = 0
    discounted: int = 0
    margin: int | None = None


@dataclass
class ShopDay(Sold):
    identified: int = 0
    new_members: int = 0
    counter: int = 0
    groupbuy_orders: int = 0
    groupbuy: int = 0
    returning: set[str] = field(default_factory=set)
    discount: int = 0
    recharge: int = 0
    stored_value: int = 0
    points: int = 0
    coupons: int = 0


@dataclass(frozen=True)
class GivenBack:
    """Money given back for an order on a day; `goods`: of which products, as far as it tells."""

    order: Bought
    on: date
    fen: int
    goods: tuple[tuple[str, int], ...]


def store_days(known: Known) -> dict[tuple[str, date], ShopDay]:
    """(shop, day) → what it sold, got back and topped up."""
    out: dict[tuple[str, date], ShopDay] = defaultdict(ShopDay)
    bought, costs = _purchases(known), _costs(known)
    first_day: dict[str, date] = {}
    newest: dict[str, Bought] = {}
    for one in bought:
        if one.member:
            first_day[one.member] = min(first_day.get(one.member, one.day), one.day)
            newest.setdefault(one.member, one)
    stored = _stored_value(known)
    points = _points(known)
    used = [one.used_on for one in coupons(known).values() if one.status == "redeemed"]
    for one in bought:
        day = out[one.store_code or UNKNOWN, one.day]
        _sell(day, one, one.lines, costs)
        day.net += one.spend
        day.identified += one.member is not None
        is_counter = one.channel == "pos"
        day.counter += one.spend if is_counter else 0
        day.groupbuy += 0 if is_counter else one.spend
        day.groupbuy_orders += not is_counter
        day.discount += one.discount
        day.stored_value += stored[one.record_id]
        day.points += points.get((one.feed, one.record_id), 0)
        day.coupons += used.count(one.record_id)
        if one.member:
            day.new_members += newest[one.member] is one
            if first_day[one.member] < one.day:
                day.returning.add(one.member)
    for back in _given_back(known):
        out[back.order.store_code or UNKNOWN, back.on].refund += back.fen
    undone = {event.ref for event in known.by_kind["void"]}
    for event in known.by_kind["recharge"]:
        if event.record_id not in undone:
            out[
                event.store_code, known.business_date(event.when, event.store_code)
            ].recharge += event.amount_fen
    return dict(out)


def seller_days(known: Known, seller: str) -> dict[tuple[str, str, date], Sold]:
    """(seller, shop, day); `seller`: leader_id or cashier_id, as the order or ticket tells."""
    costs = _costs(known)
    out: dict[tuple[str, str, date], Sold] = defaultdict(Sold)
    for one in _purchases(known):
        if who := one.detail.get(seller):
            day = out[who, one.store_code or UNKNOWN, one.day]
            _sell(day, one, one.lines, costs)
            day.net += one.spend
    for back in _given_back(known):
        if who := back.order.detail.get(seller):
            out[who, back.order.store_code or UNKNOWN, back.on].refund += back.fen
    return dict(out)


def product_days(known: Known) -> dict[tuple[str, str, date], Sold]:
    """(sku, shop, day); money is that of the lines."""
    costs = _costs(known)
    out: dict[tuple[str, str, date], Sold] = defaultdict(Sold)
    for one in _purchases(known):
        for sku in {line.sku for line in one.lines if _left(line) > 0}:
            mine = [line for line in one.lines if line.sku == sku]
            day = out[sku, one.store_code or UNKNOWN, one.day]
            _sell(day, one, mine, costs)
            day.net += sum(_left(line) for line in mine if _left(line) > 0)
    for back in _given_back(known):
        for sku, fen in back.goods:
            out[sku, back.order.store_code or UNKNOWN, back.on].refund += fen
    return dict(out)


def _purchases(known: Known) -> list[Bought]:
    """Also those dated after the night, which no member's number counts; a shop's day does."""
    return sorted(
        (one for one in known.bought.values() if one.is_purchase), key=lambda one: (one.at, one.key)
    )


def _costs(known: Known) -> dict[str, int]:
    """sku → today's cost of one unit, in fen."""
    return {
        event.sku: event.detail["cost_fen"]
        for event in known.by_kind["product"]
        if "cost_fen" in event.detail
    }


def _left(line: Line) -> int:
    return line.amount - line.refunded


def _sell(day: Sold, one: Bought, lines: Iterable[Line], costs: Mapping[str, int]) -> None:
    day.orders += 1
    if one.member:
        day.buyers.add(one.member)
    for line in lines:
        if _left(line) <= 0:
            continue
        day.items += line.qty
        # the till tells discounts by line; the group-buy system tells none
        day.discounted += _left(line) if one.channel == "pos" and line.discount > 0 else 0
        if line.sku in costs:
            cost = (line.qty * costs[line.sku]).quantize(Decimal(1), "ROUND_HALF_UP")
            day.margin = (day.margin or 0) + _left(line) - int(cost)


def _stored_value(known: Known) -> defaultdict[str, int]:
    out: defaultdict[str, int] = defaultdict(int)
    for (record_id, kind), parts in known.parts.items():
        if kind == "tender":
            out[record_id] += sum(part.amount_fen for part in parts if part.state == "stored_value")
    return out


def _points(known: Known) -> dict[tuple[str, str], int]:
    """What the record of a sale or order says it earned; a card that came late brings its points with it."""
    out = {("orders", e.record_id): e.points for e in known.by_kind["order_paid"]}
    for kind in ("sale", "late_card"):
        for event in known.by_kind[kind]:
            if "points_earned" in event.detail:
                out["tickets", event.record_id] = event.detail["points_earned"]
    return out


def _given_back(known: Known) -> list[GivenBack]:
    """Everything that was given back for what counts, each on its own day."""
    out: list[GivenBack] = []
    told: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))  # order → sku → fen so far

    def give(one: Bought, event: Event, fen: int, goods: Mapping[str, int]) -> None:
        on = known.business_date(event.when, one.store_code)
        out.append(GivenBack(one, on, fen, tuple(goods.items())))
        for sku, part in goods.items():
            told[one.key][sku] += part

    def rest(one: Bought) -> dict[str, int]:
        """What the lines say was given back and no earlier refund told."""
        whole: dict[str, int] = defaultdict(int)
        for line in one.lines:
            whole[line.sku] += line.refunded
        left = {sku: fen - told[one.key][sku] for sku, fen in whole.items()}
        return {sku: fen for sku, fen in left.items() if fen > 0}

    for back in known.by_kind["return"]:
        goods: dict[str, int] = defaultdict(int)
        for part in known.parts[back.record_id, "return_line"]:
            goods[part.sku] += part.amount_fen
        sale = known.bought.get(f"pos|{back.connection}|{back.ref}")
        if back.state == "linked" and sale is not None:
            give(sale, back, back.amount_fen, goods)
        else:
            give(known.bought[f"pos|{back.connection}|{back.record_id}"], back, back.amount_fen, goods)
    for void in known.by_kind["void"]:
        sale = known.bought.get(f"pos|{void.connection}|{void.ref}")
        if sale is not None:
            before = sum(back.fen for back in out if back.order is sale)
            give(sale, void, sale.net - before, rest(sale))
    for named in (True, False):
        for event in known.by_kind["refund_done"]:
            order = known.bought.get(f"groupbuy|{event.connection}|{event.ref}")
            if order is None or not order.net or order.is_test or bool(event.line_no) is not named:
                continue
            line = next((line for line in order.lines if line.line_no == event.line_no), None)
            give(order, event, event.amount_fen, {line.sku: event.amount_fen} if line else rest(order))
    for event in known.by_kind["order_cancelled"]:
        order = known.bought.get(f"groupbuy|{event.connection}|{event.record_id}")
        if order is not None and order.net and not order.is_test:
            before = sum(back.fen for back in out if back.order is order)
            give(order, event, order.net - before, rest(order))
    return [back for back in out if back.fen]
