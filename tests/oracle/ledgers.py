"""Points and coupons worked out again from the log: entries, balances, the life of every code, and what is wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from tests.oracle.log import Event, Known

_GROUPBUY = "groupbuy"


@dataclass(frozen=True)
class Entry:
    """One signed entry of a member's points; locks and releases change what is available, not the balance."""

    entry_id: str
    member: str | None
    account: str
    at: datetime
    kind: str  # earn, spend, adjust, expire, reverse, lock, release
    points: int
    ref: str
    channel: str


def entries(known: Known) -> list[Entry]:
    """All entries in order of time: as posted by a source that has a ledger, from the orders of one that has none."""
    out = [*_posted(known), *_of_orders(known)]
    return sorted(out, key=lambda entry: (entry.at, entry.entry_id))


def _posted(known: Known) -> list[Entry]:
    sales = {event.record_id: event for event in known.by_kind["sale"]}
    takes_back = [*known.by_kind["return"], *known.by_kind["void"]]
    takes_back += [sales[event.ref] for event in known.by_kind["void"] if event.ref in sales]
    # numbers repeat from shop to shop: of several sales of one number, that of the same person
    undone: dict[str, set[str | None]] = defaultdict(set)
    for event in takes_back:
        undone[event.record_id].add(known.member_of(event))
    for one in known.bought.values():
        if one.refund > 0:
            undone[one.record_id].add(one.member)
    out = []
    for kind in ("earn", "spend", "adjust", "expire"):
        for event in known.by_kind[f"points_{kind}"]:
            member, whose = known.member_of(event), undone.get(event.ref, set())
            is_reverse = kind == "adjust" and bool(whose) and (member is None or bool({None, member} & whose))
            is_reverse = event.points < 0 and (is_reverse or kind == "earn")
            out.append(
                Entry(
                    "|".join(event.record),
                    member,
                    f"{event.connection}:{event.detail['card']}",
                    event.when,
                    "reverse" if is_reverse else kind,
                    event.points,
                    event.ref,
                    "pos",
                )
            )
    return out


def _of_orders(known: Known) -> list[Entry]:
    """Earned and spent when paid; from the order until then what is to be spent is locked. A closed order did nothing."""
    earned = {event.record_id: event.points for event in known.by_kind["order_paid"]}
    paid = {event.record_id: event.when for event in known.by_kind["order_paid"]}
    closed = _closed(known)
    out = []
    for event in known.by_kind["order_placed"]:
        record, member = event.record_id, known.member_of(event)
        spent = int(event.detail.get("points_spent", 0))
        account = f"{event.detail['appid']}:{event.detail['openid']}"
        moves: list[tuple[str, int, datetime | None]] = []
        settled = closed.get(record, paid.get(record))
        if record in paid and record not in closed:
            moves += [("earn", earned[record], paid[record]), ("spend", -spent, paid[record])]
        if settled != event.when or record in closed:
            moves += [("lock", -spent, event.when), ("release", spent, settled)]
        out += [
            Entry(f"{'|'.join(event.record)}|{kind}", member, account, at, kind, points, record, _GROUPBUY)
            for kind, points, at in moves
            if points and at
        ]
    return out


def _closed(known: Known) -> dict[str, datetime]:
    """When an order was closed, before it was paid or after."""
    return {e.record_id: e.when for kind in ("order_unpaid", "order_cancelled") for e in known.by_kind[kind]}


@dataclass
class Balance:
    """In points of the chain: those of each connection times its factor, to the thousandth."""

    balance: Decimal = Decimal(0)
    locked: Decimal = Decimal(0)
    by_channel: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    negative_days: set[object] = field(default_factory=set)  # business dates at which it was below zero

    @property
    def available(self) -> Decimal:
        return self.balance - self.locked


def balances(known: Known, factors: Mapping[str, Decimal] | None = None) -> dict[str, Balance]:
    """Balance by member; below zero at any entry's instant marks the day. `factors`: of connections, else 1."""
    out: dict[str, Balance] = defaultdict(Balance)
    for entry in entries(known):
        if entry.member is None:
            continue
        one = out[entry.member]
        factor = (factors or {}).get(entry.entry_id.split("|")[0], Decimal(1))
        points = (entry.points * factor).quantize(Decimal("0.001"), ROUND_HALF_UP)
        if entry.kind in ("lock", "release"):
            one.locked -= points
            continue
        one.balance += points
        one.by_channel[entry.channel] += points
        if one.balance < 0:
            one.negative_days.add(known.business_date(entry.at))
    return dict(out)


