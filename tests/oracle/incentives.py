"""What cashiers and leaders are credited with, and what shops settle, worked out again from the log."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from tests.oracle.commissions import Books, half_up, month_of, refund_days
from tests.oracle.log import Bought, Event, Known


@dataclass(frozen=True)
class Terms:
    """Defaults of the parts `cashier` and `leader` of rules/commission.yml; money in fen, shares in basis points."""

    join: int = 200
    stay_days: int = 7
    first_order: int = 300
    first_order_days: int = 30
    scenes: tuple[int, ...] = (1, 2, 3)
    groupbuy: int = 800
    counter: int = 100
    bind_days: int = 90


@dataclass(frozen=True)
class Staff:
    connection: str
    staff_id: str
    wecom_userid: str | None
    store_code: str


@dataclass
class Credit:
    store_code: str = ""
    joined: int = 0
    stayed: int = 0
    first_orders: int = 0
    amount: int = 0


@dataclass
class Contribution:
    members: set[str] = field(default_factory=set)
    groupbuy_orders: int = 0
    groupbuy_fen: int = 0
    refund_fen: int = 0
    counter_orders: int = 0
    counter_fen: int = 0
    commission: int = 0
    counter_commission: int = 0
    sales: int = 0


@dataclass
class Settlement:
    sales: int = 0
    refund: int = 0
    commission: int = 0
    incentive: int = 0
    due: int = 0


@dataclass(frozen=True)
class _Join:
    member: str
    at: datetime
    day: date
    key: str
    staff: Staff | None
    last_seen: date


def _joins(
    known: Known, readings: Sequence[date], staff: Sequence[Staff], stores: Collection[str], terms: Terms
) -> list[_Join]:
    """Chats and contacts that some reading showed. Who left before the first is known to nobody."""
    by_user = {one.wecom_userid: one for one in reversed(staff) if one.wecom_userid}
    by_number = {one.staff_id: one for one in reversed(staff)}
    ends: dict[tuple[str, str, str], Event] = {}
    for kind in ("chat_leave", "contact_removed"):
        for event in known.by_kind[kind]:
            ends[kind, event.record_id, event.ref if kind == "contact_removed" else ""] = event
    out = []
    for kind, end_kind, name in (
        ("chat_join", "chat_leave", "chat"),
        ("contact_added", "contact_removed", "contact"),
    ):
        for event in known.by_kind[kind]:
            member = known.member_of(event)
            end = ends.get((end_kind, event.record_id, event.ref if name == "contact" else ""))
            shown = [
                night
                for night in readings
                if event.night and event.night <= night and not (end and end.night and end.night <= night)
            ]
            if member is None or not shown:
                continue
            credited = by_user.get(event.state) or by_number.get(event.state)
            if name == "chat":
                credited = by_user.get(event.ref) or credited
                credited = credited if int(event.detail["join_scene"]) in terms.scenes else None
            elif credited is None and int(event.detail["add_way"]) == 1 and event.state in stores:
                credited = by_user.get(event.ref)
            key = f"{name}|{event.connection}|{event.record_id}"
            key += f"|{event.ref}" if name == "contact" else ""
            day = known.business_date(event.when)
            out.append(_Join(member, event.when, day, key, credited, max(shown)))
    return out


def staff_credits(
    known: Known,
    readings: Sequence[date],
    staff: Sequence[Staff],
    stores: Collection[str],
    terms: Terms | None = None,
) -> dict[tuple[str, str, str], Credit]:
    """By month of the join, connection and staff_id.

    Args:
        readings: nights on which WeCom was read completely.
        staff: the staff list, by connection and number.
        stores: shop codes.
    """
    terms = terms or Terms()
    payroll = {m for (_, feed, _), m in known.members.items() if feed in ("staff", "leaders") and m}
    firsts: dict[str, Bought] = {}
    for one in known.purchases:
        if one.channel == "groupbuy" and one.member:
            firsts.setdefault(one.member, one)
    first_joins: dict[str, _Join] = {}
    for join in sorted(_joins(known, readings, staff, stores, terms), key=lambda j: (j.day, j.at, j.key)):
        first_joins.setdefault(join.member, join)
    out: dict[tuple[str, str, str], Credit] = defaultdict(Credit)
    for member, join in first_joins.items():
        first = firsts.get(member)
        if (
            join.staff is None
            or join.day > known.as_of
            or member in payroll
            or (first and first.at < join.at)
        ):
            continue
        credit = out[month_of(join.day), join.staff.connection, join.staff.staff_id]
        credit.store_code = join.staff.store_code
        credit.joined += 1
        if (join.last_seen - join.day).days >= terms.stay_days:
            credit.stayed += 1
            credit.amount += terms.join
        if first and (first.day - join.day).days <= terms.first_order_days:
            credit.first_orders += 1
            credit.amount += terms.first_order
    return dict(out)


@dataclass(frozen=True)
class _Earning:
    month: str
    leader: tuple[str, str]
    one: Bought
    sales: int
    refund: int
    amount: int
    is_order: bool


def _earnings(known: Known, leaders: Collection[tuple[str, str]], terms: Terms) -> list[_Earning]:
    given_back = refund_days(known)
    newest: dict[str, tuple[Bought, tuple[str, str]]] = {}
    out = []
    sold = [
        one
        for one in known.bought.values()
        if one.net > 0 and not one.is_test and not one.is_staff and one.day <= known.as_of
    ]
    for one in sorted(sold, key=lambda one: (one.at, one.channel, one.key)):
        if one.channel == "groupbuy":
            leader = (one.connection, one.detail.get("leader_id", ""))
            if leader not in leaders:
                continue
            if one.member and one.is_purchase:
                newest[one.member] = (one, leader)
            rate = terms.groupbuy
        else:
            bond = newest.get(one.member or "")
            if bond is None or (one.day - bond[0].day).days > terms.bind_days:
                continue
            leader, rate = bond[1], terms.counter
        out.append(_Earning(month_of(one.day), leader, one, one.net, 0, half_up(one.net, rate), True))
        left = one.net
        taken = 0
        for day, fen in sorted(given_back.get(one.key, {}).items()):
            taken += fen
            after = max(0, one.net - taken)
            amount = half_up(after, rate) - half_up(left, rate)
            out.append(_Earning(month_of(day), leader, one, 0, fen, amount, False))
            left = after
    return out


def leader_contributions(
    known: Known, leaders: Collection[tuple[str, str]], terms: Terms | None = None
) -> dict[tuple[str, str, str], Contribution]:
    """By month, connection and leader. `leaders`: (connection, leader_id) of the chain's own."""
    out: dict[tuple[str, str, str], Contribution] = defaultdict(Contribution)
    for earning in _earnings(known, leaders, terms or Terms()):
        found, one = out[earning.month, *earning.leader], earning.one
        counts = earning.is_order and one.is_purchase
        if counts and one.member:
            found.members.add(one.member)
        if one.channel == "groupbuy":
            found.groupbuy_orders += counts
            found.groupbuy_fen += one.spend if earning.is_order else 0
            found.refund_fen += earning.refund
            found.commission += earning.amount
            found.sales += earning.sales
        else:
            found.counter_orders += counts
            found.counter_fen += one.spend if earning.is_order else 0
            found.counter_commission += earning.amount
    return dict(out)


