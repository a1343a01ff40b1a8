"""The published numbers worked out again in plain Python from the files of a world; shares no code with the pipeline."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.acceptance.world import CHAIN_CUTOVER, MINI, PLACEHOLDER, POS, PRODUCTS, STORES, WX, World

Row = dict[str, Any]
Node = tuple[
    str, ...
]  # ("phone", number) | ("card", till, ref) | ("open", appid, openid) | ("union", id) | ("wecom", id)

MAX_WECHATS, MAX_CARDS = 2, 3
KEYS = {
    "tickets": ("store_code", "ticket_id"), "ticket_lines": ("store_code", "ticket_id", "line_no"),
    "tenders": ("store_code", "ticket_id", "tender_no"), "members": ("member_ref",), "products": ("sku",),
    "stock": ("store_code", "sku", "snapshot_at"), "staff": ("staff_id",), "points": ("entry_id",),
    "coupon_events": ("event_id",), "orders": ("order_id",), "order_lines": ("order_id", "line_no"),
    "refunds": ("refund_id",), "complaints": ("complaint_id",), "users": ("appid", "openid"), "shares": ("share_id",),
    "leaders": ("leader_id",), "activities": ("activity_id",),
}  # fmt: skip


@dataclass
class Order:
    """One row of marts.orders as it should be; `nodes`: what it says about who bought."""

    channel: str
    connection: str
    source_order_id: str
    store_code: str | None
    ordered_at: datetime
    business_date: date
    net: int
    refund: int
    discount: int | None
    is_test: bool
    nodes: list[Node]
    who: str | None = None
    cooked: bool = False
    unlinked: bool = False

    @property
    def key(self) -> tuple[str, str | None, str]:
        return self.connection, self.store_code, self.source_order_id

    @property
    def spend(self) -> int:
        return 0 if self.is_test else max(self.net - self.refund, 0)


@dataclass
class Metrics:
    last: date | None = None
    days_since: int | None = None
    tier: str | None = None
    spend: dict[int, int] = field(default_factory=dict)
    orders: int = 0
    cooked: bool = False
    shares: int = 0
    complaints: int = 0
    koc: str = "no"
    group_orders: int = 0
    joined_group: bool = False


class Oracle:
    """Everything a publication of night `as_of` should say. `wecom`: its customers had been read by then."""

    def __init__(self, world: World, as_of: date, *, wecom: bool = True) -> None:
        self.world, self.as_of, self.wecom = world, as_of, wecom
        self.latest = _latest(world, as_of)
        self.available = {
            (d.connection, d.feed) for d in world.deliveries if d.night <= as_of and d.fate == "good"
        }
        self._identity()
        self.orders = {order.key: order for order in [*self._pos_orders(), *self._group_orders()]}
        for order in self.orders.values():
            order.who = self.member_of(order.nodes)
        self.metrics = self._metrics()

    # ---- identity -----------------------------------------------------------------------------------------------

    def _identity(self) -> None:
        records = [nodes for _, nodes in self.records()]
        cards, wechats = defaultdict(set), defaultdict(set)
        union_of = {}
        for nodes in records:
            union = next((n for n in nodes if n[0] == "union"), None)
            for node in nodes:
                if node[0] == "open" and union:
                    union_of[node] = union
        for nodes in records:
            for phone in (n for n in nodes if n[0] == "phone"):
                cards[phone].update(n for n in nodes if n[0] == "card")
                wechats[phone].update(union_of.get(n, n) for n in nodes if n[0] == "open")
        self.refused = {p for p in cards if len(cards[p]) > MAX_CARDS} | {
            p for p in wechats if len(wechats[p]) > MAX_WECHATS
        }
        self.parent: dict[Node, Node] = {}
        for nodes in records:
            usable = [n for n in nodes if n not in self.refused]
            for node in usable:
                self.parent.setdefault(node, node)
                a, b = self._root(usable[0]), self._root(node)
                if a != b:
                    self.parent[max(a, b)] = min(a, b)

    def _root(self, node: Node) -> Node:
        while self.parent[node] != node:
            node = self.parent[node]
        return node

    def member_of(self, nodes: list[Node]) -> str | None:
        """A name for the group of identifiers this record belongs to; None: nobody is recognised."""
        found = {self._root(n) for n in nodes if n in self.parent}
        return "/".join(min(found)) if found else None

    def records(self) -> list[tuple[tuple[str, str, str], list[Node]]]:
        """(connection, feed, record id) and the identifiers the record ties together."""
        out = []
        for (connection, feed), rows in self.latest.items():
            for key, row in rows.items():
                if nodes := self.nodes(connection, feed, row):
                    out.append(((connection, feed, "|".join(key)), nodes))
        for contact in self.world.wecom["contacts"] if self.wecom else []:
            nodes: list[Node] = [("wecom", contact["external_userid"])]
            if contact["unionid"]:
                nodes.append(("union", contact["unionid"]))
            if len(contact["remark_mobiles"]) == 1:
                nodes += _phone(contact["remark_mobiles"][0])
            out.append((("crm", "contacts", contact["external_userid"]), nodes))
        return out

    def nodes(self, connection: str, feed: str, row: Row) -> list[Node]:
        def text(column: str) -> str:
            return str(row.get(column) or "")

        nodes: list[Node] = []
        if feed in ("tickets", "members", "points", "coupon_events") and text("member_ref"):
            nodes.append(("card", connection, text("member_ref")))
        appid, openid = text("appid"), text("openid")
        if feed == "tickets":
            appid, openid = text("pay_appid"), text("pay_openid")
        if feed == "members":
            appid, openid = text("wx_appid"), text("wx_openid")
        if appid and openid:
            nodes.append(("open", appid, openid))
        if text("unionid"):
            nodes.append(("union", text("unionid")))
        if feed in ("tickets", "members", "points", "coupon_events", "users", "complaints"):
            nodes += _phone(row.get("phone"))
        if feed == "orders" and text("phone_verified") == "Y":
            nodes += _phone(row.get("buyer_phone"))
        return nodes

    def person_groups(self) -> dict[str, set[str]]:
        """Person of the truth → the oracle's groups holding their identifiers: one each, shared by nobody else."""
        out = {}
        for name, who in self.world.people.items():
            nodes: list[Node] = [("card", till, ref) for till, ref in who.cards]
            nodes += [("open", appid, openid) for appid, openid in who.accounts]
            nodes += [("wecom", external) for external in who.externals]
            if not nodes:
                nodes = _phone(who.phone)
            out[name] = {"/".join(self._root(n)) for n in nodes if n in self.parent}
        return out

    # ---- orders -------------------------------------------------------------------------------------------------

    def _pos_orders(self) -> list[Order]:
        out = []
        category = {sku: top for sku, _, _, top in PRODUCTS}
        for till in POS:
            tickets = self.latest.get((till, "tickets"), {})
            cooked = {
                (line["store_code"], line["ticket_id"])
                for line in self.latest.get((till, "ticket_lines"), {}).values()
                if category[line["sku"]] == "熟食"
            }
            voided = {
                (r["store_code"], r["origin_ticket_id"]) for r in tickets.values() if r["kind"] == "void"
            }
            returned: dict[tuple[str, str], int] = defaultdict(int)
            unlinked = []
            for key, row in tickets.items():
                if row["kind"] == "return" and key not in voided:
                    origin = (row["store_code"], row.get("origin_ticket_id") or "")
                    if tickets.get(origin, {}).get("kind") == "sale":
                        returned[origin] += fen(row["net"])
                    else:
                        unlinked.append(row)
            for key, row in tickets.items():
                if row["kind"] == "sale":
                    refund = fen(row["net"]) if key in voided else returned[key]
                    out.append(self._pos_order(till, row, fen(row["net"]), refund, key in cooked))
            out += [self._pos_order(till, row, 0, fen(row["net"]), False, unlinked=True) for row in unlinked]
        return out

    def _pos_order(
        self, till: str, row: Row, net: int, refund: int, cooked: bool, unlinked: bool = False
    ) -> Order:
        discount = fen(row["discount"]) if till == "till_east" and row["kind"] == "sale" else None
        return Order("pos", till, row["ticket_id"], row["store_code"], row["sold_at"],
                     business_date(row["sold_at"], row["store_code"]), net, refund, discount, False,
                     self.nodes(till, "tickets", row), cooked=cooked, unlinked=unlinked)  # fmt: skip

    def _group_orders(self) -> list[Order]:
        out = []
        leaders = {key[0] for shop in (WX, MINI) for key in self.latest.get((shop, "leaders"), {})}
        staff = {
            p for row in self.latest.get(("till_east", "staff"), {}).values() for p in _phone(row["phone"])
        }
        for shop in (WX, MINI):
            done: dict[str, int] = defaultdict(int)
            for row in self.latest.get((shop, "refunds"), {}).values():
                if row["status"] == "done":
                    done[row["order_id"]] += fen(row["amount"])
            cooked = {
                line["order_id"]
                for line in self.latest.get((shop, "order_lines"), {}).values()
                if line["category"] == "熟食"
            }
            for row in self.latest.get((shop, "orders"), {}).values():
                role = row.get("seller_role") or "direct"
                if role == "helper" or (role == "supplier" and row.get("leader_id") in leaders):
                    continue
                net, refund = fen(row["order_amount"]), max(done[row["order_id"]], fen(row["refund_amount"]))
                if row["status"] == "unpaid" or (row["status"] == "closed" and not row["paid_at"]):
                    net = 0
                elif row["status"] == "closed":
                    refund = net
                name = (row.get("receiver_name") or "").lower()
                test = (
                    "测试" in name or "test" in name
                    or row.get("buyer_phone") == PLACEHOLDER
                    or any(p in staff for p in _phone(row.get("buyer_phone")))
                    or (fen(row["order_amount"]) == 0 and not row.get("coupon_code"))
                )  # fmt: skip
                store = row.get("store_code") or None
                out.append(Order("groupbuy", shop, row["order_id"], store, row["created_at"],
                                 business_date(row["created_at"], store), net, refund, None, test,
                                 self.nodes(shop, "orders", row), cooked=row["order_id"] in cooked))  # fmt: skip
        return out

    def lines_of(self, order: Order) -> list[Row]:
        """The newest lines of an order."""
        if order.channel == "pos":
            rows = self.latest.get((order.connection, "ticket_lines"), {}).values()
            return [
                r
                for r in rows
                if (r["store_code"], r["ticket_id"]) == (order.store_code, order.source_order_id)
            ]
        rows = self.latest.get((order.connection, "order_lines"), {}).values()
        return [r for r in rows if r["order_id"] == order.source_order_id]

    # ---- numbers ------------------------------------------------------------------------------------------------

    def store_days(self) -> dict[tuple[str, date], dict[str, int]]:
        days: dict[tuple[str, date], dict[str, int]] = {}
        for order in self.orders.values():
            if order.spend > 0 and order.store_code:
                cell = days.setdefault(
                    (order.store_code, order.business_date),
                    {"orders": 0, "net_fen": 0, "identified_orders": 0},
                )
                cell["orders"] += 1
                cell["net_fen"] += order.spend
                cell["identified_orders"] += order.who is not None
        return days

    def _metrics(self) -> dict[str, Metrics]:
        out: dict[str, Metrics] = defaultdict(Metrics)
        for root in {"/".join(self._root(node)) for node in self.parent}:
            out[root] = Metrics(spend={7: 0, 30: 0, 90: 0})
        for order in self.orders.values():
            if order.spend <= 0 or order.who is None or order.business_date > self.as_of:
                continue
            m = out[order.who]
            age = (self.as_of - order.business_date).days
            m.last = max(m.last or order.business_date, order.business_date)
            m.orders += 1
            m.cooked |= order.cooked
            m.group_orders += order.channel == "groupbuy"
            for days in (7, 30, 90):
                if age < days:
                    m.spend[days] += order.spend
        for shop in (WX, MINI):
            for row in self.latest.get((shop, "shares"), {}).values():
                who = self.member_of(self.nodes(shop, "shares", row))
                if who and 0 <= (self.as_of - row["shared_at"].date()).days < 30:
                    out[who].shares += 1
            for row in self.latest.get((shop, "complaints"), {}).values():
                who = self.member_of(self.nodes(shop, "complaints", row))
                if who is None and row.get("order_id"):
                    order = next(
                        (
                            o
                            for o in self.orders.values()
                            if (o.connection, o.source_order_id) == (shop, row["order_id"])
                        ),
                        None,
                    )
                    who = order.who if order else None
                if who and row["status"] != "withdrawn" and row["opened_at"].date() <= self.as_of:
                    out[who].complaints += 1
        for member in self.world.wecom["group_members"]:
            if who := self.member_of([("wecom", member["userid"])]):
                out[who].joined_group = True
        knows_shares = any((shop, "shares") in self.available for shop in (WX, MINI))
        for m in out.values():
            if m.last:
                m.days_since = (self.as_of - m.last).days
                m.tier = next(
                    t
                    for t, edge in (("L3", 30), ("L2", 15), ("L1", 7), ("active", 0))
                    if m.days_since >= edge
                )
            yes = m.spend[30] >= 30000 and m.shares >= 5 and m.complaints == 0
            m.koc = ("yes" if yes else "no") if knows_shares else "unknown"
        return dict(out)

    def segments(self) -> dict[str, set[str]]:
        items = self.metrics.items()
        return {
            "no_purchase_7d": {who for who, m in items if m.days_since is not None and m.days_since >= 7},
            "spend_30d_over_500": {who for who, m in items if m.spend[30] > 50000},
            "potential_group_buyer": {who for who, m in items if m.joined_group and not m.group_orders},
            "never_bought_cooked": {who for who, m in items if m.orders >= 1 and not m.cooked},
        }


