"""Random histories of points and coupons: towns of one to three accounts that never meet another town's.

What happens in a town is kept as versions of records: each as the feeds write it and as the event log tells of it, with
the night it arrives. A later version replaces the earlier one.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from tests.oracle.log import Event, event_of

# versions of before the nights that are built: they arrive with the first of them
BEGIN = date(2026, 2, 21)
NIGHTS = (date(2026, 3, 1), date(2026, 3, 2))
POS, GROUP = "pos_main", "group_main"
VALID_HOURS = {"T24": 24}
MOST = 12
# tickets of the day before all others
MORNING, NOON, EVENING = "morning", "noon", "evening"

Row = dict[str, Any]
Record = tuple[str, str, str]


@dataclass(frozen=True)
class Version:
    """What one file says of one record, and what the log says of it then."""

    night: date
    record: Record
    row: Row
    events: tuple[Row, ...]


@dataclass
class Towns:
    """All towns: versions in order of arrival, and whose every record is on each night."""

    versions: list[Version] = field(default_factory=list)
    accounts: dict[Record, tuple[str, str]] = field(default_factory=dict)  # record → (namespace, identifier)
    members: dict[date, dict[tuple[str, str], str | None]] = field(
        default_factory=lambda: {night: {} for night in NIGHTS}
    )

    def rows(self, night: date) -> dict[tuple[str, str], list[Row]]:
        """Rows that arrive in a night, by connection and feed; with the first night also all earlier ones."""
        out: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for version in self.versions:
            if version.night == night:
                out[version.record[0], version.record[1]].append(version.row)
        return out

    def known(self, night: date) -> list[Event]:
        """The log as it can be known in a night."""
        newest: dict[Record, Version] = {}
        first: dict[Record, date] = {}
        for version in self.versions:
            if version.night <= night:
                first.setdefault(version.record, version.night)
                newest[version.record] = version
        return [
            event_of({**event, "night": max(first[record], NIGHTS[0]).isoformat()})
            for record, version in newest.items()
            for event in version.events
        ]

    def owners(self, night: date) -> dict[Record, str | None]:
        return {record: self.members[night].get(account) for record, account in self.accounts.items()}


def minted(account: tuple[str, str]) -> str:
    """The member an account would be alone."""
    return f"m-{account[1]}"


def towns(count: int, seed: int) -> Towns:
    out = Towns()
    for number in range(count):
        _Town(out, number, random.Random(f"{seed}|{number}")).live()
    _older_posting(out)
    out.versions.sort(key=lambda version: version.night)
    return out


def _older_posting(out: Towns) -> None:
    """A posting that arrives in the last night and is older than all others: the ledger begins with it, and has nothing
    for a ticket that came after. A ticket of that morning, and an opening balance of years ago, are before it."""
    town = _Town(out, -1, random.Random(0))
    account = ("pos_member", f"{POS}:{town.name}c")
    card = account[1].split(":")[1]
    day = datetime(2026, 2, 20)

    def sell(ticket: str, hour: int) -> None:
        when, record = day + timedelta(hours=hour), (POS, "tickets", f"S1|{ticket}")
        row = {
            "store_code": "S1",
            "ticket_id": ticket,
            "kind": "sale",
            "sold_at": str(when),
            "member_ref": card,
        }
        row |= {"net": "1.00", "points_earned": "5", "points_spent": "0"}
        detail = f'{{"card": "{card}", "points_earned": 5, "points_spent": 0}}'
        told = town.event("sale", record, when, amount_fen=100, detail=detail)
        out.accounts[record] = account
        out.versions.append(Version(BEGIN, record, row, (told,)))

    def post(entry: str, kind: str, when: datetime, ticket: str) -> None:
        record = (POS, "points", entry)
        row = {"entry_id": entry, "member_ref": card, "occurred_at": str(when), "kind": kind}
        row |= {"points": "5", "ref_id": ticket or None}
        told = town.event(
            f"points_{kind}",
            record,
            when,
            points=5,
            ref=f"S1|{ticket}" if ticket else "",
            detail=f'{{"card": "{card}"}}',
        )
        out.accounts[record] = account
        out.versions.append(Version(NIGHTS[-1], record, row, (told,)))

    for ticket, hour in ((MORNING, 9), (NOON, 12), (EVENING, 18)):
        sell(ticket, hour)
    post("older", "earn", day + timedelta(hours=12), NOON)
    post("opening", "earn", day - timedelta(days=999), "")
    for night in NIGHTS:
        out.members[night][account] = minted(account)


class _Town:
    def __init__(self, out: Towns, number: int, rng: random.Random) -> None:
        self.out, self.name, self.rng = out, f"t{number}-", rng
        kinds = [rng.choice(("pos_member", "openid")) for _ in range(rng.randint(1, 3))]
        self.accounts = [
            (kind, f"{POS}:{self.name}c{n}" if kind == "pos_member" else f"wx:{self.name}o{n}")
            for n, kind in enumerate(kinds)
        ]
        self.codes = [f"{self.name}K{n}" for n in range(rng.randint(1, 2))]
        # few instants, so that things happen at the same one or a second apart
        start = datetime(2026, 2, 22) + timedelta(hours=rng.randint(0, 140))
        self.instants = [
            start + timedelta(hours=12 * rng.randint(0, 3), seconds=rng.randint(0, 1)) for _ in range(4)
        ]
        self.count = 0
        self.sales: list[tuple[str, str, datetime, int, int]] = []  # ticket, card, when, net, points
        self.orders: list[str] = []
        self.booked: dict[str, list[tuple[datetime, int]]] = defaultdict(list)

    def live(self) -> None:
        acts = [
            self.sale,
            self.entry,
            self.order,
            self.coupon,
            self.coupon,
            self.coupon,
            self.back,
            self.state,
        ]
        many = self.rng.randint(2, MOST - 2)
        while self.count < many:
            self.rng.choice(acts)()
        for night in NIGHTS:
            self.meet(night)

    def meet(self, night: date) -> None:
        """Who is whom in a night: some alone, some together, and in the next night anew."""
        for place, account in enumerate(self.accounts):
            held_by = self.accounts[self.rng.randint(0, place)]
            member = minted(account if self.rng.random() < 0.4 else held_by)
            self.out.members[night][account] = None if self.rng.random() < 0.04 else member

    def when(self) -> datetime:
        return self.rng.choice(self.instants) + timedelta(seconds=self.rng.choice((0, 0, 0, 1)))

    def number(self) -> str:
        self.count += 1
        return f"{self.name}{self.count}"

    def account(self, namespace: str | None = None) -> tuple[str, str] | None:
        mine = [account for account in self.accounts if namespace in (None, account[0])]
        return self.rng.choice(mine) if mine else None

    def tell(self, record: Record, account: tuple[str, str], *states: tuple[Row, tuple[Row, ...]]) -> None:
        """States of a record in turn, one a night; the last may come twice."""
        told = list(states)
        if self.rng.random() < 0.15:
            told.append(told[-1])
        nights = sorted(self.rng.choices((BEGIN, *NIGHTS), (1, 4, 3), k=len(told)))
        by_night = dict(zip(nights, told, strict=True))
        self.out.accounts[record] = account
        for night, (row, events) in by_night.items():
            self.out.versions.append(Version(night, record, row, events))

    def event(self, kind: str, record: Record, when: datetime, **columns: Any) -> Row:
        connection, feed, record_id = record
        about = {
            "kind": kind,
            "connection": connection,
            "feed": feed,
            "record_id": record_id,
            "store_code": "S1",
        }
        return about | {"at": when.isoformat(" ")} | {name: str(value) for name, value in columns.items()}

    # ---- points

    def sale(self) -> None:
        account = self.account("pos_member")
        if account is None:
            return
        ticket, card = self.number(), account[1].split(":")[1]
        when, net = self.when(), self.rng.choice((0, 100, 250, 1000))
        earned, spent = self.rng.choice((0, 1, 5, 10)), self.rng.choice((0, 0, 3, 20))
        record = (POS, "tickets", f"S1|{ticket}")
        row = {
            "store_code": "S1",
            "ticket_id": ticket,
            "kind": "sale",
            "sold_at": str(when),
            "member_ref": card,
        }
        row |= {"net": f"{net / 100:.2f}", "points_earned": str(earned), "points_spent": str(spent)}
        detail = f'{{"card": "{card}", "points_earned": {earned}, "points_spent": {spent}}}'
        self.tell(record, account, (row, (self.event("sale", record, when, amount_fen=net, detail=detail),)))
        self.sales.append((ticket, card, when, net, earned))
        for kind, points in (("earn", earned), ("spend", spent)):
            if points and self.rng.random() < 0.8:
                wrong = self.rng.random() < 0.1
                for _ in range(self.rng.choice((1, 1, 1, 1, 2))):
                    self.post(kind, points + wrong, account, when, ticket)

    def back(self) -> None:
        if not self.sales:
            return
        origin, card, sold, net, points = self.rng.choice(self.sales)
        account = ("pos_member", f"{POS}:{card}")
        kind, ticket = self.rng.choice(("return", "return", "void")), self.number() + "R"
        when = sold + timedelta(hours=self.rng.randint(0, 5))
        given = net if kind == "void" else self.rng.choice((0, net // 2, net))
        record = (POS, "tickets", f"S1|{ticket}")
        row = {
            "store_code": "S1",
            "ticket_id": ticket,
            "kind": kind,
            "sold_at": str(when),
            "member_ref": card,
        }
        row |= {"net": f"{given / 100:.2f}", "origin_ticket_id": origin}
        told = self.event(kind, record, when, amount_fen=given, ref=f"S1|{origin}", state="linked")
        self.tell(record, account, (row, (told,)))
        if points and self.rng.random() < 0.6:
            self.post(
                "adjust", -self.rng.choice((1, points)), account, when, self.rng.choice((ticket, origin))
            )

    def entry(self) -> None:
        account = self.account("pos_member")
        if account is not None:
            kind = self.rng.choice(("earn", "earn", "spend", "adjust", "expire"))
            self.post(kind, self.rng.choice((-30, -2, 0, 5, 20, 20)), account, self.when(), "")

    def post(self, kind: str, points: int, account: tuple[str, str], when: datetime, ticket: str) -> None:
        number, card = self.number(), account[1].split(":")[1]
        record = (POS, "points", number)

        def state(points: int, card: str, ticket: str) -> tuple[Row, tuple[Row, ...]]:
            detail = f'{{"card": "{card}"}}'
            signed = -abs(points) if kind in ("spend", "expire") else points
            row = {"entry_id": number, "member_ref": card, "occurred_at": str(when), "kind": kind}
            row |= {"points": str(points), "ref_id": ticket or None}
            ref = f"S1|{ticket}" if ticket else ""
            return row, (self.event(f"points_{kind}", record, when, points=signed, ref=ref, detail=detail),)

        written = self.rng.choice((points, -points)) if kind in ("spend", "expire") else points
        states = [state(written, card, ticket)]
        if self.rng.random() < 0.15:
            # told with other points at first, of another card, for another ticket
            other = self.rng.choice([a[1].split(":")[1] for a in self.accounts if a[0] == account[0]])
            sold = self.rng.choice(("", *(sale[0] for sale in self.sales)))
            states.insert(0, state(written + 7, other, self.rng.choice((ticket, sold))))
        self.tell(record, account, *states)
        self.booked[card].append((when, -abs(points) if kind in ("spend", "expire") else points))

    def state(self) -> None:
        """The member file, right about half of the time."""
        account = self.account("pos_member")
        if account is None or ("pos_main", "members", account[1].split(":")[1]) in self.out.accounts:
            return
        card, when = account[1].split(":")[1], self.when()
        held = sum(points for at, points in self.booked[card] if at <= when)
        reported = held if self.rng.random() < 0.5 else self.rng.randint(-5, 40)
        record = (POS, "members", card)
        row = {"member_ref": card, "points_balance": str(reported), "updated_at": str(when)}
        self.count += 1
        self.tell(record, account, (row, (self.event("card_state", record, when, points=reported),)))

    # ---- orders and coupons

    def order(self) -> None:
        account = self.account("openid")
        if account is None:
            return
        number, (appid, openid) = self.number(), account[1].split(":")
        record, placed = (GROUP, "orders", number), self.when()
        paid, closed = (
            placed + timedelta(seconds=self.rng.choice((0, 60, 90_000))),
            placed + timedelta(hours=30),
        )
        earned, spent = self.rng.choice((0, 4, 9)), self.rng.choice((0, 0, 3, 25))
        code = self.rng.choice((None, *self.codes))
        shared = self.rng.random() < 0.15
        row = {
            "order_id": number,
            "appid": appid,
            "openid": openid,
            "created_at": str(placed),
            "store_code": "S1",
        }
        row |= {"order_amount": "10.00", "points_spent": str(spent), "points_earned": str(earned)}
        row |= {"coupon_code": code, "seller_role": "supplier" if shared else "direct"}
        detail = f'{{"appid": "{appid}", "openid": "{openid}", "points_spent": {spent}'
        detail += f', "coupon_code": "{code}"}}' if code else "}"
        told = self.event("order_placed", record, placed, amount_fen=1000, detail=detail)
        was_paid = self.event("order_paid", record, paid, amount_fen=1000, points=earned)
        open_ = (row | {"status": "unpaid", "updated_at": str(placed)}, (told,))
        done = (row | {"status": "paid", "paid_at": str(paid), "updated_at": str(paid)}, (told, was_paid))
        shut = (
            row | {"status": "closed", "updated_at": str(closed)},
            (told, self.event("order_unpaid", record, closed)),
        )
        undone = (
            row | {"status": "closed", "paid_at": str(paid), "updated_at": str(closed)},
            (told, was_paid, self.event("order_cancelled", record, closed)),
        )
        lives = ([done], [done], [open_, done], [open_], [open_, shut], [shut], [done, undone])
        self.tell(record, account, *self.rng.choice(lives))
        self.orders.append(number)
        if shared:
            copy = (GROUP, "orders", number + "H")
            again = row | {
                "order_id": number + "H",
                "seller_role": "helper",
                "status": "paid",
                "paid_at": str(paid),
            }
            self.tell(copy, account, (again, (self.event("order_helper_copy", copy, placed, ref=number),)))

    def coupon(self) -> None:
        account = self.rng.choice(self.accounts)
        at_till = account[0] == "pos_member"
        number, code, when = self.number(), self.rng.choice(self.codes), self.when()
        kind = self.rng.choice(("issued", "issued", "redeemed", "redeemed", "expired", "voided"))
        record = (POS if at_till else GROUP, "coupon_events", number)
        template = self.rng.choice(("", "T0", "T24"))
        used = self.rng.choice((None, *([sale[0] for sale in self.sales] if at_till else self.orders)))
        row = {"event_id": number, "coupon_code": code, "template_id": template or None, "event": kind}
        row |= {"occurred_at": str(when), "ref_id": used if kind == "redeemed" else None}
        if at_till:
            row["member_ref"] = account[1].split(":")[1]
        else:
            row |= dict(zip(("appid", "openid"), account[1].split(":"), strict=True))
        on = "" if used is None or kind != "redeemed" else f"S1|{used}" if at_till else used
        told = self.event(
            f"coupon_{kind}", record, when, ref=code, state=template, detail=f'{{"used_on": "{on}"}}'
        )
        self.tell(record, account, (row, (told,)))