def reported_differences(known: Known) -> dict[str, int]:
    """Card → reported minus booked, where the newest state of the member file differs from the entries up to it."""
    newest: dict[str, Event] = {}
    for state in known.by_kind["card_state"]:
        held = newest.get(state.record_id)
        if held is None or state.when >= held.when:
            newest[state.record_id] = state
    booked: dict[str, list[Entry]] = defaultdict(list)
    for entry in _posted(known):
        booked[entry.account].append(entry)
    out = {}
    for card, state in newest.items():
        ledger = sum(e.points for e in booked[f"{state.connection}:{card}"] if e.at <= state.when)
        if ledger != state.points:
            out[card] = state.points - ledger
    return out


def posting_differences(known: Known) -> set[tuple[str, str]]:
    """(kind, record) of what tickets say and the ledger of points does not, and of what it says twice.

    Only of days since the ledger's first file, and of what was sold since its first posting for a ticket, when that
    was before. A voided sale may have been spared both; a return takes back whole points of
    the share that came back, a void all.
    """
    booked = [e for kind in ("earn", "spend", "adjust", "expire") for e in known.by_kind[f"points_{kind}"]]
    if not booked:
        return set()
    first = min(event.night for event in booked if event.night)
    for_tickets = [e.when for e in booked if e.kind in ("points_earn", "points_spend") and e.ref]
    posted: dict[str, list[Event]] = defaultdict(list)
    for event in booked:
        posted[event.ref].append(event)
    out = set()
    sales = {event.record_id: event for event in known.by_kind["sale"]}
    late = {event.record_id: event.detail for event in known.by_kind["late_card"]}
    voided = {event.ref for event in known.by_kind["void"]}
    told_of: dict[tuple[str, str], int] = {}
    answers: dict[str, list[Event]] = {}

    def is_of(event: Event, card: object, sale: Event) -> bool:
        """Numbers repeat from shop to shop: of the same card, or the same person."""
        whose = known.member_of(sale)
        return event.detail["card"] == card or (whose is not None and known.member_of(event) == whose)

    for record, sale in sales.items():
        is_of_the_files = known.business_date(sale.when, sale.store_code) >= first
        if not is_of_the_files and (not for_tickets or sale.when < min(for_tickets)):
            continue
        told = {**sale.detail, **late.get(record, {})}
        mine = [event for event in posted[record] if is_of(event, told.get("card"), sale)]
        answers[record] = [event for event in mine if event.kind == "points_earn" and event.points > 0]
        for kind, said in (
            ("earn", int(told.get("points_earned") or 0)),
            ("spend", -int(told.get("points_spent") or 0)),
        ):
            of_kind = answers[record] if kind == "earn" else [e for e in mine if e.kind == "points_spend"]
            found = [event.points for event in of_kind]
            if said and not found and record not in voided:
                out.add((f"{kind}_not_posted", record))
            elif said and found and said not in (sum(found), sum(set(found))):
                out.add(("amount_differs", record))
            told_of[record, kind] = said
    undone: Counter[str] = Counter()
    for event in [*known.by_kind["return"], *known.by_kind["void"]]:
        of = sales.get(event.ref)
        if of is None or (event.kind == "return" and event.state != "linked"):
            continue
        undone[event.ref] += 1
        earning = answers.get(event.ref)
        if not earning:
            continue
        earned = sum(answer.points for answer in earning)
        share = min(event.amount_fen, of.amount_fen)
        due = earned if event.kind == "void" else earned * share // of.amount_fen if of.amount_fen else 0
        card = min(answer.detail["card"] for answer in earning)
        back = [
            posting
            for ref in (event.record_id, event.ref)
            for posting in posted[ref]
            if posting.points < 0 and posting.kind in ("points_earn", "points_adjust")
        ]
        if due and not any(is_of(posting, card, of) for posting in back):
            out.add(("reversal_not_posted", event.record_id))
    same = Counter((e.account, e.ref, e.kind, e.points) for e in _posted(known) if e.ref and e.points)
    for (_, ref, kind, points), times in same.items():
        # in equal parts, or once for every return, is no doubling
        is_fine = times * points == told_of.get((ref, kind)) or (kind == "reverse" and times <= undone[ref])
        if times > 1 and kind in ("earn", "spend", "reverse") and not is_fine:
            out.add(("posted_twice", ref))
    return out


