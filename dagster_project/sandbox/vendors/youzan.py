"""Youzan (有赞) as an HTTP server: four reply shapes, page and window caps, ciphertext phones with their decryption.

Assumed, because no source states it: time bounds are inclusive; lists come newest first (by update time when that
window is asked for, else by creation); refund search knows `create_time_start/_end` and `update_time_start/_end`
(also `start_created` and the like), customers `page_no|page`, `page_size|size` and `created_at_start/_end`; the
decryption takes `sources` and answers a map from ciphertext to plaintext, leaving out what it cannot read; refund
states 10 applied, 50 withdrawn, 60 done; 1103 for every refused credential; 5000 for every other refusal.
"""

from __future__ import annotations

import json
from base64 import b64encode
from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import date, datetime, timedelta
from hashlib import sha256
from random import Random
from time import time
from typing import Any, ClassVar

from dagster_project.sandbox.clock import BEIJING
from dagster_project.sandbox.vendors.base import Ask, Row, Vendor, VendorError
from dagster_project.sandbox.vendors.goods import moments, plain_phone, read_stamp, stamp
from dagster_project.sandbox.vendors.groupbuy import (
    PLACEHOLDER,
    Buyer,
    Piece,
    buyers,
    fen,
    last_moment,
    masked,
    packed,
    some_later,
    spread,
    yuan,
)

INDEX_LAG = timedelta(seconds=30)
TRADES, REFUNDS = "youzan.trades.sold.get", "youzan.trade.refund.search"
CUSTOMERS, DECRYPT = "youzan.scrm.customer.list", "youzan.cloud.secret.decrypt.batch"
VERSIONS = {TRADES: "4.0.4", REFUNDS: "3.0.1", CUSTOMERS: "1.0.0", DECRYPT: "1.0.0"}
CODE_AS_TEXT = (REFUNDS, CUSTOMERS)  # "code" may be an int or a string, and is one of each here
GATEWAY_CODES = (4001, 4005, 4007, 4009, 4101, 4201, 4202, 4203, 4204, 5001)
EMPTY: dict[str, Row] = {
    TRADES: {"total_results": 0, "full_order_info_list": []},
    REFUNDS: {"total": 0, "refunds": []},
    CUSTOMERS: {"total": 0, "record_list": []},
    DECRYPT: {},
}
PAGES = {TRADES: (100, 100), REFUNDS: (3000, 100), CUSTOMERS: (500, 50)}  # most pages, most rows a page
ROWS = {TRADES: 10_000, REFUNDS: 3_000, CUSTOMERS: 10_000}  # page_no × page_size
WINDOWS = {
    "created": ("start_created", "end_created"),
    "update_time": ("start_update", "end_update"),
    "success_time": ("start_success", "end_success"),
    "pay_time": ("start_pay", "end_pay"),
}
REFUND_WINDOWS = {
    "created": (("create_time_start", "start_created"), ("create_time_end", "end_created")),
    "modified": (("update_time_start", "start_update"), ("update_time_end", "end_update")),
}


