"""Kuaituantuan (快团团) on the PDD open platform: one router, signed forms, milliseconds, fen, odd reply keys.

Assumed, because no source states it: time bounds are inclusive; order lists come newest first (by the time the window
is about); `pdd.ktt.increment.order.query` has the 24 hours of its sister; groups and sites take `page_number|page_no|
page` and `page_size|size`, groups `start_update_time|start_updated_at` and the like; a list of orders comes as
`order_list` with `total_count`, after-sales as `list` with `has_next`, groups as `activity_list` and sites as
`self_site_info_list` with `total`, one order under `ktt_order_get_response`; unknown types and refused parameters are
10001; a phone that is encrypted looks like $…$1$ (whether KTT encrypts at all is unverified); `refund_amount` of an
after-sales row is without freight.

A token is not refreshed, because no source tells how: a dead one stays dead until the settings hold another.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, ClassVar

from dagster_project.sandbox.clock import BEIJING
from dagster_project.sandbox.vendors.base import Ask, Row, Vendor, VendorError
from dagster_project.sandbox.vendors.goods import moments, phone_of, plain_phone, read_stamp, stamp
from dagster_project.sandbox.vendors.groupbuy import (
    PLACEHOLDER,
    Buyer,
    Piece,
    buyers,
    last_moment,
    masked,
    millis,
    packed,
    some_later,
    spread,
)

ORDERS, CHANGED, ORDER = "pdd.ktt.order.list", "pdd.ktt.increment.order.query", "pdd.ktt.order.get"
AFTER_SALES, COMMISSION = "pdd.ktt.after.sales.increment.list", "pdd.ktt.help.sell.query.commission"
GROUPS, SITES = "pdd.ktt.group.query.list", "pdd.ktt.user.site.pagequery"
REPLY_KEYS = {
    ORDERS: "ktt_order_list_response",
    CHANGED: "ktt_increment_order_query_response",
    ORDER: "ktt_order_get_response",
    AFTER_SALES: "ktt_after_sales_incermet_list_response",  # so spelled by the vendor
    COMMISSION: "response",
    GROUPS: "ktt_group_query_list_response",
    SITES: "ktt_user_site_list_response",
}
FORBIDDEN = ("sign_method", "format", "v")
DAY_MS = 86_400_000
TIMESTAMP_TOLERANCE = 600.0  # seconds
PAGE = ("page_number", "page_no", "page")
SIZE = ("page_size", "size")
FILTERS = ("activity_no", "after_sales_status", "cancel_status", "shipping_status", "verification_status")


def pdd_sign(secret: str, params: Mapping[str, str]) -> str:
    """UPPER(MD5(secret + key and value of every parameter but `sign`, sorted by key + secret))."""
    text = "".join(f"{key}{params[key]}" for key in sorted(params) if key != "sign")
    return hashlib.md5(f"{secret}{text}{secret}".encode()).hexdigest().upper()


class Ktt(Vendor):
    """Two accounts: the one of `access_token`, and of `helper_access_token` that of a leader who helps it to sell."""

    name: ClassVar[str] = "ktt"
    defaults: ClassVar[Mapping[str, str]] = {
        "client_id": "ktt-client",
        "client_secret": "ktt-secret",
        "access_token": "ktt-token",
    }
    options: ClassVar[Mapping[str, str]] = {"helper_access_token": "ktt-helper-token"}
    throttle = (70031, "调用过于频繁，请调整调用频率")
    business_failure = (50001, "业务服务错误")
    paged = (ORDERS, CHANGED, AFTER_SALES, GROUPS, SITES)

    def __init__(self, world: Any, settings: Mapping[str, str], now: datetime | None) -> None:
        super().__init__(world, settings, now)
        self._dead: set[str] = set()

    # the line

    def api_of(self, ask: Ask) -> str | None:
        """The type of the call; None off the router's path."""
        return ask.form.get("type", "") if ask.path.rstrip("/") == "/api/router" else None

    def answer(self, ask: Ask) -> Row:
        account = self._let_in(ask)
        handlers: dict[str, Callable[[Ask, Row], Row]] = {
            ORDERS: self._orders,
            CHANGED: self._changed,
            ORDER: self._order,
            AFTER_SALES: self._after_sales,
            COMMISSION: self._commission,
            GROUPS: self._groups,
            SITES: self._sites,
        }
        if ask.api not in handlers:
            raise VendorError(10001, f"type {ask.api} 不存在")
        return {REPLY_KEYS[ask.api]: handlers[ask.api](ask, account)}

    def refuse(self, ask: Ask, error: VendorError) -> Row:
        request_id = hashlib.sha256(ask.body).hexdigest()[:20]
        return {
            "error_response": {
                "error_code": error.code,
                "error_msg": error.message,
                "sub_code": str(error.code),
                "sub_msg": error.message,
                "request_id": request_id,
            }
        }

    def emptied(self, ask: Ask, body: Row, code: int | str, message: str) -> Row:
        """Only commissions have a failure with the keys of a success; the other types know `error_response` alone."""
        if ask.api != COMMISSION:
            return self.refuse(ask, VendorError(code, message))
        result: Row = {"parent_order_commission_list": []}
        return {"response": {"error_code": code, "error_msg": message, "result": result, "success": False}}

    def code_of(self, body: Row) -> int | str | None:
        shown = body.get("error_response") or body.get("response") or {}
        code: int | str = shown.get("error_code") or 0
        return code

    def kill_tokens(self) -> None:
        self._dead |= {self.setting("access_token"), self.setting("helper_access_token")}

    # who may call

    def _let_in(self, ask: Ask) -> Row:
        """The account whose token it is. Parameters and clock first, then the signature, then the token."""
        form = ask.form
        if ask.method != "POST" or not form:
            raise VendorError(10001, "请使用 POST 表单")
        missing = [name for name in ("type", "client_id", "timestamp", "sign") if not form.get(name)]
        if missing:
            raise VendorError(10001, f"缺少公共参数 {missing[0]}")
        if form["client_id"] != self.setting("client_id"):
            raise VendorError(10001, "client_id 不存在")
        seconds = form["timestamp"]
        if not (seconds.isdigit() and self.timely(float(seconds), TIMESTAMP_TOLERANCE)):
            raise VendorError(10001, "timestamp 与服务器时间相差超过 10 分钟")
        if form["sign"] != pdd_sign(self.setting("client_secret"), form):
            raise VendorError(20004, "签名 sign 校验失败")
        if any(name in form for name in FORBIDDEN):
            raise VendorError(20004, "签名 sign 校验失败：不应传 sign_method、format、v")
        if form.get("data_type") != "JSON":
            raise VendorError(10001, "data_type 只支持 JSON")
        token = form.get("access_token", "")
        if token and token not in self._dead:
            if token == self.setting("access_token"):
                return dict(self.world)
            if token == self.setting("helper_access_token"):
                return dict(self.world["helper"])
        raise VendorError(10019, "access_token 已过期")

    # arguments

    def page_of(self, ask: Ask) -> tuple[int, int]:
        page, size = _integer(ask.form, PAGE, 1), _integer(ask.form, SIZE, 20)
        if page < 1 or not 1 <= size <= 100:
            raise VendorError(10001, "page_number 从 1 开始，page_size 为 1～100")
        return page, size

    @staticmethod
    def _window(ask: Ask, starts: Sequence[str], ends: Sequence[str], most: int) -> tuple[int, int]:
        """Both bounds in ms, at most `most` ms apart. Seconds instead of milliseconds are refused."""
        start, end = _integer(ask.form, starts), _integer(ask.form, ends)
        if start < 10**12 or end < 10**12:
            raise VendorError(10001, f"{starts[0]}、{ends[0]} 须为毫秒时间戳")
        if not 0 <= end - start <= most:
            raise VendorError(10001, f"{starts[0]} 与 {ends[0]} 间隔过大")
        return start, end

    # orders

    def _orders(self, ask: Ask, account: Row) -> Row:
        window = self._window(ask, ["confirm_at_begin"], ["confirm_at_end"], DAY_MS)
        return self._order_page(ask, account, "confirm_at", window)

    def _changed(self, ask: Ask, account: Row) -> Row:
        window = self._window(ask, ["start_updated_at"], ["end_updated_at"], DAY_MS)
        return self._order_page(ask, account, "updated_at", window)

    def _order_page(self, ask: Ask, account: Row, by: str, window: tuple[int, int]) -> Row:
        start, end = window
        page, size = self.page_of(ask)
        wanted = {name: ask.form[name] for name in FILTERS if ask.form.get(name)}
        found = [
            row
            for row in account["orders"]
            if start <= row[by] <= end
            and self.exists(_moment(row["confirm_at"]))
            and all(str(row.get(name)) == value for name, value in wanted.items())
        ]
        found.sort(key=lambda row: (row[by], row["order_sn"]), reverse=True)

        orders: list[Row] = account["orders"]
        updated = end if by == "updated_at" else millis(self.clock())
        rows, total = self.page(
            ask,
            found,
            (page - 1) * size,
            size,
            key=lambda row: str(row["order_sn"]),
            touch=lambda row: row.update(updated_at=updated),
            rename=lambda row: row.update(order_sn=f"{row['order_sn']}{len(orders)}"),
            into=orders,
        )
        return {"order_list": rows, "total_count": total}

    def _order(self, ask: Ask, account: Row) -> Row:
        for row in account["orders"]:
            if row["order_sn"] == ask.form.get("order_sn") and self.exists(_moment(row["confirm_at"])):
                return dict(row)
        raise VendorError(50001, "订单不存在")

    # the rest

    def _after_sales(self, ask: Ask, account: Row) -> Row:
        """Asked in milliseconds, answered in text; less than 24 hours, and a next page instead of a total."""
        start, end = self._window(ask, ["start_updated_at"], ["end_updated_at"], DAY_MS - 1)
        page, size = self.page_of(ask)
        found = [
            row
            for row in account["after_sales"]
            if start <= millis(read_stamp(row["updated_at"])) <= end
            and self.exists(read_stamp(row["created_at"]))
            and (ask.form.get("query_type") != "1" or row["after_sales_status"] in (3, 7))
        ]
        found.sort(key=lambda row: (row["updated_at"], row["after_sales_biz_sn"]), reverse=True)

        sales: list[Row] = account["after_sales"]
        rows, total = self.page(
            ask,
            found,
            (page - 1) * size,
            size,
            key=lambda row: str(row["after_sales_biz_sn"]),
            touch=lambda row: row.update(updated_at=stamp(_moment(end))),
            rename=lambda row: row.update(after_sales_biz_sn=f"{row['after_sales_biz_sn']}{len(sales)}"),
            into=sales,
        )
        return {"has_next": page * size < total, "list": rows}

    def _groups(self, ask: Ask, account: Row) -> Row:
        starts = ("start_update_time", "start_updated_at", "update_time_begin")
        ends = ("end_update_time", "end_updated_at", "update_time_end")
        start, end = self._window(ask, starts, ends, 7 * DAY_MS)
        page, size = self.page_of(ask)
        found = [row for row in account["groups"] if start <= row["update_time"] <= end]
        found = [row for row in found if self.exists(_moment(row["create_time"]))]
        found.sort(key=lambda row: (row["update_time"], row["activity_no"]), reverse=True)
        rows, total = self.page(ask, found, (page - 1) * size, size, key=lambda row: str(row["activity_no"]))
        return {"activity_list": rows, "total": total}

    def _sites(self, ask: Ask, account: Row) -> Row:
        page, size = self.page_of(ask)
        rows, total = self.page(
            ask, list(account["sites"]), (page - 1) * size, size, key=lambda row: str(row["site_no"])
        )
        return {"self_site_info_list": rows, "total": total}

    def _commission(self, ask: Ask, account: Row) -> Row:
        try:
            wanted = json.loads(ask.form.get("parent_order_sn_list", ""))
        except ValueError:
            wanted = None
        if not isinstance(wanted, list) or not wanted:
            raise VendorError(10001, "parent_order_sn_list 须为非空 JSON 列表")
        known: dict[str, list[Row]] = self.world["commissions"]
        found = [{"parent_order_sn": sn, "order_commission_list": known[sn]} for sn in wanted if sn in known]
        result = {"parent_order_commission_list": found}
        return {"error_code": 0, "error_msg": "", "result": result, "success": True}


