"""The published numbers worked out again in plain Python from the files of a world; shares no code with the pipeline."""

from __future__ import annotations

import base64
import hmac
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from math import comb
from typing import Any

from tests.acceptance.chainkit import KEY
from tests.acceptance.world import CHAIN_CUTOVER, MINI, PLACEHOLDER, POS, PRODUCTS, STORES, WX, World

Row = dict[str, Any]
Node = tuple[Any, ...]
# ("phone", number, turn) | ("card", till, ref) | ("open", appid, openid) | ("union", id) | ("wecom", id)

MAX_CARDS = 3  # of one number at one time
SILENCE, REPLACED_WITHIN = timedelta(days=90), timedelta(days=45)
EVENTS = ("tickets", "orders", "points", "coupon_events", "complaints", "shares")
KEYS = {
    "tickets": ("store_code", "ticket_id"), "ticket_lines": ("store_code", "ticket_id", "line_no"),
    "tenders": ("store_code", "ticket_id", "tender_no"), "members": ("member_ref",), "products": ("sku",),
    "stock": ("store_code", "sku", "snapshot_at"), "staff": ("staff_id",), "points": ("entry_id",),
    "coupon_events": ("event_id",), "orders": ("order_id",), "order_lines": ("order_id", "line_no"),
    "refunds": ("refund_id",), "complaints": ("complaint_id",), "users": ("appid", "openid"), "shares": ("share_id",),
    "leaders": ("leader_id",), "activities": ("activity_id",),
}  # fmt: skip
# the column that says when a record was so; a state's version comes after these
TIMES = {
    "tickets": ("sold_at",), "orders": ("created_at",), "points": ("occurred_at",), "coupon_events": ("occurred_at",),
    "complaints": ("opened_at",), "shares": ("shared_at",), "users": ("phone_verified_at",),
}  # fmt: skip


@dataclass
class Says:
    """What one record says about whom it is about: node → role, the strongest first, and when it was so.

    Roles: own (of one person, so it links), said (at the till; links nothing), payer (may be anybody; recognises),
    known (recognises somebody who is known already), remark (typed by staff).
    """

    feed: str
    at: datetime
    nodes: dict[Node, str]
    born: datetime  # since when the card or account of the record exists


@dataclass
class Holder:
    """A card or a WeChat account that proved a phone number, and from when to when it was in use with it."""

    thing: Node
    apps: frozenset[str]  # kinds of WeChat id of the account; a card has none
    start: datetime
    end: datetime
    events: int
    names: set[str]