class Youzan(Vendor):
    name: ClassVar[str] = "youzan"
    defaults: ClassVar[Mapping[str, str]] = {
        "client_id": "youzan-client",
        "client_secret": "youzan-secret",
        "kdt_id": "110001",
        "decrypt": "off",  # a wish of the caller; the vendor decrypts for whoever asks
    }
    options: ClassVar[Mapping[str, str]] = {"token_seconds": "604800"}
    throttle = (4101, "请求太频繁，请稍后再试")
    business_failure = (5000, "trade not found")
    paged = PAGES

    # the line

    def api_of(self, ask: Ask) -> str:
        """auth/token, the api's name without its version, or the path as it is: Youzan answers 200 to all."""
        parts = ask.path.strip("/").split("/")
        return parts[1] if parts[0] == "api" and len(parts) == 3 else "/".join(parts)

    def answer(self, ask: Ask) -> Row:
        if ask.api == "auth/token":
            return self._token(ask)
        self._let_in(ask)
        handlers: dict[str, Callable[[Ask], Row]] = {
            TRADES: self._trades,
            REFUNDS: self._refunds,
            CUSTOMERS: self._customers,
            DECRYPT: self._decrypt,
        }
        data = handlers[ask.api](ask)
        code: int | str = "200" if ask.api in CODE_AS_TEXT else 200
        return {
            "trace_id": _trace(ask),
            "code": code,
            "success": True,
            "data": data,
            "message": "successful",
        }

    def refuse(self, ask: Ask, error: VendorError) -> Row:
        if error.shape == "gateway" or error.code in GATEWAY_CODES:
            gateway = {"trace_id": _trace(ask), "err_code": error.code, "err_msg": error.message}
            return {"gw_err_resp": gateway}
        if ask.api == "auth/token":
            return {"success": False, "code": error.code, "data": None, "message": error.message}
        data = deepcopy(EMPTY.get(ask.api, {}))
        return {"code": error.code, "success": False, "message": error.message, "data": data}

    def emptied(self, ask: Ask, body: Row, code: int | str, message: str) -> Row:
        return self.refuse(ask, VendorError(code, message))

    def code_of(self, body: Row) -> int | str | None:
        return body["gw_err_resp"]["err_code"] if "gw_err_resp" in body else body.get("code")

    def kill_tokens(self) -> None:
        """From now on the token is not found (4203); one that has run out is expired (4202)."""
        self._killed = True
        super().kill_tokens()

    # who may call

    _killed = False

    def _token(self, ask: Ask) -> Row:
        given = ask.json or {}
        if ask.method != "POST" or "json" not in ask.content_type:
            raise VendorError(4007, "请求方式或 content-type 不支持", shape="gateway")
        if str(given.get("client_id")) != self.setting("client_id"):
            raise VendorError(1103, "Client 不存在")
        if given.get("authorize_type") != "silent":
            raise VendorError(1103, "authorize_type 不支持")
        if str(given.get("client_secret")) != self.setting("client_secret"):
            raise VendorError(1103, "client_secret 不正确")
        if str(given.get("grant_id")) != self.setting("kdt_id"):
            raise VendorError(1103, "店铺未授权")
        seconds = float(self.setting("token_seconds"))
        data = {
            "access_token": self.tokens.issue(self.name, seconds),
            "expires": int((time() + seconds) * 1000),
            "authority_id": self.setting("kdt_id"),
            "scope": "multi_store shop item trade logistics crm",
        }
        return {"success": True, "code": 200, "data": data, "message": None}

    def _let_in(self, ask: Ask) -> None:
        parts = ask.path.strip("/").split("/")
        if len(parts) != 3 or parts[0] != "api":
            raise VendorError(4001, "请求路径不正确", shape="gateway")
        if VERSIONS.get(parts[1]) != parts[2]:
            raise VendorError(4005, "API 或版本不存在", shape="gateway")
        if ask.method != "POST" or "json" not in ask.content_type:
            raise VendorError(4007, "请求方式或 content-type 不支持", shape="gateway")
        token = ask.query.get("access_token", "")
        if not token:
            raise VendorError(4201, "缺少凭证", shape="gateway")
        state = self.tokens.state(token)
        if state == "unknown" or (state == "expired" and self._killed):
            raise VendorError(4203, "凭证不存在", shape="gateway")
        if state == "expired":
            raise VendorError(4202, "凭证已过期", shape="gateway")
        if ask.json is None:
            raise VendorError(5001, "请求体不是 JSON 对象", shape="gateway")

    # arguments

    def page_of(self, ask: Ask) -> tuple[int, int]:
        args = ask.json or {}
        most_pages, most_size = PAGES[ask.api]
        page = _integer(args, "page_no", "page") or 1
        size = _integer(args, "page_size", "size") or 20
        if not 1 <= page <= most_pages:
            raise VendorError(5000, f"page_no 不能大于 {most_pages}")
        if not 1 <= size <= most_size:
            raise VendorError(5000, f"page_size 不能大于 {most_size}")
        if page * size > ROWS[ask.api]:
            raise VendorError(5000, f"page_no × page_size 不能大于 {ROWS[ask.api]}")
        return page, size

    # orders

    def _trades(self, ask: Ask) -> Row:
        args = ask.json or {}
        page, size = self.page_of(ask)
        windows = {name: both for name, pair in WINDOWS.items() if (both := _window(args, *pair))}
        shows = self._shown(args, windows)
        found = [row for row in self.world["trades"] if shows(_order(row))]
        order = "update_time" if "update_time" in windows else "created"
        found.sort(key=lambda row: (str(_order(row)[order]), str(_order(row)["tid"])), reverse=True)
        newest = min([stamp(self.clock() - INDEX_LAG), *(window[1] for window in windows.values())])

        trades: list[Row] = self.world["trades"]
        rows, total = self.page(
            ask,
            found,
            (page - 1) * size,
            size,
            key=lambda row: str(_order(row)["tid"]),
            touch=lambda row: _order(row).update(update_time=newest),
            rename=lambda row: _order(row).update(tid=f"E{len(trades):023d}", update_time=newest),
            into=trades,
        )
        return {"total_results": total, "full_order_info_list": rows}

    def _shown(self, args: Row, windows: dict[str, tuple[str, str]]) -> Callable[[Row], bool]:
        """Whether an order answers the question, has happened, and has reached the index."""
        now = self.clock()
        known, indexed = stamp(now), stamp(now - INDEX_LAG)
        names = ("status", "tid", "node_kdt_id", "express_type")
        wanted = {name: args[name] for name in names if args.get(name) not in (None, "")}
        frozen = self.now is not None

        def shows(order: Row) -> bool:
            if not all(start <= (order[name] or "") <= end for name, (start, end) in windows.items()):
                return False
            if (frozen and order["created"] > known) or indexed < order["update_time"] <= known:
                return False
            return all(order.get(name) == value for name, value in wanted.items())

        return shows

    # refunds

    def _refunds(self, ask: Ask) -> Row:
        args = ask.json or {}
        page, size = self.page_of(ask)
        windows = {
            name: (_integer(args, *starts), _integer(args, *ends))
            for name, (starts, ends) in REFUND_WINDOWS.items()
        }
        if not any(bound is not None for window in windows.values() for bound in window):
            windows["created"] = (int((self.clock() - timedelta(days=90)).timestamp()), None)
        found = [row for row in self.world["refunds"] if _refund_shows(row, args, windows)]
        found = [row for row in found if self.exists(read_stamp(row["created"]))]
        order = "modified" if any(windows["modified"]) else "created"
        found.sort(key=lambda row: (row[order], row["refund_id"]), reverse=True)

        refunds: list[Row] = self.world["refunds"]
        end = windows["modified"][1]  # may lie in no year that there is, when milliseconds were sent

        def touch(row: Row) -> None:
            row["modified"] = stamp(datetime.fromtimestamp(end, BEIJING) if end else self.clock())

        rows, total = self.page(
            ask,
            found,
            (page - 1) * size,
            size,
            key=lambda row: str(row["refund_id"]),
            touch=touch,
            rename=lambda row: row.update(refund_id=f"{len(refunds):024d}"),
            into=refunds,
        )
        return {"total": total, "refunds": rows}

    # customers and ciphertext

    def _customers(self, ask: Ask) -> Row:
        args = ask.json or {}
        page, size = self.page_of(ask)
        start = _integer(args, "created_at_start", "start_created") or 0
        end = _integer(args, "created_at_end", "end_created") or 2**62
        found = [row for row in self.world["customers"] if start <= row["created_at"] <= end]
        found = [row for row in found if self.exists(datetime.fromtimestamp(row["created_at"], BEIJING))]
        found.sort(key=lambda row: (row["created_at"], row["yz_open_id"]), reverse=True)

        customers: list[Row] = self.world["customers"]
        rows, total = self.page(
            ask,
            found,
            (page - 1) * size,
            size,
            key=lambda row: str(row["yz_open_id"]),
            rename=lambda row: row.update(yz_open_id=f"new{len(customers):017d}"),
            into=customers,
        )
        return {"total": total, "record_list": rows}

    def _decrypt(self, ask: Ask) -> Row:
        sources = (ask.json or {}).get("sources")
        if not isinstance(sources, list) or not all(isinstance(source, str) for source in sources):
            raise VendorError(5001, "sources 应为字符串列表", shape="gateway")
        secrets: dict[str, str] = self.world["secrets"]
        plain = {source: source for source in sources if not source.startswith("$")}
        return {**plain, **{source: secrets[source] for source in sources if source in secrets}}