@dataclass
class Coupon:
    """One code of the chain's one pool. `exceptions` are (kind, the record it is about)."""

    code: str
    status: str = "issued"
    template_id: str = ""
    holder: str | None = None
    issued_at: datetime | None = None
    redeemed_at: datetime | None = None
    used_on: str = ""
    counted: str = ""  # the ledger id of the use that holds
    channel: str | None = None
    locked_by: set[str] = field(default_factory=set)
    exceptions: set[tuple[str, str]] = field(default_factory=set)
    faults: dict[tuple[str, str], Fault] = field(default_factory=dict)  # by (kind, ledger id)
    told: list[Told] = field(default_factory=list)


@dataclass(frozen=True)
class Fault:
    """One row of `coupon_exceptions`."""

    at: datetime
    member: str | None
    other: str | None


@dataclass
class Told:
    """One row of `coupon_ledger`; `is_derived`: told by an order, posted by nobody."""

    ledger_id: str
    event: str
    at: datetime
    member: str | None
    channel: str
    connection: str
    ref: str | None
    amount: int | None = None
    is_derived: bool = False
    is_counted: bool = False


@dataclass(frozen=True)
class Use:
    """A redemption: as a source posted it, or, where none did, as a paid order tells."""

    key: str
    record_id: str
    when: datetime
    member: str | None
    used_on: str
    channel: str
    is_told_by_order: bool = False


def coupons(known: Known, valid_hours: Mapping[str, int] | None = None) -> dict[str, Coupon]:
    """The life of every code that was told of, by code. `valid_hours`: of templates whose end the rules know."""
    told: dict[str, list[Event]] = defaultdict(list)
    for kind in ("issued", "redeemed", "expired", "voided"):
        for event in known.by_kind[f"coupon_{kind}"]:
            told[event.ref].append(event)
    orders: dict[str, list[Event]] = defaultdict(list)
    for order in known.by_kind["order_placed"]:
        if order.detail.get("coupon_code"):
            orders[order.detail["coupon_code"]].append(order)
    paid = {event.record_id: event.when for event in known.by_kind["order_paid"]}
    closed = _closed(known)
    undone = closed.keys() | {event.ref for event in known.by_kind["void"]}
    sold = {event.record_id for kind in ("sale", "order_placed") for event in known.by_kind[kind]}
    out = {}
    for code in sorted(told.keys() | orders.keys()):
        events = sorted(told[code], key=lambda e: (e.when, "|".join(e.record)))
        taken = [order for order in orders[code] if order.record_id in paid and order.record_id not in closed]
        uses = [
            Use(
                "|".join(e.record),
                e.record_id,
                e.when,
                known.member_of(e),
                _used_on(e, sold) or _only(e, taken, [o for o in orders[code] if o.record_id in closed]),
                _channel(e),
            )
            for e in events
            if e.kind == "coupon_redeemed"
        ]
        posted = {use.used_on for use in uses}
        uses += [
            Use(
                "|".join((*o.record, "redeemed")),
                o.record_id,
                paid[o.record_id],
                known.member_of(o),
                o.record_id,
                _GROUPBUY,
                True,
            )
            for o in taken
            if o.record_id not in posted
        ]
        holding = [use for use in uses if use.used_on not in undone]
        one = out[code] = _life(known, code, events, holding, valid_hours or {})
        one.locked_by = {
            o.record_id
            for o in orders[code]
            if o.record_id not in paid and o.record_id not in closed and o.record_id not in posted
        }
        if one.locked_by and one.status == "issued":
            one.status = "locked"
        one.told += _told(known, one, events)
        one.told += _told_by_orders(
            known, one, [o for o in orders[code] if o.record_id not in posted], paid, closed
        )
    return out


def _channel(event: Event) -> str:
    return _GROUPBUY if event.connection.startswith("group") else "pos"


def _ref(event: Event) -> str | None:
    """The number of the ticket or order as its source writes it, which does not tell of which shop."""
    return str(event.detail.get("used_on") or "").rpartition("|")[2] or None


def _told(known: Known, one: Coupon, events: list[Event]) -> list[Told]:
    """What sources posted of a code. One event of each kind counts: the first, or the use that holds."""
    out = []
    seen = set()
    for e in events:
        event, ledger_id = e.kind.removeprefix("coupon_"), "|".join(e.record)
        is_first = event not in seen
        seen.add(event)
        counts = {
            "issued": is_first,
            "redeemed": ledger_id == one.counted,
            "expired": is_first and one.status == "expired",
            "voided": is_first and one.status == "voided",
        }
        out.append(
            Told(ledger_id, event, e.when, known.member_of(e), _channel(e), e.connection, _ref(e),
                 e.amount_fen or None, is_counted=counts[event])
        )  # fmt: skip
    return out