@dataclass
class Order:
    """One row of marts.orders as it should be; `says`: what it says about who bought."""

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
    says: Says
    who: str | None = None
    cooked: bool = False
    unlinked: bool = False

    @property
    def key(self) -> tuple[str, str | None, str]:
        return self.connection, self.store_code, published_id(self.source_order_id)

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
            order.who = self.member_of(order.says)
        self.metrics = self._metrics()

    # ---- identity -----------------------------------------------------------------------------------------------

    def _identity(self) -> None:
        """Who is who. The world holds no number that changes in a file, no suspect number and no payer who teaches."""
        self.said = self.records()
        self._accounts()
        self._turns()
        self.parent: dict[Node, Node] = {}
        for _, says in self.said:
            own = [self.placed(n, says) for n, role in says.nodes.items() if role == "own"]
            for node in filter(
                None, [*own, *(self.placed(n, says) for n, r in says.nodes.items() if r == "said")]
            ):
                self.parent.setdefault(node, node)
            if any(role == "remark" for role in says.nodes.values()):
                own.append(self._remarked(says))
            self._tie([node for node in own if node])
        self._assert_one_of_each()

    def _tie(self, nodes: list[Node]) -> None:
        for node in nodes:
            self.parent.setdefault(node, node)
            a, b = self._root(nodes[0]), self._root(node)
            if a != b:
                self.parent[max(a, b, key=repr)] = min(a, b, key=repr)

    def _root(self, node: Node) -> Node:
        while self.parent[node] != node:
            node = self.parent[node]
        return node

    def _accounts(self) -> None:
        """Which WeChat account an openid or a contact is of: its unionid, else itself; and when each was in use."""
        self.account: dict[Node, Node] = {}
        for _, says in self.said:
            union = next((n for n in says.nodes if n[0] == "union"), None)
            for node in says.nodes:
                if node[0] in ("open", "wecom") and union:
                    self.account[node] = union
        self.use: dict[Node, list[tuple[datetime, bool]]] = defaultdict(
            list
        )  # thing → (when, whether it happened)
        self.apps: dict[Node, set[str]] = defaultdict(set)
        self.names: dict[Node, set[str]] = defaultdict(set)
        for _, says in self.said:
            for node in says.nodes:
                thing = self.account.get(node, node)
                happened = says.feed in EVENTS
                self.use[thing].append((says.at if happened or node[0] == "phone" else says.born, happened))
                if node[0] in ("open", "wecom", "union"):
                    self.apps[thing].add(node[1] if node[0] == "open" else node[0])
        for (connection, feed), rows in self.latest.items():
            for row in rows.values():
                if feed == "members" and row["name"]:
                    self.names["card", connection, row["member_ref"]].add(row["name"])
                elif feed == "orders" and row["openid"] and _is_name(row["receiver_name"]):
                    node = ("open", row["appid"], row["openid"])
                    self.names[self.account.get(node, node)].add(row["receiver_name"])
        for contact in self.world.wecom["contacts"] if self.wecom else []:
            node = ("wecom", contact["external_userid"])
            if name := contact["remark"].split(" ")[0]:
                self.names[self.account.get(node, node)].add(name)

    def _turns(self) -> None:
        """The holders of every number one after the other: who had it when, and whether several had it at one time."""
        holders: dict[str, dict[Node, list[datetime]]] = defaultdict(lambda: defaultdict(list))
        for _, says in self.said:
            phones = [n[1] for n, role in says.nodes.items() if n[0] == "phone" and role == "own"]
            for node, role in says.nodes.items():
                if phones and role == "own" and node[0] != "phone":
                    holders[phones[0]][self.account.get(node, node)].append(
                        says.born if node[0] == "card" else says.at
                    )
        self.turn_of: dict[tuple[str, Node], int] = {}
        self.taken: dict[tuple[str, Node], date] = {}  # the day on which a holder took the number
        self.starts: dict[str, list[datetime]] = {}  # of the second turn and later ones
        self.shared: set[tuple[str, int]] = set()
        for phone, things in holders.items():
            found = sorted((self._holder(thing, proved) for thing, proved in things.items()),
                           key=lambda h: (h.start, h.end, repr(h.thing)))  # fmt: skip
            turn: list[Holder] = []
            self.starts[phone] = []
            for one in found:
                if turn and _passes_on(turn, one):
                    self.starts[phone].append(one.start)
                    turn = []
                number = len(self.starts[phone])
                if _are_several(turn, one):
                    self.shared.add((phone, number))
                turn.append(one)
                self.turn_of[phone, one.thing] = number
                self.taken[phone, one.thing] = one.start.date()

    def _holder(self, thing: Node, proved: list[datetime]) -> Holder:
        used = self.use[thing]
        first = min(when for when, _ in used)
        last = max((when for when, happened in used if happened), default=first)
        is_card = thing[0] == "card"
        return Holder(
            thing, frozenset(self.apps[thing]), min(*proved, first) if is_card else min(proved),
            max(min(proved), last) if is_card else max(*proved, last),
            sum(happened for _, happened in used), self.names[thing],
        )  # fmt: skip

    def placed(self, node: Node, says: Says) -> Node | None:
        """The node with the turn of its phone; None when several people have the number then."""
        if node[0] != "phone":
            return node
        own = [self.account.get(n, n) for n, role in says.nodes.items() if role == "own" and n[0] != "phone"]
        turns = [self.turn_of[node[1], thing] for thing in own if (node[1], thing) in self.turn_of]
        by_time = sum(start <= says.at for start in self.starts.get(node[1], []))
        turn = turns[0] if turns and says.nodes[node] == "own" else by_time
        return None if (node[1], turn) in self.shared else ("phone", node[1], turn)

    def _remarked(self, says: Says) -> Node | None:
        """The phone of a contact's remark, when it is nobody else's remark and something proves it."""
        contact = next(iter(says.nodes))
        account = self.account.get(contact, contact)
        phone = next(n for n, role in says.nodes.items() if role == "remark")
        noted_of = {next(iter(s.nodes)) for _, s in self.said if s.nodes.get(phone) == "remark"}
        holders = [thing for number, thing in self.turn_of if number == phone[1]]
        proved = {number for number, thing in self.turn_of if thing == account}
        theirs = set().union(*(self.names[thing] for thing in holders)) if holders else set()
        mine = self.names[account]
        if (
            len(noted_of) > 1
            or (proved and phone[1] not in proved)
            or (theirs and mine and not theirs & mine)
        ):
            return None
        used = [phone, *(thing for thing in holders if thing[0] == "card")]
        met = any(
            abs((s.at.date() - says.at.date()).days) <= 1
            for _, s in self.said
            if s.feed in EVENTS and any(s.nodes.get(node) in ("own", "said") for node in used)
        )
        given = any(abs((self.taken[phone[1], thing] - says.at.date()).days) <= 1 for thing in holders)
        return self.placed(phone, says) if proved or theirs & mine or met or given else None

    def _assert_one_of_each(self) -> None:
        """Nobody has two accounts of one app, but under one name, or too many cards: no such refusal is asked."""
        accounts, cards = defaultdict(set), defaultdict(set)
        for node in self.parent:
            if node[0] in ("open", "wecom"):
                app = node[1] if node[0] == "open" else ""
                accounts[self._root(node), node[0], app].add(self.account.get(node, node))
            elif node[0] == "card":
                cards[self._root(node), node[1]].add(node)
        strange = [
            f for f in accounts.values() if len(f) > 1 and not set.intersection(*(self.names[t] for t in f))
        ]
        assert not strange, strange
        assert all(len(found) <= MAX_CARDS for found in cards.values())

    def member_of(self, says: Says) -> str | None:
        """A name for the group of identifiers of whom this record is about; None: nobody is recognised."""
        for node, role in says.nodes.items():
            placed = self.placed(node, says) if role != "remark" else None
            if placed in self.parent:
                return self.group(placed)
        return None

    def group(self, node: Node) -> str:
        return "/".join(map(str, self._root(node)))

    def records(self) -> list[tuple[tuple[str, str, str], Says]]:
        """(connection, feed, published record id) and what the record says."""
        out = []
        for (connection, feed), rows in self.latest.items():
            for key, row in rows.items():
                says = self.says(connection, feed, row)
                if says.nodes:
                    out.append(((connection, feed, "|".join(map(published_id, key))), says))
        for contact in self.world.wecom["contacts"] if self.wecom else []:
            nodes: dict[Node, str] = {("wecom", contact["external_userid"]): "own"}
            if contact["unionid"]:
                nodes["union", contact["unionid"]] = "own"
            if len(contact["remark_mobiles"]) == 1:
                nodes |= dict.fromkeys(_phone(contact["remark_mobiles"][0]), "remark")
            at = datetime.fromtimestamp(contact["createtime"], UTC).replace(tzinfo=None) + timedelta(hours=8)
            out.append((("crm", "contacts", contact["external_userid"]), Says("contacts", at, nodes, at)))
        return out

    def says(self, connection: str, feed: str, row: Row) -> Says:
        def text(column: str) -> str:
            return str(row.get(column) or "")

        nodes: dict[Node, str] = {}
        ledger = feed in ("tickets", "points") or (feed == "coupon_events" and connection in POS)
        if (ledger or feed == "members") and text("member_ref"):
            nodes["card", connection, text("member_ref")] = "own" if feed == "members" else "said"
        if ledger:
            nodes |= dict.fromkeys(_phone(row.get("phone")), "said")
        if feed == "tickets" and text("pay_openid"):
            nodes["open", text("pay_appid"), text("pay_openid")] = "payer"
        if feed == "members":
            nodes |= dict.fromkeys(_phone(row.get("phone")), "own")
        appid, openid = ("wx_appid", "wx_openid") if feed == "members" else ("appid", "openid")
        if text(appid) and text(openid):
            nodes["open", text(appid), text(openid)] = "own"
        if feed == "users" and row["phone_verified_at"]:
            nodes |= dict.fromkeys(_phone(row["phone"]), "own")
        if feed == "orders" and text("phone_verified") == "Y":
            nodes |= dict.fromkeys(_phone(row.get("buyer_phone")), "own")
        if text("unionid"):
            nodes["union", text("unionid")] = "own"
        if feed == "complaints" or (feed == "coupon_events" and not ledger):
            nodes |= dict.fromkeys(_phone(row.get("phone")), "known")
        times = [row[c] for c in (*TIMES.get(feed, ()), "updated_at") if row.get(c)]
        born = [
            row[c] for c in ("created_at", "registered_at") if feed in ("members", "users") and row.get(c)
        ]
        at = times[0] if times else datetime.min
        return Says(feed, at, nodes, born[0] if born else at)

    def person_groups(self) -> dict[str, set[str]]:
        """Person of the truth → the oracle's groups holding their identifiers: one each, shared by nobody else."""
        out = {}
        for name, who in self.world.people.items():
            nodes: list[Node] = [("card", till, ref) for till, ref in who.cards]
            nodes += [("open", appid, openid) for appid, openid in who.accounts]
            nodes += [("wecom", external) for external in who.externals]
            if not nodes:
                nodes = [("phone", plain_phone(who.phone), 0)]
            out[name] = {self.group(n) for n in nodes if n in self.parent}
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
                     self.says(till, "tickets", row), cooked=cooked, unlinked=unlinked)  # fmt: skip

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
                                 self.says(shop, "orders", row), cooked=row["order_id"] in cooked))  # fmt: skip
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
        for root in {self.group(node) for node in self.parent}:
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
                who = self.member_of(self.says(shop, "shares", row))
                if who and 0 <= (self.as_of - row["shared_at"].date()).days < 30:
                    out[who].shares += 1
            for row in self.latest.get((shop, "complaints"), {}).values():
                who = self.member_of(self.says(shop, "complaints", row))
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
            if ("wecom", member["userid"]) in self.parent:
                out[self.group(("wecom", member["userid"]))].joined_group = True
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