VENDOR = Youzan


def _trace(ask: Ask) -> str:
    return "yz7-0a-" + sha256(ask.body + ask.path.encode()).hexdigest()[:16]


def _order(row: Row) -> Row:
    order: Row = row["full_order_info"]["order_info"]
    return order


def _integer(args: Row, *names: str) -> int | None:
    """The first of the named arguments that is given. 5001 when it is no integer."""
    for name in names:
        value = args.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not str(value).lstrip("-").isdigit():
            raise VendorError(5001, f"{name} 类型错误", shape="gateway")
        return int(value)
    return None


def _window(args: Row, start_name: str, end_name: str) -> tuple[str, str] | None:
    """Both bounds as text; they come as a pair and lie at most three months apart."""
    start, end = args.get(start_name), args.get(end_name)
    if start is None and end is None:
        return None
    try:
        first, last = read_stamp(str(start)), read_stamp(str(end))
    except ValueError:
        raise VendorError(5000, f"{start_name} 与 {end_name} 须成对，格式 yyyy-MM-dd HH:mm:ss") from None
    if first > last:
        raise VendorError(5000, f"{start_name} 晚于 {end_name}")
    if last > _three_months_after(first):
        raise VendorError(5000, f"{start_name} 与 {end_name} 间隔不能超过 3 个月")
    return str(start), str(end)