VENDOR = Ktt


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, BEIJING)


def _integer(form: Mapping[str, str], names: Sequence[str], default: int | None = None) -> int:
    """The first of the named parameters that is given. 10001 when it is missing or no integer."""
    for name in names:
        if value := form.get(name):
            if not value.isdigit():
                raise VendorError(10001, f"{name} 须为整数")
            return int(value)
    if default is None:
        raise VendorError(10001, f"缺少参数 {names[0]}")
    return default


# the world

KINDS = (
    "done",
    "pickup",
    "partial_refund",
    "sold_by_helper",
    "full_refund",
    "masked_phone",
    "questions",
    "freight_refund",
    "empty_phone",
    "helped",
    "cancelled",
    "cipher_phone",
    "done",
    "sold_by_stranger",
    "refund_waiting",
    "shop",
    "null_phone",
    "helper_refund",
    "refund_refused",
    "vouchers",
    "missing_keys",
    "zero_price",
    "privacy_phone",
    "return_goods",
    "test",
    "points_mall",
    "trailing_blanks",
    "refund_withdrawn",
    "gift",
    "partly_sent",
    "for_parents",
    "part_cancelled",
)
HELPED_BY_US = ("sold_by_helper", "helper_refund")
# after-sales status of the order and the row; kind of application; pieces refunded
AFTER_SALES_OF = {
    "partial_refund": (2, 0),
    "full_refund": (2, 0),
    "freight_refund": (2, 0),
    "helper_refund": (2, 0),
    "return_goods": (2, 1),
    "refund_waiting": (3, 0),
    "refund_refused": (4, 0),
    "refund_withdrawn": (8, 0),
}
MAIN, HELPER, STRANGER = "kttOpenMainLeader", "kttOpenHelperLi", "kttOpenStrangerSun"
NICKNAMES = {MAIN: "邻里鲜团长", HELPER: "李姐帮卖团", STRANGER: "孙哥好物"}
SITE_NAMES = ("和平里店", "东直门店", "柳芳南里7号楼王阿姨家")


