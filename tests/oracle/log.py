"""Reads `truth/events.csv.gz` into plain objects, and works out of them what was bought: the ground of all oracles.

Written from the contract and `docs`, shares no code with the pipeline. Money is integer fen, times are shop time. Whose a
record is, comes from the published `record_members`: identity has an oracle of its own.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

Members = Mapping[tuple[str, str, str], str | None]  # (connection, feed, record_id) → member_id
_OF_AN_ORDER = ("sale_line", "return_line", "tender", "order_line")


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the log; what is empty there is None here. `detail` is an object, of a line [price, discount, gift]."""

    seq: int
    at: datetime | None
    night: date | None
    kind: str
    connection: str
    feed: str
    record_id: str
    line_no: str
    person_id: str
    store_code: str
    ref: str
    sku: str
    category: str
    category_l1: str
    qty: Decimal | None
    amount_fen: int
    points: int
    state: str
    detail: Any

    @property
    def when(self) -> datetime:
        assert self.at is not None, self
        return self.at

    @property
    def record(self) -> tuple[str, str, str]:
        return self.connection, self.feed, self.record_id


def read_events(path: Path) -> list[Event]:
    """All events of a log, in its order."""
    with gzip.open(path, "rb") as packed:
        return [event_of(row) for row in csv.DictReader(io.TextIOWrapper(packed, "utf-8", newline=""))]


def event_of(row: Mapping[str, str]) -> Event:
    """An event from the texts of its row; columns that are absent count as empty."""

    def text(name: str) -> str:
        return row.get(name) or ""

    return Event(
        seq=int(text("seq") or 0),
        at=datetime.fromisoformat(text("at")) if text("at") else None,
        night=date.fromisoformat(text("night")) if text("night") else None,
        qty=Decimal(text("qty")) if text("qty") else None,
        amount_fen=int(text("amount_fen") or 0),
        points=int(text("points") or 0),
        detail=json.loads(text("detail") or "{}"),
        **{
            name: text(name)
            for name in (
                *("kind", "connection", "feed", "record_id", "line_no", "person_id", "store_code", "ref"),
                *("sku", "category", "category_l1", "state"),
            )
        },
    )


@dataclass(slots=True)
class Line:
    """One line of a purchase, with what is known to be refunded of it."""

    line_no: str
    sku: str
    item_name: str
    category: str
    category_l1: str
    qty: Decimal
    amount: int
    price: int
    discount: int
    gift: bool
    refunded: int = 0


@dataclass(slots=True)
class Bought:
    """One row of `orders` as it should be."""

    channel: str
    connection: str
    feed: str
    record_id: str
    store_code: str
    at: datetime
    day: date
    net: int
    refund: int = 0
    discount: int = 0
    is_test: bool = False
    is_staff: bool = False
    member: str | None = None
    paid_at: datetime | None = None
    closed_at: datetime | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.channel}|{self.connection}|{self.record_id}"

    @property
    def spend(self) -> int:
        return 0 if self.is_test else max(self.net - self.refund, 0)

    @property
    def is_purchase(self) -> bool:
        return self.spend > 0