def _three_months_after(moment: datetime) -> datetime:
    months = moment.month - 1 + 3
    year, month = moment.year + months // 12, months % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))


def _refund_shows(row: Row, args: Row, windows: dict[str, tuple[int | None, int | None]]) -> bool:
    for name, (start, end) in windows.items():
        at = int(read_stamp(row[name]).timestamp())
        if (start is not None and at < start) or (end is not None and at > end):
            return False
    return all(args.get(name) in (None, "", row[name]) for name in ("refund_id", "tid", "status"))


# the world

KDT_ID = 110001
KINDS = (
    "done",
    "pickup",
    "partial_refund",
    "full_refund",
    "group",
    "unpaid",
    "old_plain_phone",
    "freight_refund",
    "cashier",
    "done",
    "stored_value",
    "closed",
    "split_payment",
    "masked_phone",
    "refunding",
    "pickup",
    "null_phone",
    "for_parents",
    "transient",
    "present",
    "no_phone_key",
    "withdrawn_refund",
    "gift_card",
    "zero_price",
    "waiting",
    "test",
    "trailing_blanks",
    "to_send",
    "to_receive",
    "landline",
)
STATUS_TEXT = {
    "WAIT_BUYER_PAY": "待付款",
    "TRADE_PAID": "已支付",
    "WAIT_CONFIRM": "待接单",
    "WAIT_SELLER_SEND_GOODS": "待发货",
    "WAIT_BUYER_CONFIRM_GOODS": "已发货",
    "TRADE_SUCCESS": "交易完成",
    "TRADE_CLOSED": "交易关闭",
}
STATUS = {
    "unpaid": "WAIT_BUYER_PAY",
    "closed": "TRADE_CLOSED",
    "full_refund": "TRADE_CLOSED",
    "transient": "TRADE_PAID",
    "waiting": "WAIT_CONFIRM",
    "to_send": "WAIT_SELLER_SEND_GOODS",
    "to_receive": "WAIT_BUYER_CONFIRM_GOODS",
}
REFUND_STATE = {"partial_refund": 2, "freight_refund": 2, "full_refund": 12, "refunding": 1}
PAY_TYPE = {"stored_value": 25, "gift_card": 33, "cashier": 201, "split_payment": 103}
SITES = ("和平里店自提点", "东直门店自提点", "柳芳南里快递柜")