def business_date(moment: datetime, store: str | None) -> date:
    """The shop's day: the calendar day of the moment minus the cut-over."""
    hours, minutes = (STORES.get(store or "") or CHAIN_CUTOVER).split(":")
    return (moment - timedelta(hours=int(hours), minutes=int(minutes))).date()


def fen(yuan: Any) -> int:
    return int((Decimal(str(yuan or "0")) * 100).to_integral_exact())


def plain_phone(value: Any) -> str:
    """Eleven digits when the text is one whole mobile number, else empty."""
    text = str(value or "").strip().removesuffix(".0")
    for mark in (" ", "-", "+"):
        text = text.replace(mark, "")
    if len(text) == 13 and text.startswith("86"):
        text = text[2:]
    return text if len(text) == 11 and text.isdigit() and text[0] == "1" else ""


def _phone(value: Any) -> list[Node]:
    number = plain_phone(value)
    return [("phone", number)] if number and number != PLACEHOLDER else []


def _latest(world: World, as_of: date) -> dict[tuple[str, str], dict[tuple[str, ...], Row]]:
    """The winning version of every key among what had arrived: newest updated_at, else newest file, else later row."""
    best: dict[tuple[str, str], dict[tuple[str, ...], tuple[Any, Row]]] = defaultdict(dict)
    for one in world.deliveries:
        if one.night > as_of or one.fate != "good":
            continue
        for number, row in enumerate(one.rows):
            if one.feed == "tickets" and not _is_money(row["net"]):
                continue  # a row that cannot be counted is refused
            key = tuple(str(row[column]) for column in KEYS[one.feed])
            updated = row.get("updated_at") if one.connection != "till_west" else None
            order = (updated or datetime.min, one.night, one.name, number)
            held = best[one.connection, one.feed].get(key)
            if held is None or order > held[0]:
                best[one.connection, one.feed][key] = (order, row)
    return {feed: {key: row for key, (_, row) in rows.items()} for feed, rows in best.items()}


def _is_money(text: str) -> bool:
    try:
        Decimal(text)
    except InvalidOperation:
        return False
    return True