def _told_by_orders(
    known: Known,
    one: Coupon,
    orders: list[Event],
    paid: Mapping[str, datetime],
    closed: Mapping[str, datetime],
) -> list[Told]:
    """What orders tell of a code whose use nobody posted: held until paid or closed, then used or let go."""
    out = []
    for o in orders:
        record, key = o.record_id, "|".join(o.record)
        if record in closed:
            told = [("locked", o.when, False), ("released", closed[record], False)]
        elif record in paid:
            told = [("redeemed", paid[record], f"{key}|redeemed" == one.counted)]
        else:
            told = [("locked", o.when, one.status == "locked")]
        out += [
            Told(
                f"{key}|{event}",
                event,
                at,
                known.member_of(o),
                _GROUPBUY,
                o.connection,
                record,
                None,
                True,
                counts,
            )
            for event, at, counts in told
        ]
    return out


def _used_on(use: Event, sold: set[str]) -> str:
    """The ticket or order a use names; what is neither, as the number of a payment, names none."""
    named = use.detail.get("used_on") or ""
    return named if named in sold else ""


def _only(use: Event, taken: list[Event], let_go: list[Event]) -> str:
    """A use that names no order is that of the one order of its connection which names the code, closed ones last."""
    for among in (taken, let_go):
        of = [order.record_id for order in among if order.connection == use.connection]
        if of:
            return of[0] if len(of) == 1 else ""
    return ""


def _life(
    known: Known, code: str, events: list[Event], uses: list[Use], valid_hours: Mapping[str, int]
) -> Coupon:
    one = Coupon(code)
    issues = [e for e in events if e.kind == "coupon_issued"]
    ends = [
        (e.when, e.kind.removeprefix("coupon_"))
        for e in events
        if e.kind in ("coupon_expired", "coupon_voided")
    ]
    named = [e.state for e in [*issues, *events] if e.state]
    one.template_id = named[0] if named else ""
    if issues:
        one.issued_at = issues[0].when
        one.holder = next(filter(None, map(known.member_of, issues)), None)
        one.exceptions |= {
            ("issued_twice", again.record_id)
            for again in issues
            if one.holder and known.member_of(again) not in (None, one.holder)
        }
        one.faults |= {
            ("issued_twice", "|".join(again.record)): Fault(again.when, known.member_of(again), one.holder)
            for again in issues
            if ("issued_twice", again.record_id) in one.exceptions
        }
        if one.template_id in valid_hours:
            ends.append((issues[0].when + timedelta(hours=valid_hours[one.template_id]), "promised"))
    if uses:
        # the first valid one counts, and where none is, the first; an unknown holder is doubtful only
        uses = sorted(uses, key=lambda use: (use.when, use.key))
        valid = [use for use in uses if not _wrong(one, use, ends)]
        counted = (valid or uses)[0]
        one.status, one.redeemed_at, one.used_on = "redeemed", counted.when, counted.used_on
        one.counted, one.channel = counted.key, counted.channel
        for use in uses:
            kinds = _wrong(one, use, ends)
            kinds |= {"holder_unknown"} if issues and one.holder is None else set()
            kinds |= {"use_not_posted"} if use.is_told_by_order else set()
            kinds |= {"redeemed_twice"} if use is not counted else set()
            one.exceptions |= {(kind, use.record_id) for kind in kinds}
            others = {"redeemed_twice": counted.member, "other_member": one.holder}
            one.faults |= {(kind, use.key): Fault(use.when, use.member, others.get(kind)) for kind in kinds}
        return one
    # what a template promises ends by itself, when its day is over
    in_turn = sorted(ends, key=lambda end: (end[0], end[1] != "voided"))
    over = [(at, how) for at, how in in_turn if how != "promised" or known.business_date(at) <= known.as_of]
    if over:
        one.status = "voided" if over[0][1] == "voided" else "expired"
    return one


def _wrong(one: Coupon, use: Use, ends: list[tuple[datetime, str]]) -> set[str]:
    """Why a use is not valid; the instant of the end is still in time, that of the issue too."""
    out = set()
    if one.issued_at is None:
        out.add("never_issued")
    elif use.when < one.issued_at:
        out.add("before_issue")
    for at, how in ends:
        if use.when > at:
            out.add("after_void" if how == "voided" else "after_expiry")
    if use.member and one.holder and use.member != one.holder:
        out.add("other_member")
    return out