def make_world(*, seed: int = 7, days: int = 3, per_day: int = 40, end: date) -> dict[str, Any]:
    """The account of a leader: `orders`, `after_sales`, `groups`, `sites`; `commissions` by order; `truth` (counts).

    `helper` holds the same four lists as the account of the leader who helps to sell sees them: an order sold by the
    helper is in both, under one `order_sn`.
    """
    rng = Random(f"ktt {seed}")
    people = buyers(rng, 30)
    last = last_moment(end)
    groups = [_group(end - timedelta(days=back), part) for back in range(days - 1, -1, -1) for part in (1, 2)]
    sites = [_site(rng, number) for number in range(len(SITE_NAMES))]
    books = {name: _Book(groups) for name in (MAIN, HELPER)}
    commissions: dict[str, list[Row]] = {}
    for number, (day, moment) in enumerate(moments(rng, days, per_day, end)):
        kind = KINDS[number % len(KINDS)]
        draft = _Draft(rng, number, kind, moment, people[rng.randrange(len(people))], last)
        books[MAIN].add(draft, groups[2 * day + number % 2], of_helper=False)
        if kind in HELPED_BY_US:
            books[HELPER].add(draft, groups[2 * day], of_helper=True)
            commissions[draft.order_sn] = draft.commissions()
    main, helper = books[MAIN], books[HELPER]
    own = {"orders": main.orders, "after_sales": main.after_sales, "groups": groups, "sites": sites}
    helps = [{**group, "is_help_sell": 1, "activity_no": _helpers(group)} for group in groups[::2]]
    other = {"orders": helper.orders, "after_sales": helper.after_sales, "groups": helps, "sites": []}
    truth = _truth(main, helper, commissions)
    return {**own, "helper": other, "commissions": commissions, "truth": truth}