def _passes_on(turn: list[Holder], one: Holder) -> bool:
    """Whether `one` took the number over from all who held it: another person of whom none of them can be."""
    rivals = [held for held in turn if held.apps & one.apps or (not held.apps and not one.apps)]
    if _at_once(rivals, one):
        return False
    if one.start > max(held.end for held in turn) + SILENCE and not any(
        held.names & one.names for held in turn
    ):
        return True
    for held in rivals:
        if held.names & one.names:
            continue
        if held.names and one.names:
            return True  # by another name
        # an account of the same app that does not replace it; before SILENCE it would be at one time with it
        if one.apps and not _replaces(held, one):
            return True
    return False


def _replaces(held: Holder, one: Holder) -> bool:
    """Whether an account of the same app, where names say nothing, is the same person's: soon after, and hardly by chance."""
    return one.start - held.end <= REPLACED_WITHIN and not _is_chance(held, one)


def _is_chance(held: Holder, one: Holder) -> bool:
    """Whether two strangers might follow each other so closely; taking the number is a use of it, too."""
    day = timedelta(days=1)
    ended_so_late = min((held.events + 1) * (one.start - held.end + day) / (one.start - held.start + day), 1)
    return comb(held.events + one.events + 2, held.events + 1) <= 100 * ended_so_late