def settlements(
    known: Known,
    recommended: Books,
    credits: Mapping[tuple[str, str, str], Credit],
    leaders: Collection[tuple[str, str]],
    terms: Terms | None = None,
) -> dict[tuple[str, str, str], Settlement]:
    """By month, kind of party and party."""
    out: dict[tuple[str, str, str], Settlement] = defaultdict(Settlement)
    given_back = refund_days(known)
    for one in known.bought.values():
        if one.is_test or one.day > known.as_of:
            continue
        shop = one.store_code or "unknown"
        out[month_of(one.day), "shop", shop].sales += one.net
        for day, fen in given_back.get(one.key, {}).items():
            out[month_of(day), "shop", shop].refund += fen
    earned: Counter[tuple[str, str]] = Counter()
    for (order, *_), entry in recommended.entries.items():
        earned[entry.month, known.bought[order].store_code or "unknown"] += entry.amount
    for earning in _earnings(known, leaders, terms or Terms()):
        earned[earning.month, earning.one.store_code or "unknown"] += earning.amount
    for (month, shop), amount in earned.items():
        out[month, "shop", shop].commission += amount
    for (month, _, _), credit in credits.items():
        out[month, "shop", credit.store_code].incentive += credit.amount
    for found in out.values():
        found.due = found.sales - found.refund - found.commission - found.incentive
    for (month, connection, leader), one in leader_contributions(known, leaders, terms).items():
        due = one.commission + one.counter_commission
        out[month, "leader", f"{connection}:{leader}"] = Settlement(one.sales, one.refund_fen, due, 0, due)
    return dict(out)
