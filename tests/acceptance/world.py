"""A small chain that is not the simulator's: two tills, two group-buy shops, one WeCom corp, fourteen nights.

Everything here follows the feed contract only. Half of it is shaped by hand (each hard case is one person or one
order with a telling name), half is seeded-random bulk. Phones are generated, none belongs to anybody we know.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

EAST, WEST, WX, MINI, CRM = "till_east", "till_west", "group_wx", "group_mini", "crm"
POS = (EAST, WEST)
APP_WX, APP_MINI, APP_PAY = "wxA0ne", "wxB7wo", "wxP4y"
NIGHTS = [date(2026, 10, 20) + timedelta(days=n) for n in range(14)]
FIRST, LAST = NIGHTS[0], NIGHTS[-1]
SILENT = NIGHTS[8]  # nothing arrives from anybody
SHARES_FROM = NIGHTS[2]  # before this night nobody knows about shares
PLACEHOLDER = "13800138000"
STORES = {"H01": "", "H02": "00:00", "H03": "05:30"}  # code → own cut-over, empty: the chain's
CHAIN_CUTOVER = "04:00"
TILL_STORES = {EAST: ("H01", "H03"), WEST: ("H02", "H03")}

Row = dict[str, Any]


@dataclass
class Person:
    """One customer as the truth knows them; `sure`: the contract leaves no doubt about who this is."""

    name: str
    phone: str = ""
    cards: list[tuple[str, str]] = field(default_factory=list)
    accounts: list[tuple[str, str]] = field(default_factory=list)  # (appid, openid)
    unionid: str = ""
    externals: list[str] = field(default_factory=list)
    consent: str = ""
    called: str = ""  # as members' files, parcels and remarks say it
    sure: bool = True
    hand: bool = True


@dataclass
class Delivery:
    """One file of one night. `fate`: good, broken (must be quarantined), repeat (same bytes as an earlier file)."""

    connection: str
    feed: str
    night: date
    name: str
    rows: list[Row]
    fate: str = "good"
    content: bytes = b""


@dataclass
class World:
    people: dict[str, Person]
    deliveries: list[Delivery]
    phones: set[str]  # every plain phone anywhere, eleven digits
    wecom: dict[str, Any]
    shared_phones: dict[str, str]  # why → phone
    marks: dict[str, Any]  # names of hand-shaped records that tests ask about

    def write_landing(self, landing: Path) -> None:
        for one in self.deliveries:
            path = landing / one.connection / one.feed / one.night.isoformat() / one.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(one.content)


COLUMNS: dict[tuple[str, str], list[str]] = {
    (EAST, "tickets"): [
        "store_code",
        "ticket_id",
        "kind",
        "sold_at",
        "origin_ticket_id",
        "gross",
        "discount",
        "rounding",
        "net",
        "member_ref",
        "phone",
        "pay_openid",
        "pay_appid",
        "cashier_id",
        "points_earned",
        "external_order_no",
        "updated_at",
        "班次",
    ],
    (WEST, "tickets"): [
        "store_code",
        "ticket_id",
        "kind",
        "sold_at",
        "origin_ticket_id",
        "gross",
        "net",
        "member_ref",
        "phone",
        "pay_openid",
        "pay_appid",
        "alipay_user_id",
        "face_token",
        "cashier_id",
    ],
    (EAST, "ticket_lines"): [
        "store_code",
        "ticket_id",
        "line_no",
        "sku",
        "item_name",
        "qty",
        "price",
        "amount",
        "discount",
        "is_gift",
    ],
    (WEST, "ticket_lines"): [
        "store_code",
        "ticket_id",
        "line_no",
        "sku",
        "item_name",
        "category",
        "category_l1",
        "qty",
        "amount",
    ],
    (EAST, "tenders"): ["store_code", "ticket_id", "tender_no", "method", "amount", "change"],
    (WEST, "tenders"): ["store_code", "ticket_id", "tender_no", "method", "amount"],
    (EAST, "members"): [
        "member_ref",
        "phone",
        "name",
        "wx_openid",
        "wx_appid",
        "unionid",
        "home_store",
        "points_balance",
        "created_at",
        "updated_at",
        "status",
        "consent_marketing",
        "consent_at",
        "备用电话",
    ],
    (WEST, "members"): [
        "member_ref",
        "phone",
        "name",
        "created_at",
        "updated_at",
        "consent_marketing",
        "consent_at",
    ],
    (EAST, "products"): [
        "sku",
        "item_name",
        "category",
        "category_l1",
        "unit",
        "shelf_life_days",
        "cost",
        "price",
    ],
    (EAST, "stock"): ["store_code", "sku", "snapshot_at", "on_hand_qty", "received_qty"],
    (EAST, "staff"): ["staff_id", "store_code", "name", "role", "phone", "wecom_userid"],
    (EAST, "points"): ["entry_id", "member_ref", "phone", "occurred_at", "kind", "points", "ref_id"],
    (EAST, "coupon_events"): [
        "event_id",
        "coupon_code",
        "template_id",
        "event",
        "member_ref",
        "phone",
        "occurred_at",
        "ref_id",
        "amount",
    ],
    (WX, "orders"): [
        "order_id",
        "activity_id",
        "store_code",
        "pickup_site",
        "leader_id",
        "channel",
        "openid",
        "appid",
        "unionid",
        "buyer_phone",
        "phone_verified",
        "receiver_phone",
        "receiver_name",
        "created_at",
        "paid_at",
        "status",
        "order_amount",
        "refund_amount",
        "freight",
        "invite_code",
        "sharer_openid",
        "coupon_code",
        "seller_role",
        "updated_at",
    ],
    (MINI, "orders"): [
        "order_id",
        "store_code",
        "leader_id",
        "channel",
        "openid",
        "appid",
        "buyer_phone",
        "phone_verified",
        "receiver_phone",
        "receiver_name",
        "created_at",
        "paid_at",
        "status",
        "order_amount",
        "refund_amount",
        "coupon_code",
        "seller_role",
        "updated_at",
        "备注",
    ],
    (WX, "order_lines"): ["order_id", "line_no", "sku", "item_name", "category", "qty", "amount", "refunded"],
    (MINI, "order_lines"): ["order_id", "line_no", "item_name", "category", "qty", "amount"],
    (WX, "refunds"): [
        "refund_id",
        "order_id",
        "line_no",
        "amount",
        "kind",
        "reason",
        "status",
        "applied_at",
        "finished_at",
    ],
    (MINI, "refunds"): ["refund_id", "order_id", "amount", "kind", "status", "applied_at"],
    (WX, "complaints"): [
        "complaint_id",
        "order_id",
        "store_code",
        "openid",
        "appid",
        "phone",
        "kind",
        "status",
        "opened_at",
    ],
    (WX, "users"): [
        "appid",
        "openid",
        "unionid",
        "phone",
        "phone_verified_at",
        "registered_at",
        "own_invite_code",
        "invited_by_code",
        "consent_marketing",
        "consent_at",
        "updated_at",
    ],
    (MINI, "users"): [
        "appid",
        "openid",
        "unionid",
        "phone",
        "phone_verified_at",
        "registered_at",
        "lng",
        "lat",
        "community",
        "consent_marketing",
        "consent_at",
        "updated_at",
    ],
    (WX, "shares"): ["share_id", "activity_id", "appid", "openid", "shared_at", "channel", "clicks"],
    (MINI, "shares"): ["share_id", "appid", "openid", "shared_at"],
    (WX, "leaders"): ["leader_id", "name", "phone", "store_code", "parent_leader_id", "joined_at"],
    (MINI, "leaders"): ["leader_id", "name", "phone", "joined_at"],
    (WX, "activities"): ["activity_id", "title", "store_code", "leader_id", "starts_at", "ends_at"],
    (WX, "coupon_events"): [
        "event_id",
        "coupon_code",
        "template_id",
        "event",
        "appid",
        "openid",
        "phone",
        "occurred_at",
        "ref_id",
        "amount",
    ],
}

# how a source writes its files: format, and how it writes a time
STYLE: dict[tuple[str, str], tuple[tuple[str, ...], str]] = {
    (EAST, "tickets"): (("csv", "csv.gz", "csv-bom"), "plain"),
    (EAST, "ticket_lines"): (("csv.gz",), "plain"),
    (EAST, "tenders"): (("csv",), "plain"),
    (EAST, "members"): (("xlsx",), "plain"),
    (EAST, "products"): (("csv-gb18030",), "plain"),
    (EAST, "stock"): (("jsonl",), "iso"),
    (EAST, "staff"): (("xlsx",), "plain"),
    (EAST, "points"): (("parquet",), "native"),
    (EAST, "coupon_events"): (("csv",), "plain"),
    (WEST, "tickets"): (("csv-gb18030", "jsonl"), "iso"),
    (WEST, "ticket_lines"): (("jsonl",), "plain"),
    (WEST, "tenders"): (("parquet",), "plain"),
    (WEST, "members"): (("csv-gb18030",), "plain"),
    (WX, "orders"): (("parquet",), "native"),
    (WX, "order_lines"): (("parquet",), "plain"),
    (WX, "refunds"): (("csv-bom",), "plain"),
    (WX, "complaints"): (("csv",), "plain"),
    (WX, "users"): (("jsonl",), "zulu"),
    (WX, "shares"): (("csv.gz",), "zulu"),
    (WX, "leaders"): (("xlsx",), "plain"),
    (WX, "activities"): (("jsonl",), "plain"),
    (WX, "coupon_events"): (("csv-bom",), "plain"),
    (MINI, "orders"): (("xlsx",), "native"),
    (MINI, "order_lines"): (("csv",), "plain"),
    (MINI, "users"): (("csv-gb18030",), "plain"),
    (MINI, "refunds"): (("jsonl",), "iso"),
    (MINI, "shares"): (("xlsx",), "native"),
    (MINI, "leaders"): (("csv",), "plain"),
}

PRODUCTS = [
    ("V01", "小白菜", "叶菜", "蔬菜"), ("V02", "土豆", "根茎", "蔬菜"), ("V03", "番茄", "茄果", "蔬菜"),
    ("M01", "猪肋排", "猪肉", "肉类"), ("E01", "鸡蛋，\n三十枚", "禽蛋", "蛋类"), ("F01", "香蕉", "水果", "水果"),
    ("C01", "烧鸡", "熟食", "熟食"), ("C02", '老坛"卤味"', "熟食", "熟食"),
]  # fmt: skip
COOKED = {"C01", "C02"}


def build_world(seed: int = 20261102) -> World:
    """The whole world in memory, files included; the same seed gives the same rows."""
    return _Builder(seed).build()


class _Builder:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.phones: set[str] = set()
        self.people: dict[str, Person] = {}
        self.rows: dict[tuple[str, str, date], list[Row]] = defaultdict(list)
        self.counter: dict[Any, int] = defaultdict(int)
        self.lines: dict[tuple[str, str, str], list[Row]] = {}
        self.sales: list[tuple[str, Row, date, Person]] = []
        self.orders: list[tuple[str, Row, date, Person]] = []
        self.contacts: list[dict[str, Any]] = []
        self.group_members: list[dict[str, Any]] = []
        self.shared: dict[str, str] = {}
        self.marks: dict[str, Any] = {}

    # ---- small makers -------------------------------------------------------------------------------------------

    def new_phone(self) -> str:
        while True:
            phone = f"19{self.rng.choice('135789')}{self.rng.randrange(10**8):08d}"
            if phone not in self.phones:
                self.phones.add(phone)
                return phone

    def number(self, what: Any) -> int:
        self.counter[what] += 1
        return self.counter[what]

    def put(self, connection: str, feed: str, night: date, row: Row) -> Row:
        night = FIRST if night < FIRST else night
        if night == SILENT:
            night += timedelta(days=1)
        self.rows[connection, feed, min(night, LAST)].append(row)
        return row

    def person(self, name: str, **more: Any) -> Person:
        more.setdefault("phone", self.new_phone())
        more.setdefault("called", _full_name(len(self.people)))
        self.people[name] = Person(name, **more)
        return self.people[name]

    def card(self, who: Person, till: str, ref: str, night: date = FIRST, **more: Any) -> None:
        who.cards.append((till, ref))
        self.member_row(who, till, ref, night, **more)

    def member_row(self, who: Person, till: str, ref: str, night: date, **more: Any) -> None:
        moment = datetime.combine(max(night, FIRST), time(11, 0)) - timedelta(days=40)
        self.put(till, "members", night, {
            "member_ref": ref, "phone": who.phone, "name": who.called, "home_store": TILL_STORES[till][0],
            "points_balance": "12.5", "created_at": moment, "updated_at": moment, "status": "active",
            "unionid": "", "consent_marketing": who.consent, "consent_at": moment if who.consent else None,
        } | more)  # fmt: skip

    def account(self, who: Person, shop: str, openid: str, night: date = FIRST, **more: Any) -> None:
        appid = {WX: APP_WX, MINI: APP_MINI}[shop]
        who.accounts.append((appid, openid))
        moment = datetime.combine(max(night, FIRST), time(9, 30)) - timedelta(days=50)
        self.put(shop, "users", night, {
            "appid": appid, "openid": openid, "unionid": who.unionid, "phone": who.phone,
            "phone_verified_at": moment if more.get("phone", who.phone) else None, "registered_at": moment,
            "own_invite_code": f"INV{who.name}", "community": "海湾小区", "lng": "121.4737", "lat": "31.2304",
            "consent_marketing": who.consent, "consent_at": moment if who.consent else None, "updated_at": moment,
        } | more)  # fmt: skip

    def contact(self, who: Person, staff: str, external: str, mobiles: list[str] | None = None) -> None:
        if external not in who.externals:
            who.externals.append(external)
        self.contacts.append({
            "userid": staff, "external_userid": external, "unionid": who.unionid,
            "remark_mobiles": [who.phone] if mobiles is None else mobiles, "remark": f"{who.called} {who.phone}",
            "createtime": int(datetime(2026, 9, 1, 12, tzinfo=None).timestamp()) + len(self.contacts), "add_way": 1,
        })  # fmt: skip

    def ticket(
        self, who: Person | None, till: str, store: str, moment: datetime, net: str, *, by: str = "card",
        kind: str = "sale", night: date | None = None, skus: list[str] | None = None, origin: str = "",
        ticket_id: str = "", **more: Any,
    ) -> Row:  # fmt: skip
        night = night or moment.date()
        # east numbers its tickets like phones on purpose: an id is text, whatever it looks like
        serial = self.number((till, store))
        row: Row = {
            "store_code": store, "ticket_id": ticket_id or (f"136{serial:08d}" if till == EAST else f"T{serial:05d}"),
            "kind": kind, "sold_at": moment, "origin_ticket_id": origin, "gross": net, "discount": "0.00",
            "rounding": "0", "net": net, "cashier_id": "S1", "updated_at": moment + timedelta(minutes=3), "班次": "早",
        }  # fmt: skip
        if who and by == "card":
            row["member_ref"] = next(ref for t, ref in who.cards if t == till)
        elif who and by == "phone":
            row["phone"] = self.spell(who.phone)
        elif who and by == "pay":
            row["pay_appid"], row["pay_openid"] = who.accounts[0]
        row |= more
        self.put(till, "tickets", night, row)
        if kind in ("sale", "return"):
            self.ticket_lines(till, row, night, skus)
        if kind != "void":
            self.put(till, "tenders", night, {
                "store_code": store, "ticket_id": row["ticket_id"], "tender_no": "1",
                "method": self.rng.choice(["wechat", "alipay", "card"]), "amount": row["net"], "change": "0",
            })  # fmt: skip
        if kind == "sale" and who and not who.hand:
            self.sales.append((till, row, max(night, FIRST), who))
        return row

    def ticket_lines(self, till: str, row: Row, night: date, skus: list[str] | None = None) -> None:
        key = (till, row["store_code"], row["ticket_id"])
        if skus is None:
            skus = [line["sku"] for line in self.lines.get(key, [])] or self.rng.sample(
                [p[0] for p in PRODUCTS if p[0] not in COOKED], self.rng.randint(1, 3)
            )
        parts = _split(row["net"], len(skus))
        self.lines[key] = []
        for n, (sku, part) in enumerate(zip(skus, parts, strict=True), 1):
            _, item, category, top = next(p for p in PRODUCTS if p[0] == sku)
            line = {
                "store_code": row["store_code"], "ticket_id": row["ticket_id"], "line_no": str(n), "sku": sku,
                "item_name": item, "category": category, "category_l1": top, "qty": "1.250" if n == 1 else "1",
                "price": part, "amount": part, "discount": "0", "is_gift": "N",
            }  # fmt: skip
            self.lines[key].append(line)
            self.put(till, "ticket_lines", night, line)

    def order(
        self, who: Person, shop: str, moment: datetime, amount: str, *, night: date | None = None,
        status: str = "completed", skus: list[str] | None = None, order_id: str = "", **more: Any,
    ) -> Row:  # fmt: skip
        night = night or moment.date()
        appid = {WX: APP_WX, MINI: APP_MINI}[shop]
        openid = next((o for a, o in who.accounts if a == appid), "")
        paid = None if status == "unpaid" else moment + timedelta(minutes=2)
        row: Row = {
            "order_id": order_id or f"G{self.number(shop):07d}", "activity_id": "A1",
            "store_code": self.rng.choice(list(STORES)), "pickup_site": "东门", "leader_id": "L-A", "channel": "group",
            "openid": openid, "appid": appid, "unionid": who.unionid, "buyer_phone": self.spell(who.phone),
            "phone_verified": "Y" if who.phone else "", "receiver_phone": who.phone, "receiver_name": who.called,
            "created_at": moment, "paid_at": paid, "status": status, "order_amount": amount, "refund_amount": "0",
            "freight": "0", "seller_role": "direct", "updated_at": moment + timedelta(minutes=5),
        } | more  # fmt: skip
        self.put(shop, "orders", night, row)
        skus = skus or self.rng.sample([p[0] for p in PRODUCTS if p[0] not in COOKED], self.rng.randint(1, 2))
        for n, (sku, part) in enumerate(zip(skus, _split(amount, len(skus)), strict=True), 1):
            _, item, category, _ = next(p for p in PRODUCTS if p[0] == sku)
            self.put(shop, "order_lines", night, {
                "order_id": row["order_id"], "line_no": str(n), "sku": sku, "item_name": item, "category": category,
                "qty": "2", "amount": part, "refunded": "0",
            })  # fmt: skip
        if not who.hand and status == "completed":
            self.orders.append((shop, row, max(night, FIRST), who))
        return row

    def spell(self, phone: str) -> str:
        """The many ways a till writes the same number."""
        if len(phone) != 11 or not phone.isdigit():
            return phone
        forms = (phone, phone, phone, f"+86{phone}", f"86-{phone}", f"{phone[:3]} {phone[3:7]} {phone[7:]}",
                 f"{phone[:3]}-{phone[3:7]}-{phone[7:]}", f" {phone} ")  # fmt: skip
        return self.rng.choice(forms)

    def money(self, low: int = 800, high: int = 8000) -> str:
        return _yuan(self.rng.randint(low, high))

    # ---- the world ----------------------------------------------------------------------------------------------

    def build(self) -> World:
        self.catalogue()
        self.bulk_people()
        self.twins()
        self.shared_numbers()
        self.odd_phones()
        self.bridges()
        self.boundaries()
        self.koc_people()
        self.marketing_people()
        self.till_events()
        self.group_events()
        self.leaks()
        deliveries = self.files()
        return World(self.people, deliveries, self.phones, self.wecom(), self.shared, self.marks)

    def catalogue(self) -> None:
        for sku, item, category, top in PRODUCTS:
            self.put(EAST, "products", FIRST, {
                "sku": sku, "item_name": item, "category": category, "category_l1": top, "unit": "份",
                "shelf_life_days": "2", "cost": "3.10", "price": "6.20",
            })  # fmt: skip
        for night in NIGHTS:
            for sku in ("V01", "C01"):
                self.put(EAST, "stock", night, {
                    "store_code": "H01", "sku": sku, "snapshot_at": datetime.combine(night, time(16)),
                    "on_hand_qty": "12.5", "received_qty": "20",
                })  # fmt: skip
        self.marks["staff_phone"] = self.new_phone()
        self.put(EAST, "staff", FIRST, {
            "staff_id": "S1", "store_code": "H01", "name": "店员甲", "role": "cashier",
            "phone": self.marks["staff_phone"], "wecom_userid": "mgr_h01",
        })  # fmt: skip
        self.put(WX, "leaders", FIRST, {"leader_id": "L-A", "name": "团长甲", "phone": self.new_phone(),
                                        "store_code": "H01", "joined_at": datetime(2026, 1, 5, 10)})  # fmt: skip
        self.put(WX, "activities", FIRST, {
            "activity_id": "A1", "title": "周二蔬菜团", "store_code": "H01", "leader_id": "L-A",
            "starts_at": datetime(2026, 8, 1, 8), "ends_at": datetime(2026, 12, 1, 8),
        })  # fmt: skip

    def bulk_people(self) -> None:
        gaps = [0, 0, 1, 2, 3, 5, 6, 7, 8, 10, 13, 14, 15, 17, 20, 25, 29, 30, 33, 45]
        for n in range(32):
            who = self.person(f"R{n:02d}", hand=False, consent=self.rng.choice(["Y", "Y", "N", ""]))
            kind = n % 4
            if kind in (1, 2):
                who.unionid = f"uR{n:02d}"
            if kind == 0:
                self.card(who, EAST, f"{5000 + n}")
                self.account(who, WX, f"oR{n:02d}")
            elif kind == 1:
                self.card(who, WEST, f"{5000 + n}")
                self.account(who, MINI, f"oR{n:02d}")
            elif kind == 2:
                self.account(who, WX, f"oR{n:02d}w")
                self.account(who, MINI, f"oR{n:02d}m", phone="")
            else:
                self.contact(who, self.rng.choice(["mgr_h01", "mgr_h02"]), f"wmR{n:02d}")
            last = LAST - timedelta(days=gaps[n % len(gaps)])
            days = {last} | {
                last - timedelta(days=self.rng.randint(1, 60)) for _ in range(self.rng.randint(2, 9))
            }
            for day in sorted(days):
                self.purchase(who, kind, day)

    def purchase(self, who: Person, kind: int, day: date) -> None:
        moment = datetime.combine(
            day, time(self.rng.randint(8, 21), self.rng.randint(0, 59), self.rng.randint(0, 59))
        )
        if self.rng.random() < 0.15 and day < LAST:  # around every cut-over
            moment = datetime.combine(day + timedelta(days=1), time(self.rng.choice([0, 3, 4, 5]), 29, 59))
        late = self.rng.choice([0, 0, 0, 0, 0, 1, 2, 4])
        night = max(moment.date(), FIRST) + timedelta(days=late)
        if night > LAST:
            night = LAST
        roll = self.rng.random()
        if kind == 2 or (kind in (0, 1) and roll < 0.45):
            shop = WX if kind == 0 or (kind == 2 and roll < 0.6) else MINI
            self.order(who, shop, moment, self.money(), night=night)
            return
        till = {0: EAST, 1: WEST, 3: self.rng.choice(POS)}[kind]
        by = "phone" if kind == 3 or roll > 0.8 else ("pay" if roll > 0.7 else "card")
        self.ticket(who, till, self.rng.choice(TILL_STORES[till]), moment, self.money(), by=by, night=night)

    def twins(self) -> None:
        """Ids that are different people although they look alike."""
        day = datetime(2026, 10, 25, 10, 15)
        for name, ref in (("case_a", "Vip01a"), ("case_b", "VIP01A")):
            who = self.person(name)
            self.card(who, EAST, ref)
            self.ticket(who, EAST, "H01", day, self.money())
        for name, openid in (("open_case_a", "oQxAbCd"), ("open_case_b", "oQXabcd")):
            who = self.person(name)
            self.account(who, WX, openid)
            self.order(who, WX, day + timedelta(hours=1), self.money())
        for name, shop in (("same_open_wx", WX), ("same_open_mini", MINI)):
            who = self.person(name)
            self.account(who, shop, "oSAMEeverywhere")
            self.order(who, shop, day + timedelta(hours=2), self.money())
        for name, till in (("card_1001_east", EAST), ("card_1001_west", WEST)):
            who = self.person(name)
            self.card(who, till, "1001")
            self.ticket(who, till, "H03", day + timedelta(hours=3), self.money())
        for name, ref in (("zero_card", "007"), ("plain_card", "7")):
            who = self.person(name)
            self.card(who, WEST, ref)
            self.ticket(who, WEST, "H02", day + timedelta(hours=4), self.money())
        # the same receipt number twice in one shop, different in case only
        for name, ticket_id in (("case_a", "Ax1"), ("case_b", "aX1")):
            self.ticket(
                self.people[name], EAST, "H01", day + timedelta(hours=5), self.money(), ticket_id=ticket_id
            )

    def shared_numbers(self) -> None:
        phone = self.shared["three WeChat accounts"] = self.new_phone()
        for n in range(3):
            who = self.person(f"shop_phone_{n}", phone=phone)
            self.account(who, WX, f"oShared{n}", night=NIGHTS[n])
            self.order(who, WX, datetime(2026, 10, 24, 9 + n), self.money())
        self.ticket(None, EAST, "H01", datetime(2026, 10, 26, 9), self.money(), phone=phone)
        phone = self.shared["four cards"] = self.new_phone()
        for n in range(4):
            who = self.person(f"lent_phone_{n}", phone=phone)
            self.card(who, EAST, f"8{n}00", night=NIGHTS[n * 2])
            self.ticket(who, EAST, "H01", datetime(2026, 10, 30, 9 + n), self.money())
        self.ticket(None, WEST, "H02", datetime(2026, 10, 30, 18), self.money(), phone=phone)
        family = self.person("three_cards")  # exactly at the limit: still one person
        for n in range(3):
            self.card(family, EAST, f"9{n}00")
        self.ticket(family, EAST, "H01", datetime(2026, 10, 29, 9), self.money())
        self.ticket(family, WEST, "H02", datetime(2026, 10, 29, 19), self.money(), by="phone")
        nameless = self.person("two_cards", called="")  # no name speaks against one person
        for n in range(2):
            self.card(nameless, WEST, f"9{n}11")
            self.ticket(
                nameless, WEST, "H02", datetime(2026, 10, 28 + n, 9), self.money(), member_ref=f"9{n}11"
            )
        phone = self.shared["a couple's WeChat accounts"] = self.new_phone()
        for n, moment in enumerate((datetime(2026, 10, 20, 9), datetime(2026, 10, 21, 10))):
            who = self.person(f"couple_{n}", phone=phone)
            self.account(who, WX, f"oPair{n}")
            for day in range(0, 8, 4):
                self.order(who, WX, moment + timedelta(days=day), self.money())
        again = self.person(
            "registered_again"
        )  # another openid under the same name, after the first fell silent
        for n in range(2):
            self.account(again, WX, f"oAgain{n}", night=NIGHTS[n * 10], registered_at=datetime(2026, 9, 10) + timedelta(days=n * 20),
                         phone_verified_at=datetime(2026, 9, 10) + timedelta(days=n * 20))  # fmt: skip
            for day in range(2):
                self.order(again, WX, datetime(2026, 9, 11 + day, 9) + timedelta(days=n * 20), self.money(), openid=f"oAgain{n}",
                           night=NIGHTS[n * 10])  # fmt: skip

    def odd_phones(self) -> None:
        day = datetime(2026, 10, 27, 12)
        for n in range(3):
            who = self.person(f"placeholder_{n}", phone=PLACEHOLDER)
            self.card(who, WEST, f"66{n}")
            self.ticket(who, WEST, "H02", day, self.money())
        self.ticket(None, EAST, "H01", day, self.money(), phone=PLACEHOLDER)
        masked = self.person("masked", phone="199****1234")
        self.card(masked, EAST, "7701")
        self.ticket(masked, EAST, "H01", day, self.money())
        self.ticket(None, EAST, "H01", day, self.money(), phone="199****1234")
        ext = self.person("extension", phone=f"{self.new_phone()}-123")
        self.card(ext, WEST, "7702")
        self.ticket(ext, WEST, "H02", day, self.money())
        numbered = self.person("card_is_phone")
        self.card(numbered, WEST, numbered.phone)
        self.account(numbered, MINI, "oCardIsPhone")
        self.ticket(numbered, WEST, "H02", day, self.money())
        self.order(numbered, MINI, day + timedelta(hours=1), self.money())
        floaty = self.person("float_phone")
        self.card(floaty, WEST, "7703", phone=f"{floaty.phone}.0")
        self.account(floaty, MINI, "oFloat")
        self.ticket(floaty, WEST, "H02", day, self.money())
        self.order(floaty, MINI, day + timedelta(hours=1), self.money())
        cell = self.person("numeric_cell")  # XLSX keeps this one as a number
        self.card(cell, EAST, "7704", phone=int(cell.phone))
        self.ticket(cell, EAST, "H01", day, self.money())
        self.ticket(cell, WEST, "H02", day, self.money(), by="phone")
        walk_in = self.person("said_aloud")
        for hour in (9, 11):
            self.ticket(walk_in, EAST, "H01", day + timedelta(hours=hour - 12), self.money(), by="phone")
        for n in range(6):  # nobody
            self.ticket(None, POS[n % 2], "H03", day + timedelta(minutes=n, days=n % 3), self.money())

    def bridges(self) -> None:
        day = datetime(2026, 10, 23, 12)
        union = self.person("unionid_bridge", unionid="uBRIDGE")
        self.account(union, WX, "oBridgeW", phone="")
        self.account(union, MINI, "oBridgeM", night=NIGHTS[5])
        self.contact(union, "clerk_a", "wmBridge", mobiles=[])
        self.order(union, WX, day, self.money(), buyer_phone="", phone_verified="")
        self.ticket(union, EAST, "H01", day, self.money(), by="phone")
        trio = self.person(
            "three_openids", unionid="uTRIO"
        )  # one WeChat account seen by three apps is one account
        self.account(trio, WX, "oTrioW")
        self.account(trio, MINI, "oTrioM")
        self.card(trio, EAST, "4242", wx_openid="oTrioP", wx_appid=APP_PAY, unionid="uTRIO")
        self.order(trio, WX, day, self.money())
        self.order(trio, MINI, day, self.money())
        self.ticket(trio, EAST, "H01", day, self.money())
        giver = self.person("giver")
        parent = self.person("receiver")
        self.account(giver, WX, "oGiver")
        self.card(parent, EAST, "3001")
        self.ticket(parent, EAST, "H01", day, self.money())
        for n in range(3):
            self.order(giver, WX, day + timedelta(days=n), self.money(), receiver_phone=parent.phone)
        two = self.person("two_mobiles", phone="")  # the remark names two numbers: nobody's
        self.contact(two, "clerk_a", "wmTwoMobiles", mobiles=[giver.phone, parent.phone])
        couple = [self.person("wife", sure=False), self.person("husband", sure=False)]
        self.card(couple[0], EAST, "3002")
        self.account(couple[1], WX, "oHusband")
        self.order(couple[1], WX, day, self.money())
        self.ticket(couple[0], EAST, "H01", day, self.money())
        self.ticket(
            couple[0],
            EAST,
            "H01",
            day + timedelta(days=1),
            self.money(),
            pay_openid="oHusband",
            pay_appid=APP_WX,
        )
        for staff in ("mgr_h01", "mgr_h02"):  # one customer, two members of staff: still one
            self.contact(self.people["giver"], staff, "wmGiver")

    def boundaries(self) -> None:
        """Days since the last purchase, and money, exactly on each edge."""
        for gap in (0, 6, 7, 14, 15, 29, 30):
            who = self.person(f"gap_{gap}")
            self.card(who, EAST, f"60{gap:02d}")
            self.ticket(
                who,
                EAST,
                "H01",
                datetime.combine(LAST - timedelta(days=gap), time(12)),
                "20.00",
                skus=["V01"],
            )
        night_owl = self.person(
            "night_owl"
        )  # 03:59:59 belongs to the day before, 04:00:00 does not; half past five
        self.card(night_owl, EAST, "6100")
        for store, clock in (
            ("H01", time(3, 59, 59)),
            ("H01", time(4)),
            ("H03", time(5, 29, 59)),
            ("H03", time(5, 30)),
        ):
            self.ticket(night_owl, EAST, store, datetime.combine(date(2026, 10, 30), clock), "10.00")
        self.card(night_owl, WEST, "6100w")
        for clock in (time(0), time(23, 59, 59)):
            self.ticket(night_owl, WEST, "H02", datetime.combine(date(2026, 10, 30), clock), "10.00")
        for name, amounts in (("spend_500", ["499.00", "1.00"]), ("spend_500_01", ["499.00", "1.01"])):
            who = self.person(name)
            self.card(who, EAST, name)
            for n, amount in enumerate(amounts):
                self.ticket(
                    who, EAST, "H01", datetime.combine(LAST - timedelta(days=29 - n), time(12)), amount
                )
            self.ticket(who, EAST, "H01", datetime.combine(LAST - timedelta(days=30), time(12)), "300.00")
        cook = self.person("cook")
        self.card(cook, EAST, "6200")
        self.ticket(cook, EAST, "H01", datetime(2026, 10, 21, 12), "35.00", skus=["V01", "C01"])
        group_cook = self.person("group_cook")
        self.account(group_cook, WX, "oCook")
        self.order(group_cook, WX, datetime(2026, 10, 21, 12), "35.00", skus=["C02"])
        west_cook = self.person("west_cook")
        self.card(west_cook, WEST, "6201")
        self.ticket(west_cook, WEST, "H02", datetime(2026, 10, 21, 12), "35.00", skus=["C02"])
        ahead = self.person(
            "tomorrow", sure=False
        )  # rung up after midnight in the shop that changes day at midnight
        self.card(ahead, WEST, "6202")
        self.ticket(ahead, WEST, "H02", datetime.combine(LAST - timedelta(days=9), time(12)), "11.00")
        self.ticket(
            ahead, WEST, "H02", datetime.combine(LAST + timedelta(days=1), time(0, 40)), "12.00", night=LAST
        )

    def koc_people(self) -> None:
        def shares(who: Person, shop: str, count: int, first: date) -> None:
            appid, openid = next(a for a in who.accounts if a[0] == {WX: APP_WX, MINI: APP_MINI}[shop])
            for n in range(count):
                moment = datetime.combine(first + timedelta(days=n), time(20, 5))
                self.put(shop, "shares", max(SHARES_FROM, moment.date()), {
                    "share_id": f"s{self.number('share'):04d}", "activity_id": "A1", "appid": appid, "openid": openid,
                    "shared_at": moment, "channel": "group", "clicks": "3",
                })  # fmt: skip

        def spend(who: Person, *amounts: str) -> list[Row]:
            return [
                self.order(who, WX, datetime.combine(LAST - timedelta(days=3 + n), time(11)), amount)
                for n, amount in enumerate(amounts)
            ]

        start = LAST - timedelta(days=12)
        cases = {
            "koc_exact": (("299.00", "1.00"), 5), "koc_fen_short": (("299.00", "0.99"), 6), "koc_four": (("400.00",), 4),
            "koc_complained": (("400.00",), 6), "koc_withdrew": (("400.00",), 6), "koc_by_order": (("400.00",), 6),
            "koc_by_phone": (("400.00",), 6),
        }  # fmt: skip
        bought: dict[str, list[Row]] = {}
        for name, (amounts, count) in cases.items():
            who = self.person(name)
            self.account(who, WX, f"o{name}")
            bought[name] = spend(who, *amounts)
            shares(who, WX, count, start)
        both = self.person("koc_two_apps", unionid="uKOC2")
        self.account(both, WX, "oKoc2w")
        self.account(both, MINI, "oKoc2m")
        spend(both, "150.00", "150.00")
        shares(both, WX, 2, start)
        shares(both, MINI, 3, start)
        old = self.person("koc_old_shares")  # the first lies one day before the thirty days
        self.account(old, WX, "oKocOld")
        spend(old, "400.00")
        shares(old, WX, 5, LAST - timedelta(days=30))
        refunded = self.person("koc_refunded")
        self.account(refunded, WX, "oKocRefunded")
        shares(refunded, WX, 5, start)
        self.refund(WX, spend(refunded, "320.00")[0], "20.01", "done", LAST - timedelta(days=2))

        def complaint(name: str, night: date, status: str, **more: Any) -> None:
            self.put(WX, "complaints", night, {
                "complaint_id": f"c_{name}", "store_code": "H01", "kind": "quality", "status": status,
                "opened_at": datetime.combine(FIRST, time(10)),
            } | more)  # fmt: skip

        complaint("koc_complained", NIGHTS[3], "resolved", openid="okoc_complained", appid=APP_WX)
        complaint("koc_withdrew", NIGHTS[3], "open", openid="okoc_withdrew", appid=APP_WX)
        complaint("koc_withdrew", NIGHTS[10], "withdrawn", openid="okoc_withdrew", appid=APP_WX)
        complaint("koc_by_order", NIGHTS[13], "open", order_id=bought["koc_by_order"][0]["order_id"])
        complaint("koc_by_phone", NIGHTS[4], "open", phone=self.people["koc_by_phone"].phone)
        # the same openid text under the other app is somebody else: must not count
        complaint("koc_exact", NIGHTS[4], "open", openid="okoc_exact", appid=APP_MINI)

    def marketing_people(self) -> None:
        """People who lapsed between the first publication and the second, in every state of consent and reach."""

        def lapsed(name: str, consent: str, *, crm: bool = True, shop: bool = False, gap: int = 18) -> Person:
            who = self.person(name, consent=consent)
            self.card(who, EAST, name)
            if crm:
                self.contact(who, "mgr_h01" if len(name) % 2 else "clerk_a", f"wm_{name}")
            if shop:
                self.account(who, WX, f"o_{name}")
            self.ticket(
                who,
                EAST,
                "H01",
                datetime.combine(LAST - timedelta(days=gap), time(12)),
                "30.00",
                skus=["V01"],
            )
            return who

        for n in range(14):
            lapsed(f"yes_{n}", "Y", gap=17 + n % 6, shop=n % 3 == 0)
        lapsed("never_asked", "", shop=True)
        lapsed("said_no", "N", shop=True)
        for n in range(5):
            lapsed(f"coupon_only_{n}", "Y", crm=False, shop=True)
        lapsed("out_of_reach", "Y", crm=False)
        withdrew = lapsed("withdrew", "Y")
        self.member_row(withdrew, EAST, "withdrew", NIGHTS[10], consent_marketing="N",
                        consent_at=datetime(2026, 10, 29, 9), updated_at=datetime(2026, 10, 29, 9))  # fmt: skip
        emptied = lapsed("emptied", "Y")
        self.member_row(emptied, EAST, "emptied", NIGHTS[11], consent_marketing="", consent_at=None,
                        updated_at=datetime(2026, 10, 30, 9))  # fmt: skip
        late_no = lapsed("old_yes_file", "N")  # an old file with the yes comes in later: the no is newer
        self.member_row(late_no, EAST, "old_yes_file", NIGHTS[12], consent_marketing="Y",
                        consent_at=datetime(2026, 7, 1, 9), updated_at=datetime(2026, 7, 1, 9))  # fmt: skip
        self.marks["must_not_contact"] = ["never_asked", "said_no", "withdrew", "emptied", "old_yes_file"]
        for n in range(6):
            who = self.person(f"joined_at_till_{n}", consent="Y")
            self.card(who, EAST, f"j{n}")
            self.contact(who, "mgr_h01", f"wmJoin{n}")
            self.ticket(
                who, EAST, "H01", datetime.combine(LAST - timedelta(days=2), time(12)), "30.00", skus=["V01"]
            )
            self.join_group("chat1", f"wmJoin{n}", who)
        buyer = self.person("joined_and_ordered", consent="Y")
        self.card(buyer, EAST, "j9")
        self.account(buyer, WX, "oJoined")
        self.contact(buyer, "mgr_h01", "wmJoined")
        self.ticket(
            buyer, EAST, "H01", datetime.combine(LAST - timedelta(days=2), time(12)), "30.00", skus=["V01"]
        )
        self.order(buyer, WX, datetime.combine(LAST - timedelta(days=1), time(12)), "30.00", skus=["V01"])
        self.join_group("chat2", "wmJoined", buyer)

    def join_group(self, chat: str, external: str, who: Person) -> None:
        self.group_members.append({
            "chat_id": chat, "userid": external, "type": 2, "unionid": who.unionid, "join_scene": 3, "state": "H01",
            "join_time": int(datetime(2026, 10, 10, 12).timestamp()), "invitor": "mgr_h01",
        })  # fmt: skip

    def till_events(self) -> None:
        pick = self.rng.sample([s for s in self.sales if s[0] == EAST and s[2] < LAST - timedelta(days=6)], 9)
        for n, (till, row, night, who) in enumerate(pick[:3]):  # partial, also late, also twice
            self.back(till, row, night + timedelta(days=n + 1), _share(row["net"], 3), who)
        self.back(*pick[0][:2], pick[0][2] + timedelta(days=3), _share(pick[0][1]["net"], 4), pick[0][3])
        till, row, night, who = pick[3]
        self.back(till, row, night + timedelta(days=5), row["net"], who)  # whole amount
        for till, row, night, who in pick[4:6]:  # cancelled
            self.void(till, row, night + timedelta(days=1), who)
        till, row, night, who = pick[6]  # a return that was itself cancelled
        undone = self.back(till, row, night + timedelta(days=1), _share(row["net"], 2), who)
        self.void(till, undone, night + timedelta(days=2), who)
        day = datetime(2026, 10, 22, 15)
        early = self.person("void_came_first")
        self.card(early, EAST, "2001")
        self.ticket(early, EAST, "H01", datetime(2026, 10, 21, 9), "15.00")
        self.ticket(
            None,
            EAST,
            "H01",
            day + timedelta(hours=1),
            "44.00",
            kind="void",
            origin="13699990001",
            night=NIGHTS[3],
        )
        self.ticket(early, EAST, "H01", day, "44.00", ticket_id="13699990001", night=NIGHTS[6])
        self.ticket(
            None,
            EAST,
            "H01",
            day + timedelta(hours=2),
            "12.00",
            kind="return",
            origin="13699990002",
            night=NIGHTS[3],
        )
        self.ticket(
            early, EAST, "H01", day + timedelta(hours=1), "31.00", ticket_id="13699990002", night=NIGHTS[7]
        )
        self.ticket(early, EAST, "H01", day, "9.90", kind="return")  # no origin at all
        self.ticket(
            early, EAST, "H01", day, "8.80", kind="return", origin="13600000000"
        )  # an origin nobody has
        self.ticket(early, EAST, "H01", day, "500.00", kind="recharge")
        self.ticket(early, EAST, "H01", day + timedelta(minutes=9), "18.00", gross="20.50", discount="2.50")
        self.ticket(
            early,
            EAST,
            "H01",
            day + timedelta(minutes=19),
            "0.00",
            gross="5.00",
            discount="5.00",
            skus=["V01"],
        )
        fixed = self.rng.sample(
            [s for s in self.sales if s[0] == EAST and s not in pick and s[2] < NIGHTS[9]], 7
        )
        for n, (till, row, night, _) in enumerate(fixed):  # corrected, and an old version that comes in last
            self.correct(till, row, night + timedelta(days=n % 4 + 1), row["updated_at"] + timedelta(hours=5))
            if n < 3:
                self.correct(
                    till, row, night + timedelta(days=5), row["updated_at"] - timedelta(hours=1), lines=False
                )
        west = self.rng.sample([s for s in self.sales if s[0] == WEST and s[2] < NIGHTS[9]], 4)
        for till, row, night, _ in west:  # no updated_at here: the newer file wins
            self.correct(till, row, night + timedelta(days=2), None)
        for n, (till, row, night, who) in enumerate(self.sales[::9]):
            if till == EAST and "member_ref" in row:
                self.put(EAST, "points", night, {
                    "entry_id": f"p{n}", "member_ref": row["member_ref"], "occurred_at": row["sold_at"], "kind": "earn",
                    "points": "3.5", "ref_id": row["ticket_id"],
                })  # fmt: skip
                self.put(EAST, "coupon_events", night, {
                    "event_id": f"e{n}", "coupon_code": f"CP{n}", "template_id": "T1", "event": "issued",
                    "member_ref": row["member_ref"], "phone": who.phone, "occurred_at": row["sold_at"], "amount": "5.00",
                })  # fmt: skip

    def back(self, till: str, row: Row, night: date, amount: str, who: Person) -> Row:
        moment = datetime.combine(min(night, LAST), time(16, 40))
        return self.ticket(
            who, till, row["store_code"], moment, amount, kind="return", origin=row["ticket_id"], by="none"
        )

    def void(self, till: str, row: Row, night: date, who: Person) -> None:
        moment = datetime.combine(min(night, LAST), time(16, 50))
        self.ticket(
            who, till, row["store_code"], moment, row["net"], kind="void", origin=row["ticket_id"], by="none"
        )

    def correct(
        self, till: str, row: Row, night: date, updated: datetime | None, *, lines: bool = True
    ) -> None:
        net = _yuan(_fen(row["net"]) + self.rng.randint(1, 500))
        newer = row | {"net": net, "gross": net}
        if updated:
            newer["updated_at"] = updated
        self.put(till, "tickets", night, newer)
        if lines:
            self.ticket_lines(till, newer, night)
            self.put(till, "tenders", night, {
                "store_code": row["store_code"], "ticket_id": row["ticket_id"], "tender_no": "1", "method": "wechat",
                "amount": net, "change": "0",
            })  # fmt: skip

    def refund(
        self, shop: str, order: Row, amount: str, status: str, night: date, refund_id: str = ""
    ) -> str:
        refund_id = refund_id or f"r{self.number('refund'):04d}"
        self.put(shop, "refunds", night, {
            "refund_id": refund_id, "order_id": order["order_id"], "amount": amount, "kind": "refund_only",
            "reason": "有点蔫", "status": status, "applied_at": datetime.combine(night, time(9)),
            "finished_at": datetime.combine(night, time(10)) if status == "done" else None,
        })  # fmt: skip
        return refund_id

    def group_events(self) -> None:
        early = [o for o in self.orders if o[2] < NIGHTS[8]]
        pick = self.rng.sample(early, 10)
        for n, (shop, row, night, _) in enumerate(pick[:4]):
            self.refund(shop, row, _share(row["order_amount"], 3), "done", night + timedelta(days=n + 1))
        self.refund(
            pick[0][0],
            pick[0][1],
            _share(pick[0][1]["order_amount"], 4),
            "done",
            pick[0][2] + timedelta(days=5),
        )
        shop, row, night, _ = pick[4]  # done, then taken back
        ref = self.refund(shop, row, row["order_amount"], "done", night + timedelta(days=1))
        self.refund(shop, row, row["order_amount"], "withdrawn", night + timedelta(days=4), ref)
        for (shop, row, night, _), status in zip(pick[5:8], ("applied", "refused", "agreed"), strict=True):
            self.refund(shop, row, row["order_amount"], status, night + timedelta(days=1))
        shop, row, night, _ = pick[8]  # the order itself says more than the refunds feed
        self.refund(shop, row, "1.00", "done", night + timedelta(days=1))
        self.put(shop, "orders", night + timedelta(days=2),
                 row | {"refund_amount": "3.00", "updated_at": row["updated_at"] + timedelta(days=2)})  # fmt: skip
        shop, row, night, _ = pick[9]  # the whole order refunded
        self.refund(shop, row, row["order_amount"], "done", night + timedelta(days=3))
        day = datetime(2026, 10, 28, 9)
        who = self.person("order_states")
        self.account(who, WX, "oStates")
        self.account(who, MINI, "oStatesMini")
        first = self.order(who, WX, day, "41.00", status="unpaid")
        self.put(WX, "orders", NIGHTS[10], first | {
            "status": "paid", "paid_at": day + timedelta(hours=1), "updated_at": day + timedelta(hours=1),
        })  # fmt: skip
        self.order(who, WX, day, "42.00", status="unpaid")
        self.order(who, WX, day, "43.00", status="closed")  # paid, then closed
        self.order(who, WX, day, "44.00", status="closed", paid_at=None)
        self.order(who, MINI, day, "45.00", status="shipped")
        self.order(who, MINI, day, "46.00", status="paid", store_code="")
        self.order(who, WX, day, "47.00", receiver_name="测试订单")
        self.order(who, WX, day, "48.00", receiver_name="TEST 王")
        self.order(who, WX, day, "0.00")
        self.order(who, WX, day, "0.00", coupon_code="FREE1")
        self.order(who, WX, day, "49.00", buyer_phone=PLACEHOLDER)
        self.order(who, WX, day, "50.00", seller_role="")
        staff = self.person("staff_buyer", phone=self.marks["staff_phone"], sure=False)
        self.account(staff, WX, "oStaff")
        self.order(staff, WX, day, "51.00")
        self.order(
            who, WX, day, "52.00", seller_role="supplier", leader_id="L-FOREIGN", order_id="HS-foreign"
        )
        self.order(who, WX, day, "53.00", seller_role="supplier", leader_id="L-A", order_id="HS-ours")
        self.order(who, MINI, day, "54.00", seller_role="helper", order_id="HS-helper")
        for n, (shop, row, night, _) in enumerate(early[::6]):
            if shop == WX:
                self.put(WX, "coupon_events", night, {
                    "event_id": f"g{n}", "coupon_code": f"GC{n}", "template_id": "T2", "event": "redeemed",
                    "appid": APP_WX, "openid": row["openid"], "occurred_at": row["created_at"], "ref_id": row["order_id"],
                    "amount": "2.00",
                })  # fmt: skip

    def leaks(self) -> None:
        """Phones where no phone belongs: free text, extra columns, codes, a leader's own number."""
        inside = [self.new_phone() for _ in range(8)]
        self.marks["leak_phones"] = inside
        self.put(WX, "activities", NIGHTS[1], {
            "activity_id": "A2", "title": f"团购热线 {inside[0]} 王姐", "store_code": "H01", "leader_id": "L-A",
            "starts_at": datetime(2026, 9, 1, 8), "ends_at": datetime(2026, 12, 1, 8),
        })  # fmt: skip
        who = self.person("leaky", phone=self.new_phone())
        self.account(who, WX, "oLeaky", own_invite_code=who.phone)
        self.account(who, MINI, "oLeakyMini", community=f"楼长{inside[1]}")
        self.card(who, EAST, "L33ky", 备用电话=inside[2])
        self.put(MINI, "leaders", NIGHTS[1], {"leader_id": inside[3], "name": "团长乙", "phone": inside[3],
                                              "joined_at": datetime(2026, 1, 5, 10)})  # fmt: skip
        day = datetime(2026, 10, 31, 9)
        order = self.order(who, MINI, day, "23.40", leader_id=inside[3], 备注=f"到了打{inside[4]}", receiver_phone=inside[5],
                           receiver_name=f"赵{inside[5]}")  # fmt: skip
        odd_site = self.order(who, WX, day, "23.50", pickup_site=f"张家 {inside[6]}", invite_code=who.phone)
        self.put(WX, "refunds", day.date(), {
            "refund_id": "r_leak", "order_id": odd_site["order_id"], "amount": "1.00",
            "kind": "refund_only", "reason": f"电话{inside[7]}没人接", "status": "applied", "applied_at": day,
        })  # fmt: skip
        self.marks["leaky_order"] = order["order_id"]
        # shifted by one column: the phone stands where the money should be
        self.ticket(who, EAST, "H01", day, "10.00", by="none")
        self.put(EAST, "tickets", day.date(), {
            "store_code": "H01", "ticket_id": "shifted", "kind": "sale", "sold_at": day, "net": f"电话{who.phone}",
            "gross": who.phone, "member_ref": "L33ky", "updated_at": day,
        })  # fmt: skip

    # ---- WeCom --------------------------------------------------------------------------------------------------

    def wecom(self) -> dict[str, Any]:
        return {
            "staff": ["clerk_a", "mgr_h01", "ghost", "mgr_h02", "nobody_home"],
            "empty_staff": "nobody_home",
            "failing_staff": "ghost",
            "contacts": self.contacts,
            "chats": [{"chat_id": c, "owner": "mgr_h01", "status": 0, "create_time": 1_780_000_000, "name": n}
                      for c, n in (("chat1", "一店福利群"), ("chat2", "二店福利群"), ("chat3", "空群"))],
            "group_members": self.group_members,
        }  # fmt: skip

    # ---- files --------------------------------------------------------------------------------------------------

    def files(self) -> list[Delivery]:
        rng = random.Random(7)
        for (_, feed, night), rows in sorted(self.rows.items()):
            if feed in ("tickets", "order_lines", "shares", "tenders") and len(rows) > 2 and night < LAST:
                rows.append(dict(rows[0]))  # the same row twice in one file
        broken_header, broken_book = NIGHTS[5], NIGHTS[11]
        out: list[Delivery] = []
        for (connection, feed, night), rows in sorted(self.rows.items()):
            if connection == WEST and night == NIGHTS[12]:
                night = LAST  # the second till is missing that night and catches up
            if (connection, feed, night) == (EAST, "tickets", broken_header):
                # a file without its money column is refused; the good one comes two nights later
                out.append(self.one(connection, feed, night, "no_net", rows, "csv", without="net"))
                out[-1].fate = "broken"
                night += timedelta(days=2)
                out.append(self.one(connection, feed, night, "again", rows, "csv"))
                continue
            if (connection, feed, night) == (MINI, "orders", broken_book):
                whole = self.one(connection, feed, night, "导出 订单(1)", rows, "xlsx")
                out.append(
                    Delivery(
                        connection,
                        feed,
                        night,
                        whole.name,
                        [],
                        "broken",
                        whole.content[: len(whole.content) * 6 // 10],
                    )
                )
                out.append(
                    self.one(connection, feed, night + timedelta(days=1), "导出 订单(2)", rows, "xlsx")
                )
                continue
            formats = STYLE[connection, feed][0]
            halves = [rows]
            if len(rows) > 12 and feed in (
                "tickets",
                "orders",
            ):  # newer versions of one night stay in the later file
                halves = [rows[: len(rows) // 2], rows[len(rows) // 2 :]]
            for n, part in enumerate(halves):
                if connection == WEST and night == LAST:
                    n += len([d for d in out if (d.connection, d.feed, d.night) == (WEST, feed, LAST)])
                out.append(
                    self.one(
                        connection,
                        feed,
                        night,
                        f"{feed}_{n + 1}",
                        part,
                        formats[(night.day + n) % len(formats)],
                    )
                )
        # the same bytes again the next night under another name
        for one in [
            d for d in out if (d.connection, d.feed) in ((EAST, "members"), (EAST, "tickets"), (WX, "users"))
        ]:
            if (
                one.fate == "good"
                and rng.random() < 0.4
                and one.night < LAST - timedelta(days=1)
                and one.night + timedelta(days=1) != SILENT
            ):
                night = one.night + timedelta(days=1)
                out.append(
                    Delivery(
                        one.connection,
                        one.feed,
                        night,
                        f"copy of {one.name}",
                        one.rows,
                        "repeat",
                        one.content,
                    )
                )
        header_only = self.one(EAST, "coupon_events", NIGHTS[4], "nothing_today", [], "csv")
        out.append(header_only)
        out.append(Delivery(EAST, "tenders", NIGHTS[4], "zero_bytes.csv", [], "broken", b""))
        phone = self.new_phone()
        self.marks["file_name_phone"] = phone
        out.append(self.one(EAST, "tenders", NIGHTS[7], f"导出人{phone}", [
            {"store_code": "H01", "ticket_id": "13600000001", "tender_no": "9", "method": "points", "amount": "0.00",
             "change": "0"}], "csv"))  # fmt: skip
        return out

    def one(
        self,
        connection: str,
        feed: str,
        night: date,
        stem: str,
        rows: list[Row],
        form: str,
        without: str = "",
    ) -> Delivery:
        columns = [c for c in COLUMNS[connection, feed] if c != without]
        clock = STYLE[connection, feed][1]
        base = form.split("-")[0]
        name = f"{stem}.{base}"
        return Delivery(connection, feed, night, name, rows, content=encode(rows, columns, form, clock))


def encode(rows: list[Row], columns: list[str], form: str, clock: str) -> bytes:
    """The rows as one file. `clock`: how times are written (plain, iso, zulu, native)."""
    table = [[_cell(row.get(column), clock) for column in columns] for row in rows]
    if form == "xlsx":
        book = openpyxl.Workbook()
        sheet = book.active
        sheet.append(columns)
        for line in table:
            sheet.append([None if cell == "" else cell for cell in line])
        buffer = io.BytesIO()
        book.save(buffer)
        return buffer.getvalue()
    if form == "parquet":
        arrays = {}
        for n, column in enumerate(columns):
            values = [None if line[n] == "" else line[n] for line in table]
            kind = pa.timestamp("us") if any(isinstance(v, datetime) for v in values) else pa.string()
            arrays[column] = pa.array(values, kind)
        sink = io.BytesIO()
        pq.write_table(pa.table(arrays), sink)
        return sink.getvalue()
    if form == "jsonl":
        lines = [
            json.dumps(
                {c: v for c, v in zip(columns, line, strict=True) if v != "" or n % 2}, ensure_ascii=False
            )
            for n, line in enumerate(table)
        ]
        return ("\n".join(lines) + "\n").encode()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n" if form.startswith("csv-") else "\n")
    writer.writerow(columns)
    writer.writerows(table)
    encoding = {"csv-gb18030": "gb18030", "csv-bom": "utf-8-sig"}.get(form, "utf-8")
    raw = text.getvalue().encode(encoding)
    return gzip.compress(raw, mtime=0) if form == "csv.gz" else raw


def _cell(value: Any, clock: str) -> Any:
    if value is None:
        return ""
    if isinstance(value, datetime):
        if clock == "native":
            return value
        if clock == "zulu":
            return (value - timedelta(hours=8)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return value.strftime("%Y-%m-%dT%H:%M:%S" if clock == "iso" else "%Y-%m-%d %H:%M:%S")
    return value


def _full_name(number: int) -> str:
    """A name of three characters, another one for every number below 1,500."""
    family, given = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗", "建志国伟明丽芳敏秀英强军"
    first = number // len(family) % len(given)
    second = (first + 1 + number // len(family) // len(given)) % len(given)
    return family[number % len(family)] + given[first] + given[second]


def _fen(yuan: str) -> int:
    return int(Decimal(yuan) * 100)


def _yuan(fen: int) -> str:
    return f"{Decimal(fen) / 100:.2f}"


def _share(yuan: str, parts: int) -> str:
    return _yuan(_fen(yuan) // parts)


def _split(yuan: str, parts: int) -> list[str]:
    total = _fen(yuan)
    each = total // parts
    return [_yuan(each) for _ in range(parts - 1)] + [_yuan(total - each * (parts - 1))]