class Known:
    """What the pipeline can know in the night of `as_of`.

    Args:
        events: the log.
        as_of: the night; later ones are not there yet.
        members: the published map of records.
        cutover: hour of the day at which a business day begins; `cutovers`: of shops with their own.
    """

    def __init__(
        self,
        events: Iterable[Event],
        as_of: date,
        members: Members,
        cutover: timedelta = timedelta(hours=4),
        cutovers: Mapping[str, timedelta] | None = None,
    ) -> None:
        self.as_of, self.members, self.cutover, self.cutovers = as_of, members, cutover, cutovers or {}
        self.by_kind: dict[str, list[Event]] = defaultdict(list)
        self.parts: dict[tuple[str, str], list[Event]] = defaultdict(list)  # (record, kind) → lines
        for event in events:
            if event.kind in _OF_AN_ORDER:
                self.parts[event.record_id, event.kind].append(event)
            elif event.night is not None and event.night <= as_of:
                self.by_kind[event.kind].append(event)
        self._goods = {event.sku: event for event in self.by_kind["product"]}
        self.staff_cards = self._staff_cards()
        self.bought = {one.key: one for one in [*self._tickets(), *self._orders()]}

    def member_of(self, event: Event) -> str | None:
        return self.members.get(event.record)

    def business_date(self, moment: datetime, store_code: str = "") -> date:
        return (moment - self.cutovers.get(store_code, self.cutover)).date()

    @property
    def purchases(self) -> list[Bought]:
        """What counts as a purchase and is not dated after the night, oldest first."""
        mine = [one for one in self.bought.values() if one.is_purchase and one.day <= self.as_of]
        return sorted(mine, key=lambda one: (one.at, one.key))

    def _staff_cards(self) -> set[str]:
        """Cards whose newest state shows a number of the staff list."""
        newest: dict[str, Event] = {}
        for state in self.by_kind["card_state"]:
            held = newest.get(state.record_id)
            if held is None or (state.when, state.night or date.min) >= (held.when, held.night or date.min):
                newest[state.record_id] = state
        return {card for card, state in newest.items() if state.detail.get("staff_id")}

    def _lines(self, record_id: str, kind: str) -> list[Line]:
        out = []
        for event in sorted(self.parts[record_id, kind], key=lambda e: int(e.line_no)):
            goods = self._goods[event.sku]
            price, discount, gift = (*event.detail, 0, 0)[:3]
            out.append(
                Line(event.line_no, event.sku, goods.detail["item_name"], goods.category, goods.category_l1,
                     event.qty or Decimal(0), event.amount_fen, price, discount, bool(gift))
            )  # fmt: skip
        return out

    def _tickets(self) -> list[Bought]:
        late = {event.record_id: event.detail["card"] for event in self.by_kind["late_card"]}
        sales: dict[str, Bought] = {}
        for event in self.by_kind["sale"]:
            card = late.get(event.record_id) or event.detail.get("card")
            sales[event.record_id] = Bought(
                "pos", event.connection, event.feed, event.record_id, event.store_code, event.when,
                self.business_date(event.when, event.store_code), event.amount_fen,
                discount=event.detail.get("discount_fen", 0), is_staff=card in self.staff_cards,
                member=self.member_of(event), detail=event.detail, lines=self._lines(event.record_id, "sale_line"),
            )  # fmt: skip
        voided = {event.ref for event in self.by_kind["void"]}
        strays = []
        for back in self.by_kind["return"]:
            sale = sales.get(back.ref)
            if back.state == "linked" and sale is not None:
                sale.refund += back.amount_fen
                self._take_back(sale, back)
            else:
                lines = self._lines(back.record_id, "return_line")
                for line in lines:
                    line.refunded, line.amount, line.qty = line.amount, 0, Decimal(0)
                strays.append(
                    Bought("pos", back.connection, back.feed, back.record_id, back.store_code, back.when,
                           self.business_date(back.when, back.store_code), 0, back.amount_fen,
                           member=self.member_of(back), lines=lines)
                )  # fmt: skip
        for record_id in voided & sales.keys():
            sales[record_id].refund = sales[record_id].net
            for line in sales[record_id].lines:
                line.refunded = line.amount
        return [*sales.values(), *strays]

    def _take_back(self, sale: Bought, back: Event) -> None:
        """A return names goods, not lines: they come off the lines of these goods in their order."""
        for event in self.parts[back.record_id, "return_line"]:
            left = event.amount_fen
            for line in sale.lines:
                if line.sku == event.sku:
                    taken = min(left, line.amount - line.refunded)
                    line.refunded += taken
                    left -= taken

    def _orders(self) -> list[Bought]:
        paid = {event.record_id: event for event in self.by_kind["order_paid"]}
        cancelled = {event.record_id: event.when for event in self.by_kind["order_cancelled"]}
        unpaid = {event.record_id: event.when for event in self.by_kind["order_unpaid"]}
        copied = {event.ref for event in self.by_kind["order_helper_copy"]}
        refunds: dict[str, list[Event]] = defaultdict(list)
        for event in self.by_kind["refund_done"]:
            refunds[event.ref].append(event)
        out = []
        for event in self.by_kind["order_placed"]:
            if event.record_id in copied:
                continue  # both sides of the help-selling are ours: the literal rule counts neither
            payment = paid.get(event.record_id)
            net = event.amount_fen if payment else 0
            test = (
                event.detail.get("test") == "yes"
                or "staff_id" in event.detail
                or (event.amount_fen == 0 and "coupon_code" not in event.detail)
            )
            one = Bought(
                "groupbuy", event.connection, event.feed, event.record_id, event.store_code, event.when,
                self.business_date(event.when, event.store_code), net, is_test=test, member=self.member_of(event),
                paid_at=payment.when if payment else None, detail=event.detail,
                closed_at=cancelled.get(event.record_id) or unpaid.get(event.record_id),
                lines=self._lines(event.record_id, "order_line"),
            )  # fmt: skip
            self._refund(one, refunds[event.record_id], event.record_id in cancelled)
            out.append(one)
        return out

    @staticmethod
    def _refund(one: Bought, refunds: list[Event], is_cancelled: bool) -> None:
        whole = is_cancelled or any(not event.line_no for event in refunds)
        one.refund = one.net if is_cancelled else sum(event.amount_fen for event in refunds)
        if one.net == 0:
            one.refund = 0
        for line in one.lines:
            if whole and one.net:
                line.refunded = line.amount
            else:
                line.refunded = sum(e.amount_fen for e in refunds if e.line_no == line.line_no)
