"""Points and coupons worked out again from the log: entries, balances, the life of every code, and what is wrong."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

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
    undone = {event.record_id for kind in ("return", "void") for event in known.by_kind[kind]}
    out = []
    for kind in ("earn", "spend", "adjust", "expire"):
        for event in known.by_kind[f"points_{kind}"]:
            is_reverse = event.points < 0 and kind in ("earn", "adjust") and event.ref in undone
            is_reverse |= event.points < 0 and kind == "earn"
            out.append(
                Entry(
                    "|".join(event.record),
                    known.member_of(event),
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
    """Earned and spent when paid; until then points that are spent are locked. A closed order earned nothing."""
    earned = {event.record_id: event.points for event in known.by_kind["order_paid"]}
    late = {event.record_id for event in known.by_kind["order_paid"] if event.state == "late"}
    cancelled = {event.record_id for event in known.by_kind["order_cancelled"]}
    closed = {event.record_id: event.when for event in known.by_kind["order_unpaid"]}
    paid_at = {event.record_id: event.when for event in known.by_kind["order_paid"]}
    out = []
    for event in known.by_kind["order_placed"]:
        record, member = event.record_id, known.member_of(event)
        spent = int(event.detail.get("points_spent", 0))
        account = f"{event.detail['appid']}:{event.detail['openid']}"

        def add(
            kind: str,
            points: int,
            at: datetime,
            event: Event = event,
            member: str | None = member,
            account: str = account,
        ) -> None:
            key = f"{'|'.join(event.record)}|{kind}"
            out.append(Entry(key, member, account, at, kind, points, event.record_id, _GROUPBUY))

        if record in paid_at and record not in cancelled:
            if earned[record]:
                add("earn", earned[record], paid_at[record])
            if spent:
                add("spend", -spent, paid_at[record])
        if spent and (record not in paid_at or record in late):
            add("lock", -spent, event.when)
            end = paid_at.get(record) or closed.get(record)
            if end:
                add("release", spent, end)
    return out


@dataclass
class Balance:
    balance: int = 0
    locked: int = 0
    by_channel: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    negative_days: set[object] = field(default_factory=set)  # business dates at which it was below zero

    @property
    def available(self) -> int:
        return self.balance - self.locked


def balances(known: Known) -> dict[str, Balance]:
    """Balance by member; below zero at any entry's instant marks the day."""
    out: dict[str, Balance] = defaultdict(Balance)
    for entry in entries(known):
        if entry.member is None:
            continue
        one = out[entry.member]
        if entry.kind in ("lock", "release"):
            one.locked -= entry.points
            continue
        one.balance += entry.points
        one.by_channel[entry.channel] += entry.points
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


@dataclass
class Coupon:
    """One code of the chain's one pool. `exceptions` are (kind, the event it is about)."""

    code: str
    status: str = ""
    template_id: str = ""
    holder: str | None = None
    issued_at: datetime | None = None
    redeemed_at: datetime | None = None
    used_on: str = ""
    locked_by: set[str] = field(default_factory=set)
    exceptions: set[tuple[str, str]] = field(default_factory=set)


def coupons(known: Known) -> dict[str, Coupon]:
    """The life of every code that was told of, by code."""
    told = [
        e for kind in ("issued", "redeemed", "expired", "voided") for e in known.by_kind[f"coupon_{kind}"]
    ]
    told.sort(key=lambda e: (e.ref, e.when, e.record_id))
    out = {code: _life(known, code, list(events)) for code, events in groupby(told, key=lambda e: e.ref)}
    paid = {event.record_id for event in known.by_kind["order_paid"]}
    closed = {e.record_id for kind in ("order_unpaid", "order_cancelled") for e in known.by_kind[kind]}
    posted = {event.detail.get("used_on") for event in known.by_kind["coupon_redeemed"]}
    for event in known.by_kind["order_placed"]:
        code = event.detail.get("coupon_code")
        if not code:
            continue
        one = out.setdefault(code, Coupon(code))
        if event.record_id not in paid and event.record_id not in closed:
            one.locked_by.add(event.record_id)
            if one.status == "issued":
                one.status = "locked"
        elif event.record_id in paid and event.record_id not in closed and event.record_id not in posted:
            one.exceptions.add(("use_not_posted", event.record_id))
            if one.status in ("", "issued"):
                one.status, one.used_on = "redeemed", event.record_id
    return out


def _life(known: Known, code: str, events: list[Event]) -> Coupon:
    one = Coupon(code)
    issues = [e for e in events if e.kind == "coupon_issued"]
    uses = [e for e in events if e.kind == "coupon_redeemed"]
    ends = [e for e in events if e.kind in ("coupon_expired", "coupon_voided")]
    one.template_id = next((e.state for e in events if e.state), "")
    if issues:
        one.issued_at, one.holder, one.status = issues[0].when, known.member_of(issues[0]), "issued"
        one.exceptions |= {
            ("issued_twice", again.record_id) for again in issues[1:] if known.member_of(again) != one.holder
        }
    if uses:
        # the first valid one counts, and where none is, the first
        valid = [use for use in uses if not _wrong(known, use, issues, ends)]
        counted = (valid or uses)[0]
        one.status, one.redeemed_at = "redeemed", counted.when
        one.used_on = counted.detail.get("used_on", "")
        for use in uses:
            one.exceptions |= {(kind, use.record_id) for kind in _wrong(known, use, issues, ends)}
            if use is not counted:
                one.exceptions.add(("redeemed_twice", use.record_id))
    elif ends:
        one.status = ends[0].kind.removeprefix("coupon_")
    return one


def _wrong(known: Known, use: Event, issues: list[Event], ends: list[Event]) -> set[str]:
    """Why a use is not valid; the instant of the end is still in time, that of the issue too."""
    out = set()
    if not issues:
        out.add("never_issued")
    elif use.when < issues[0].when:
        out.add("before_issue")
    if any(end.kind == "coupon_expired" and use.when > end.when for end in ends):
        out.add("after_expiry")
    if any(end.kind == "coupon_voided" and use.when > end.when for end in ends):
        out.add("after_void")
    user, holder = known.member_of(use), known.member_of(issues[0]) if issues else None
    if issues and user is None and holder is None:
        out.add("holder_unknown")
    if user and holder and user != holder:
        out.add("other_member")
    return out