def _at_once(rivals: list[Holder], one: Holder) -> bool:
    """Two accounts of one app in use at one time, or one after the other before a carrier hands the number out again and no
    proof of one person; or two cards of different names, or without, on another day."""
    return any(
        one.apps & held.apps
        and not (held.names and one.names)
        and one.start - held.end <= SILENCE
        and not _replaces(held, one)
        for held in rivals
    ) or any(
        held.end > one.start
        and not (held.names & one.names and not one.apps)
        and (
            one.apps
            or (held.names and one.names)
            or min(held.events, one.events) > 1
            or held.start.date() < one.start.date() < held.end.date()
        )
        for held in rivals
    )


def _are_several(turn: list[Holder], one: Holder) -> bool:
    """Whether the holders of a number, `one` being the next, cannot all be one person."""
    rivals = [held for held in turn if held.apps & one.apps or (not held.apps and not one.apps)]
    return _at_once(rivals, one) or (not one.apps and len(rivals) + 1 > MAX_CARDS)


def _is_name(text: str) -> bool:
    return text.isalpha() and not text.isascii() and "测试" not in text


def published_id(text: str) -> str:
    """An id as it is published: one that is a phone number is told by its keyed hash only."""
    number = plain_phone(text)
    if number != text or not number.startswith(("13", "19")):
        return text
    secret = hmac.digest(base64.b64decode(KEY), b"linli/phone-token/v1", "sha256")
    digits = hmac.digest(secret, f"+86{number}".encode(), "sha256")[:16].hex()
    return "tel-" + digits.translate(str.maketrans("0123456789abcdef", "abcdefghijklmnop"))


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