def make_world(*, seed: int = 7, days: int = 3, per_day: int = 40, end: date) -> dict[str, Any]:
    """`trades`, `refunds`, `customers`, `secrets` (ciphertext → plaintext) and `truth` (counts)."""
    rng = Random(f"youzan {seed}")
    secrets: dict[str, str] = {}
    people = buyers(rng, 30)
    open_ids = [b64encode(rng.randbytes(15)).decode().translate({43: "A", 47: "B"}) for _ in people]
    made = list(moments(rng, days, per_day, end))
    trades, refunds = [], []
    for number, (_, moment) in enumerate(made):
        kind = KINDS[number % len(KINDS)]
        buyer = people[rng.randrange(len(people))]
        trade = _Trade(rng, number, kind, moment, buyer, open_ids[buyer.number], last_moment(end), secrets)
        trades.append(trade.record())
        refunds += trade.refunds
    firsts = [moment for _, moment in made[:: max(1, len(made) // len(people))]] or [last_moment(end)]
    customers = [
        _customer(rng, buyer, open_ids[buyer.number], firsts[buyer.number % len(firsts)], secrets)
        for buyer in people
    ]
    world = {"trades": trades, "refunds": refunds, "customers": customers, "secrets": secrets}
    return {**world, "truth": _truth(trades, refunds, customers)}


def cipher(plain: str, secrets: dict[str, str]) -> str:
    """$…$1$ as the shop's own key makes it: the same plaintext gives the same ciphertext."""
    text = f"${b64encode(sha256(f'{KDT_ID} {plain}'.encode()).digest()[:24]).decode()}$1$"
    secrets[text] = plain
    return text


class _Trade:
    """One order in the making; `refunds` are its rows of the refund search."""

    def __init__(
        self,
        rng: Random,
        number: int,
        kind: str,
        created: datetime,
        buyer: Buyer,
        open_id: str,
        last: datetime,
        secrets: dict[str, str],
    ) -> None:
        self.rng, self.kind, self.created, self.last = rng, kind, created, last
        self.buyer, self.open_id, self.secrets = buyer, open_id, secrets
        self.tid = f"E{created:%Y%m%d%H%M%S}{number:06d}{rng.randrange(1000):03d}"
        self.refunds: list[Row] = []
        self.pieces = packed(rng, rng.randint(2, 4))
        self.status = STATUS.get(kind, "TRADE_SUCCESS")
        self.paid = kind not in ("unpaid", "closed")
        self._price()
        self._live()

    def _price(self) -> None:
        """Everything in fen. payment = goods − discounts + adjustment + freight."""
        self.goods = sum(piece.amount for piece in self.pieces)
        self.at_shop = self.kind in ("pickup", "group", "cashier")
        self.post = 0 if self.at_shop or self.kind in ("zero_price", "test") else 600
        self.order_discount = self.rng.choice((0, 0, 300)) if self.goods > 1000 else 0
        self.item_discount = 100 if self.kind == "group" else 0
        self.adjust = 0
        if self.kind in ("zero_price", "test"):
            self.order_discount = self.item_discount = 0
            self.adjust = -self.goods if self.kind == "zero_price" else 1 - self.goods
        self.payment = self.goods - self.order_discount - self.item_discount + self.adjust + self.post
        self.value_card = self.payment if self.kind == "stored_value" else 0
        self.gift_card = self.payment // 2 if self.kind == "gift_card" else 0
        self.shares = spread(self.payment - self.post, [piece.amount for piece in self.pieces])

    def _live(self) -> None:
        """What happened when, ending with `updated`; refunds come up to two days later."""
        rng, last = self.rng, self.last
        self.pay_time = some_later(rng, self.created, last, days=0.003) if self.paid else None
        sent = self.status in ("WAIT_BUYER_CONFIRM_GOODS", "TRADE_SUCCESS")
        self.consign_time = some_later(rng, self.pay_time, last, days=0.2) if self.pay_time and sent else None
        over = self.consign_time if self.status == "TRADE_SUCCESS" else None
        self.success_time = some_later(rng, over, last, days=0.3) if over else None
        times = [self.created, self.pay_time, self.consign_time, self.success_time]
        self.updated = max(moment for moment in times if moment)
        if self.kind == "closed":
            self.updated = some_later(rng, self.created, last, days=0.05)
        self.oids = [str(rng.randrange(10**18, 9 * 10**18)) for _ in self.pieces]
        self.refund_order = self._refund_order()

    def _refund_order(self) -> list[Row]:
        """The order's own summary of its refund; the search's row goes to `refunds`."""
        amounts: dict[str, tuple[int, list[str]]] = {
            "partial_refund": (self.shares[0] // 2 or 1, self.oids[:1]),
            "full_refund": (self.payment, self.oids),
            "freight_refund": (self.post, []),
            "refunding": (self.shares[-1], self.oids[-1:]),
            "withdrawn_refund": (self.shares[0], self.oids[:1]),
        }
        if self.kind not in amounts:
            return []
        amount, oids = amounts[self.kind]
        applied = some_later(self.rng, self.updated, self.last, days=1.2)
        self.updated = some_later(self.rng, applied, self.last, days=0.8)
        state, status = {"refunding": (10, "WAIT_SELLER_AGREE"), "withdrawn_refund": (50, "CLOSED")}.get(
            self.kind, (60, "SUCCESS")
        )
        refund_id = f"{applied:%Y%m%d%H%M%S}{self.rng.randrange(10**10):010d}"
        returned = self.kind == "full_refund"
        self.refunds.append(
            {
                "refund_id": refund_id,
                "status": status,
                "tid": self.tid,
                "kdt_id": KDT_ID,
                "return_goods": returned,
                "reason": self.rng.choice(("商品质量问题", "少发漏发", "不想要了", "缺货")),
                "refund_fee": yuan(amount),
                "created": stamp(applied),
                "modified": stamp(self.updated),
            }
        )
        return [
            {
                "refund_id": refund_id,
                "refund_type": 3 if returned else 1,
                "refund_state": state,
                "refund_fee": yuan(amount),
                "refund_time": stamp(self.updated) if state == 60 else "",
                "oids": [{"oid": oid} for oid in oids],
            }
        ]

    # blocks

    def record(self) -> Row:
        lines = [self._line(number, piece) for number, piece in enumerate(self.pieces)]
        info = {
            "order_info": self._order_info(),
            "buyer_info": self._buyer_info(),
            "address_info": self._address_info(),
            "pay_info": self._pay_info(),
            "orders": [*lines, self._present()] if self.kind == "present" else lines,
            "remark_info": {
                "buyer_message": "测试单 勿发" if self.kind == "test" else "",
                "trade_memo": "放门口" if self.kind == "to_send" else "",
                "star": 0,
            },
            "source_info": {
                "source": {"platform": "wx", "wx_entrance": "wx_gzh" if self.at_shop else "direct_buy"},
                "is_offline_order": self.kind == "cashier",
                "order_mark": "retail_minapp_shelf" if self.kind == "pickup" else "",
                "book_key": self.tid[-12:],
            },
            "child_info": {},
        }
        promotion = {
            "order_discount_fee": yuan(self.order_discount),
            "item_discount_fee": yuan(self.item_discount),
            "adjust_fee": ("-" if self.adjust < 0 else "") + yuan(abs(self.adjust)),
        }
        return {
            "full_order_info": info,
            "refund_order": self.refund_order,
            "delivery_order": [],
            "order_promotion": promotion,
        }

    def _order_info(self) -> Row:
        def at(moment: datetime | None) -> str:
            return stamp(moment) if moment else ""

        return {
            "tid": self.tid,
            "status": self.status,
            "status_str": STATUS_TEXT[self.status],
            "type": {"group": 10, "cashier": 61}.get(self.kind, 0),
            "pay_type": PAY_TYPE.get(self.kind, 1) if self.paid else 0,
            "express_type": 9 if self.kind == "cashier" else 1 if self.at_shop else 2,
            "close_type": 1 if self.kind == "closed" else 3 if self.kind == "full_refund" else 0,
            "refund_state": REFUND_STATE.get(self.kind, 0),
            "created": stamp(self.created),
            "update_time": stamp(self.updated),
            "pay_time": at(self.pay_time),
            "consign_time": at(self.consign_time),
            "confirm_time": at(self.success_time),
            "success_time": at(self.success_time),
            "expired_time": stamp(self.created + timedelta(minutes=30)),
            "is_retail_order": True,
            "offline_id": 61001 if self.at_shop else 0,
            "node_kdt_id": KDT_ID + 1 + self.buyer.number % 3,
            "root_kdt_id": KDT_ID,
            "shop_name": ("邻里鲜和平里店", "邻里鲜东直门店", "邻里鲜柳芳店")[self.buyer.number % 3],
            "order_tags": {
                "is_member": self.buyer.number % 3 > 0,
                "is_refund": bool(self.refund_order),
                "is_payed": self.paid,
                "is_virtual": False,
                "is_multi_store": True,
            },
            "order_extra": {"cashier_id": "8801", "cashier_name": "陈静"} if self.kind == "cashier" else {},
        }

    def _phone(self, plain: str) -> str:
        if self.kind in ("old_plain_phone", "test"):
            return plain
        return masked(plain) if self.kind == "masked_phone" else cipher(plain, self.secrets)

    def _buyer_info(self) -> Row:
        """The phone is there only when bound: a key that is missing, null and empty all occur."""
        info: Row = {
            "yz_open_id": self.open_id,
            "fans_type": 0 if self.kind == "cashier" else 9,
            "fans_id": 5_000_000_000 + self.buyer.number,
            "fans_nickname": cipher(self.buyer.nickname, self.secrets),
            "buyer_id": 0,
        }
        if self.kind != "no_phone_key":
            info["buyer_phone"] = self._phone(PLACEHOLDER if self.kind == "test" else self.buyer.phone)
        if self.kind == "null_phone":
            info["buyer_phone"] = None
        if self.kind in ("cashier", "unpaid"):
            info["buyer_phone"] = ""
        if self.kind != "cashier":
            info["outer_user_id"] = f"oYz_{sha256(self.open_id.encode()).hexdigest()[:24]}"
        return info

    def _address_info(self) -> Row:
        """The receiver need not be the buyer: an order for one's parents has another phone."""
        if self.kind == "cashier":
            return {"receiver_name": "", "receiver_tel": "", "self_fetch_info": "", "address_extra": ""}
        tel = self.buyer.phone
        if self.kind == "for_parents":
            tel = plain_phone(self.rng)
        if self.kind == "landline":
            tel = f"021-5{self.rng.randrange(10**7):07d}"
        if self.kind == "test":
            tel = PLACEHOLDER
        place = {"lon": 121.47 + self.buyer.building / 1000, "lat": 31.23, "areaCode": "310101"}
        fetch = {"name": SITES[self.buyer.number % 3], "tel": "021-50000000"} if self.at_shop else None
        return {
            "receiver_name": self._phone(self.buyer.name)
            if self.kind not in ("old_plain_phone", "masked_phone", "test")
            else self.buyer.name,
            "receiver_tel": self._phone(tel),
            "delivery_province": "上海市",
            "delivery_city": "上海市",
            "delivery_district": "黄浦区",
            "delivery_address": cipher(self.buyer.address, self.secrets),
            "address_extra": json.dumps(place),
            "self_fetch_info": json.dumps(fetch, ensure_ascii=False) if fetch else "",
        }

    def _pay_info(self) -> Row:
        """Yuan in text and fen in integers side by side."""
        deduction = self.value_card + self.gift_card
        first = self.payment // 3 if self.kind == "split_payment" else 0
        parts = [first, self.payment - first] if first else [self.payment]
        return {
            "total_fee": yuan(self.goods),
            "post_fee": yuan(self.post),
            "payment": yuan(self.payment),
            "real_payment": yuan(self.payment - deduction if self.paid else 0),
            "deduction_pay": deduction,
            "deduction_real_pay": deduction,
            "deduct_value_card_pay": self.value_card,
            "deduct_gift_card_pay": self.gift_card,
            "transaction": [f"{self.tid[1:]}{number}" for number, _ in enumerate(parts)] if self.paid else [],
            "outer_transactions": [f"42000{self.tid[1:]}"] if self.paid and not deduction else [],
            "phase_payments": [
                {"phase": number + 1, "real_price": yuan(part), "pay_way_str": "WX_APPLET"}
                for number, part in enumerate(parts)
            ]
            if first
            else [],
        }

    def _line(self, number: int, piece: Piece) -> Row:
        good, count = piece.good, piece.thousandths // 1000
        trailing = " \n" if self.kind == "trailing_blanks" else ""
        properties = [{"k": "规格", "k_id": 14, "v": good.unit, "v_id": 1400 + number}]
        return {
            "oid": self.oids[number],
            "item_id": 700_000_000 + int(good.sku),
            "sku_id": 36_000_000 + int(good.sku),
            "outer_item_id": good.sku + trailing,
            "outer_sku_id": good.barcode + trailing,
            "title": good.name,
            "sku_properties_name": json.dumps(properties, ensure_ascii=False),
            "num": count,
            "price": yuan(good.price_fen),
            "total_fee": yuan(piece.amount),
            "discount_price": yuan(good.price_fen),
            "payment": yuan(self.shares[number]),
            "item_type": 0,
            "is_present": False,
            "buyer_messages": "[]",
            "points_price": "0",
        }

    def _present(self) -> Row:
        """A gift beside the goods: an amount of nothing."""
        line = self._line(0, self.pieces[0])
        nothing = {"price": "0.00", "total_fee": "0.00", "discount_price": "0.00", "payment": "0.00"}
        oid = str(self.rng.randrange(10**18, 9 * 10**18))
        return {**line, **nothing, "oid": oid, "title": "赠品：小葱一把", "num": 1, "is_present": True}


def _customer(rng: Random, buyer: Buyer, open_id: str, created: datetime, secrets: dict[str, str]) -> Row:
    """Families share a phone; some never bound one, and some rows are still plain."""
    mobile = {3: "", 5: buyer.phone}.get(buyer.number % 11, cipher(buyer.phone, secrets))
    return {
        "yz_open_id": open_id,
        "name": buyer.name,
        "mobile": mobile,
        "is_member": 1 if buyer.number % 3 else 0,
        "points": rng.randrange(3000),
        "trade_count": rng.randrange(1, 40),
        "created_at": int(created.timestamp()),
        "show_name": buyer.nickname,
    }


def _truth(trades: list[Row], refunds: list[Row], customers: list[Row]) -> dict[str, int]:
    """Counts by kind of trouble (the number of orders of that kind), of rows and of phone columns."""
    kinds = Counter(KINDS[number % len(KINDS)] for number in range(len(trades)))
    phones = Counter(_phone_kind(row["full_order_info"]["buyer_info"]) for row in trades)
    lines = [line for row in trades for line in row["full_order_info"]["orders"]]
    done = [row for row in refunds if row["status"] == "SUCCESS"]
    created = {_order(row)["tid"]: _order(row)["created"] for row in trades}
    later = sum(row["created"][:10] > created[row["tid"]][:10] for row in refunds)
    return {
        **kinds,
        "orders": len(trades),
        "paid_orders": sum(_order(row)["pay_time"] != "" for row in trades),
        "lines": len(lines),
        "refunds": len(refunds),
        "refunds_later_day": later,
        "refunds_done": len(done),
        "refunded_fen": sum(fen(row["refund_fee"]) for row in done),
        "payment_fen": sum(fen(row["full_order_info"]["pay_info"]["payment"]) for row in trades),
        "customers": len(customers),
        **{f"buyer_phone_{kind}": count for kind, count in phones.items()},
    }


def _phone_kind(info: Row) -> str:
    if "buyer_phone" not in info:
        return "missing"
    phone = info["buyer_phone"]
    if phone is None:
        return "null"
    if "*" in phone:
        return "masked"
    if phone == PLACEHOLDER:
        return "placeholder"
    return "cipher" if phone.startswith("$") else "plain" if phone else "empty"