def _helpers(group: Row) -> str:
    """The number under which the helper's own group sells the same."""
    return f"{group['activity_no']}H"


class _Book:
    """One account's rows; 跟团号 starts again in every group."""

    def __init__(self, groups: list[Row]) -> None:
        self.orders: list[Row] = []
        self.after_sales: list[Row] = []
        self._numbers: Counter[str] = Counter()

    def add(self, draft: _Draft, group: Row, *, of_helper: bool) -> None:
        activity_no = _helpers(group) if of_helper else str(group["activity_no"])
        self._numbers[activity_no] += 1
        self.orders.append(
            draft.order(activity_no, str(group["title"]), self._numbers[activity_no], of_helper=of_helper)
        )
        if row := draft.after_sales():
            self.after_sales.append(row)


class _Draft:
    """One sale in the making, money in fen; `order` is what one of the accounts sees of it."""

    def __init__(
        self, rng: Random, number: int, kind: str, created: datetime, buyer: Buyer, last: datetime
    ) -> None:
        self.rng, self.kind, self.created, self.buyer = rng, kind, created, buyer
        self.order_sn = f"{created:%y%m%d}-{number:05d}{rng.randrange(10**10):010d}"
        self.pieces = packed(rng, rng.randint(2, 4))
        self.goods = sum(piece.amount for piece in self.pieces)
        self.at_site = kind in ("pickup", "vouchers", "sold_by_helper", "helped", "points_mall")
        self.shipping = 0 if self.at_site or kind in ("zero_price", "test") else 800
        self.discount = rng.choice((0, 0, 200)) if self.goods > 1000 else 0
        if kind == "zero_price":
            self.discount = self.goods
        if kind == "test":
            self.discount = self.goods - 1
        self.amount = self.goods - self.discount + self.shipping
        self.shares = spread(self.goods - self.discount, [piece.amount for piece in self.pieces])
        self.sub_sns = [f"{self.order_sn}-{position + 1}" for position in range(len(self.pieces))]
        self.commission = [share * 8 // 100 for share in self.shares]
        self._refund(last)
        self.mobile = self._mobile()

    def _refund(self, last: datetime) -> None:
        """What of which line went back, and when: up to two days after the sale."""
        kind = self.kind
        self.refunded = [0] * len(self.pieces)
        self.refunded_shipping = 0
        if kind in ("full_refund", "return_goods"):
            self.refunded = list(self.shares)
        elif kind == "freight_refund":
            self.refunded_shipping = self.shipping
        elif kind in AFTER_SALES_OF:
            self.refunded[0] = self.shares[0] // 2 or self.shares[0]
        self.updated = some_later(self.rng, self.created, last, days=0.4)
        self.applied = self.updated
        if kind in AFTER_SALES_OF:
            self.applied = some_later(self.rng, self.updated, last, days=1.2)
            self.updated = some_later(self.rng, self.applied, last, days=0.8)

    def _mobile(self) -> str | None:
        phone = self.buyer.phone
        shown: dict[str, str | None] = {
            "masked_phone": masked(phone),
            "cipher_phone": phone_of("cipher", self.rng),
            "empty_phone": "",
            "null_phone": None,
            "privacy_phone": f"{phone}-{self.rng.randrange(100, 1000)}",
            "for_parents": plain_phone(self.rng),
            "test": PLACEHOLDER,
        }
        return shown.get(self.kind, phone)

    @property
    def done(self) -> bool:
        """Whether the refund, if any, was paid."""
        return AFTER_SALES_OF.get(self.kind, (0, 0))[0] == 2

    def _supplied(self, of_helper: bool) -> bool:
        """Whether this account supplies what another sells."""
        return self.kind in (*HELPED_BY_US, "sold_by_stranger") and not of_helper

    def order(self, activity_no: str, title: str, participate_no: int, *, of_helper: bool) -> Row:
        """All keys of the reference; "missing_keys" lacks some, so that missing, null and 0 all occur."""
        kind, buyer = self.kind, self.buyer
        supplied = self._supplied(of_helper)
        seller = {"sold_by_stranger": STRANGER, "helped": MAIN}.get(
            kind, HELPER if kind in HELPED_BY_US else ""
        )
        site = buyer.number % len(SITE_NAMES) if self.at_site else None
        row: Row = {
            "order_sn": self.order_sn,
            "activity_no": activity_no,
            "activity_title": title,
            "participate_no": participate_no,
            "open_id": f"kttBuyer{buyer.number:04d}",
            "nick_name": "测试号" if kind == "test" else buyer.nickname,
            "confirm_at": millis(self.created),
            "updated_at": millis(self.updated),
            "order_amount": self.amount,
            "discount_amount": self.discount,
            "platform_discount_amount": 0,
            "shipping_amount": self.shipping,
            "service_amount": self.amount * 6 // 1000,
            "refund_shipping_amount": self.refunded_shipping if self.done else 0,
            "theoretical_refund_amount": sum(self.refunded) + self.refunded_shipping,
            "after_sales_status": AFTER_SALES_OF.get(kind, (0, 0))[0],
            "cancel_status": int(kind == "cancelled"),
            "shipping_status": {"cancelled": 0, "refund_waiting": 0, "done": 3, "partly_sent": 2}.get(
                kind, 1
            ),
            "verification_status": int(kind == "vouchers"),
            "logistics_type": 20 if self.at_site else 30 if kind == "questions" else 10,
            "mall_activity_type": {"shop": 1, "points_mall": 2}.get(kind, 0),
            "sub_activity_type": 6 if kind == "vouchers" else 0,
            "buyer_memo": {"test": "测试单 不要发货", "questions": "少放葱"}.get(kind, ""),
            "business_note": "已联系" if kind == "refund_refused" else "",
            "secret_remark": "",
            "help_sell_open_id": seller,
            "help_sell_nickname": NICKNAMES.get(seller, ""),
            "is_supplier": supplied,
            "supply_activity_no": activity_no if supplied else "",
            "supply_participate_no": participate_no if supplied else 0,
            "receiver_name": buyer.name if self.mobile else "",
            "receiver_mobile": self.mobile,
            "receiver_address_province": "上海市",
            "receiver_address_city": "上海市",
            "receiver_address_district": "黄浦区",
            "receiver_address_detail": "" if self.at_site else buyer.address,
            "self_pick_site_no": f"S{site + 1:03d}" if site is not None else "",
            "self_pick_up_site_name": SITE_NAMES[site] if site is not None else "",
            "self_pick_up_site_address": "和平里东街 1 号" if site is not None else "",
            "self_pick_up_contact_name": "王阿姨" if site is not None else "",
            "self_pick_up_contact_mobile": PLACEHOLDER if site is not None else "",
            "transaction_id": f"42000{self.order_sn.replace('-', '')}",
            "inner_transaction_id": f"XP{self.order_sn.replace('-', '')}",
            "external_event_sn": None,
            "custom_item_list": self._answers(),
            "gift_order_list": [{"goods_name": "赠 小葱一把", "goods_number": 1}] if kind == "gift" else [],
            "logistics_list": [],
            "sub_order_list": [self._line(position, of_helper) for position in range(len(self.pieces))],
        }
        if kind == "missing_keys":
            for name in ("receiver_mobile", "help_sell_open_id", "discount_amount", "custom_item_list"):
                del row[name]
        return row

    def _answers(self) -> list[Row]:
        """Questions of the leader's own form."""
        if self.kind != "questions":
            return []
        answers = {"楼号（如10）": str(self.buyer.building), "房号（如606）": self.buyer.room}
        return [{"name": name, "value": value} for name, value in answers.items()]

    def _line(self, position: int, of_helper: bool) -> Row:
        piece: Piece = self.pieces[position]
        good, count = piece.good, piece.thousandths // 1000
        cancelled = (
            count if self.kind == "cancelled" or (self.kind == "part_cancelled" and position == 0) else 0
        )
        refunded = self.refunded[position] if self.done else 0
        line: Row = {
            "sub_order_sn": self.sub_sns[position],
            "goods_id": 9_007_199_254_740_000 + int(good.sku),
            "goods_name": good.name,
            "goods_specification": good.unit,
            "sku_id": 1_800_000_000_000 + int(good.sku),
            "external_sku_id": good.sku + ("  " if self.kind == "trailing_blanks" else ""),
            "category_name": good.category,
            "goods_number": count,
            "goods_price": good.price_fen,
            "goods_amount": piece.amount,
            "real_goods_amount": self.shares[position],
            "goods_cost_price": good.price_fen * 7 // 10,
            "goods_purchase_price": None,
            "goods_commission_amount": self.commission[position] if self._supplied(of_helper) else 0,
            "help_sell_amount": self.commission[position] if of_helper or self.kind == "helped" else 0,
            "merchant_discount_amount": piece.amount - self.shares[position],
            "already_cancel_number": cancelled,
            "cancel_status": int(cancelled > 0),
            "refund_goods_amount": refunded,
            "refundable_goods_amount": self.shares[position] - refunded,
            "theoretically_refund_amount": self.refunded[position],
            "shipping_status": 0 if self.kind == "partly_sent" and position == 0 else 1,
            "verification_number": 0,
            "need_verification_number": count if self.kind == "vouchers" else 0,
            "is_supplier": self._supplied(of_helper),
            "voucher_list": [],
        }
        if self.kind == "vouchers":
            line["voucher_list"] = [
                {
                    "voucher_sn": f"{self.sub_sns[position]}V",
                    "expire_date": stamp(self.created + timedelta(days=30)),
                    "valid_verification_times": count,
                    "verified_times": 0,
                    "refund_times": 0,
                }
            ]
        return line

    def after_sales(self) -> Row | None:
        """The row of the after-sales list: times in text here."""
        if self.kind not in AFTER_SALES_OF:
            return None
        status, apply_type = AFTER_SALES_OF[self.kind]
        parts = [
            {"sub_order_sn": sn, "refund_amount": amount}
            for sn, amount in zip(self.sub_sns, self.refunded, strict=True)
            if amount
        ]
        return {
            "after_sales_biz_sn": f"AS{self.order_sn.replace('-', '')}",
            "order_sn": self.order_sn,
            "apply_type": apply_type,
            "after_sales_status": status,
            "created_at": stamp(self.applied),
            "updated_at": stamp(self.updated),
            "apply_extension": {
                "refund_amount": sum(self.refunded),
                "refund_shipping_amount": self.refunded_shipping,
                "sub_extensions": parts,
            },
        }

    def commissions(self) -> list[Row]:
        """Status 1 paid, 2 failed, 3 under way."""
        status = 2 if self.kind == "helper_refund" else 1 + 2 * (self.buyer.number % 2)
        return [
            {"order_sn": sn, "goods_commission": amount, "goods_commission_status": status}
            for sn, amount in zip(self.sub_sns, self.commission, strict=True)
        ]


def _group(day: date, part: int) -> Row:
    start = datetime(day.year, day.month, day.day, 6, tzinfo=BEIJING)
    return {
        "activity_no": f"KT{day:%Y%m%d}{part:02d}",
        "title": f"{day.month}月{day.day}日 {('生鲜早市', '水果晚市')[part - 1]}",
        "is_help_sell": 0,
        "status": 20,
        "start_time": millis(start),
        "end_time": millis(start + timedelta(hours=17)),
        "create_time": millis(start - timedelta(hours=2)),
        "update_time": millis(start + timedelta(hours=17)),
    }


def _site(rng: Random, number: int) -> Row:
    return {
        "site_no": f"S{number + 1:03d}",
        "site_name": SITE_NAMES[number],
        "category_name": "门店" if number < 2 else "小区",
        "province_name": "上海市",
        "city_name": "上海市",
        "district_name": "黄浦区",
        "shipping_address": f"和平里东街 {number + 1} 号",
        "receive_name": "王阿姨",
        "mobile": plain_phone(rng),
        "route_name": "",
        "site_manager_nickname": "",
        "is_delete": number == 2,
    }


def _truth(main: _Book, helper: _Book, commissions: dict[str, list[Row]]) -> dict[str, int]:
    """Counts by kind of trouble (orders of the main account), of rows, phone columns and roles, and sums in fen."""
    kinds = Counter(KINDS[number % len(KINDS)] for number in range(len(main.orders)))
    created = {row["order_sn"]: stamp(_moment(row["confirm_at"])) for row in main.orders}
    done = [row["apply_extension"] for row in main.after_sales if row["after_sales_status"] == 2]
    seen_twice = {row["order_sn"] for row in helper.orders} & set(created)
    phones = Counter(_phone_kind(row) for row in main.orders)
    return {
        **kinds,
        "orders": len(main.orders),
        "lines": sum(len(row["sub_order_list"]) for row in main.orders),
        "order_fen": sum(row["order_amount"] for row in main.orders),
        "after_sales": len(main.after_sales),
        "after_sales_later_day": sum(
            row["created_at"][:10] > created[row["order_sn"]][:10] for row in main.after_sales
        ),
        "refunds_done": len(done),
        "refunded_fen": sum(row["refund_amount"] + row["refund_shipping_amount"] for row in done),
        "helper_orders": len(helper.orders),
        "seen_from_both_roles": len(seen_twice),
        "commissions": len(commissions),
        **{f"phone_{kind}": count for kind, count in phones.items()},
    }


def _phone_kind(row: Row) -> str:
    if "receiver_mobile" not in row:
        return "missing"
    phone = row["receiver_mobile"]
    if phone is None:
        return "null"
    shapes = {PLACEHOLDER: "placeholder", "*": "masked", "$": "cipher", "-": "privacy"}
    return next((kind for mark, kind in shapes.items() if mark in phone), "plain" if phone else "empty")
