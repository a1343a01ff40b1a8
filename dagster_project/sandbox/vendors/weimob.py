"""Weimob (微盟, WOS v2.0) as an HTTP server: string error codes, int64 ids, yuan in text, keys with a trailing tab.

Assumed, because no source states it: every number of a status (they are in `world["enums"]`); the error codes apart
from "0" and "80001001000119", which integrations see for a dead token; page sizes up to 100; lists newest first by
creation; a total as `totalCount`; organisations under `data.data`; at most 100 ids in `widList`; the fields of
`guideInfo`, `bizInfos` and `payItems`; that a vid below the root shows its own store's orders; `queryTime.type` knows
1 (created) only, and an after-sales search may leave `queryTime` out; times in milliseconds everywhere; a phone that is
encrypted looks like $…$1$.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, ClassVar

from dagster_project.sandbox.clock import BEIJING
from dagster_project.sandbox.vendors.base import Ask, Row, Vendor, VendorError
from dagster_project.sandbox.vendors.goods import big_id, moments, phone_of, plain_phone
from dagster_project.sandbox.vendors.groupbuy import (
    PLACEHOLDER,
    Buyer,
    Piece,
    basket,
    buyers,
    fen,
    last_moment,
    masked,
    millis,
    some_later,
    spread,
    yuan,
)

TOKEN = "oauth2/token"
ORDERS, RIGHTS = "weimob_shop/v2.0/order/list/search", "weimob_shop/v2.0/rights/list/search"
CUSTOMERS, ORGANISATIONS = "weimob_crm/v2.0/customer/getList", "bos/v2.0/organization/getList"
MOST_ROWS = 100
MOST_WIDS = 100
MOST_MS = 30 * 86_400_000
REFUSED, BAD_CLIENT = "400", "401"


class Weimob(Vendor):
    name: ClassVar[str] = "weimob"
    defaults: ClassVar[Mapping[str, str]] = {
        "client_id": "weimob-client",
        "client_secret": "weimob-secret",
        "vid": "6000000000001",
    }
    options: ClassVar[Mapping[str, str]] = {
        "token_seconds": "7200",
        "token_errcode": "80001001000119",
        "throttle_errcode": "429",
    }
    business_failure = ("500", "系统繁忙，请稍后再试")
    paged = (ORDERS, RIGHTS, ORGANISATIONS)

    def __init__(self, world: Any, settings: Mapping[str, str], now: datetime | None) -> None:
        super().__init__(world, settings, now)
        self.throttle = (self.setting("throttle_errcode"), "调用频率超限")

    # the line

    def api_of(self, ask: Ask) -> str | None:
        """oauth2/token, or {product}/v2.0/{path}; None for a path outside the gateway."""
        path = ask.path.strip("/")
        if path == f"fuwu/b/{TOKEN}":
            return TOKEN
        return path.removeprefix("apigw/") if path.startswith("apigw/") else None

    def answer(self, ask: Ask) -> Row:
        if ask.api == TOKEN:
            return self._token(ask)
        self._let_in(ask)
        handlers: dict[str, Callable[[Ask], Row]] = {
            ORDERS: self._orders,
            RIGHTS: self._rights,
            CUSTOMERS: self._customers,
            ORGANISATIONS: self._organisations,
        }
        if ask.api not in handlers:
            raise VendorError("404", "接口不存在")
        return {"code": {"errcode": "0", "errmsg": "success"}, "data": handlers[ask.api](ask)}

    def refuse(self, ask: Ask, error: VendorError) -> Row:
        return {"code": {"errcode": str(error.code), "errmsg": error.message}, "data": None}

    def code_of(self, body: Row) -> int | str | None:
        shown: Row = body.get("code") or {"errcode": "0"}
        return str(shown["errcode"])

    def page_of(self, ask: Ask) -> tuple[int, int]:
        args = ask.json or {}
        page, size = args.get("pageNum", 1), args.get("pageSize", 20)
        if not (isinstance(page, int) and isinstance(size, int) and page >= 1 and 1 <= size <= MOST_ROWS):
            raise VendorError(REFUSED, f"pageNum 从 1 开始，pageSize 为 1～{MOST_ROWS}")
        return page, size

    # who may call

    def _token(self, ask: Ask) -> Row:
        """A form; the answer is bare, without an envelope."""
        if ask.method != "POST" or not ask.form:
            raise VendorError(REFUSED, "请使用 POST 表单")
        if ask.form.get("grant_type") != "client_credentials":
            raise VendorError(REFUSED, "grant_type 不支持")
        if any(ask.form.get(name) != self.setting(name) for name in ("client_id", "client_secret")):
            raise VendorError(BAD_CLIENT, "client_id 或 client_secret 不正确")
        seconds = float(self.setting("token_seconds"))
        token = self.tokens.issue(self.name, seconds)
        return {"access_token": token, "token_type": "bearer", "expires_in": int(seconds)}

    def _let_in(self, ask: Ask) -> None:
        if self.tokens.state(ask.query.get("accesstoken", "")) != "alive":
            raise VendorError(self.setting("token_errcode"), "授权已过期，请重新授权")
        if ask.method != "POST" or "json" not in ask.content_type or ask.json is None:
            raise VendorError(REFUSED, "请使用 POST JSON")

    def _store(self, ask: Ask) -> int | None:
        """The store whose rows are asked for; None at the root, which shows all. Refused without a known vid."""
        args = ask.json or {}
        basic = args.get("basicInfo")
        vid = basic.get("vid") if isinstance(basic, dict) else args.get("vid")
        if str(vid) == self.setting("vid"):
            return None
        for organisation in self.world["organisations"]:
            if str(organisation["vid"]) == str(vid):
                return int(organisation["vid"]) if organisation["parentVid"] else None
        raise VendorError(REFUSED, "basicInfo.vid 不能为空或不存在")

    # lists

    def _orders(self, ask: Ask) -> Row:
        self.page_of(ask)  # before all other refusals
        store, window = self._store(ask), _window(ask)
        if window is None:
            raise VendorError(REFUSED, "queryParameter.queryTime 不能为空")
        statuses = (ask.json or {}).get("queryParameter", {}).get("statuses") or []
        found = [
            row
            for row in self.world["orders"]
            if window[0] <= _base(row)["createTime"] <= window[1]
            and self.exists(_moment(_base(row)["createTime"]))
            and store in (None, row["orderInfo"]["merchantInfo"]["vid"])
            and (not statuses or _base(row)["orderStatus"] in statuses)
        ]
        found.sort(key=lambda row: (_base(row)["createTime"], _base(row)["orderNo"]), reverse=True)

        return self._listed(ask, found, self.world["orders"], _base, "orderNo")

    def _rights(self, ask: Ask) -> Row:
        self.page_of(ask)
        self._store(ask)
        start, end = _window(ask) or (0, 2**62)
        found = [row for row in self.world["rights"] if start <= _right(row)["createTime"] <= end]
        found = [row for row in found if self.exists(_moment(_right(row)["createTime"]))]
        found.sort(key=lambda row: (_right(row)["createTime"], _right(row)["rightsId"]), reverse=True)

        return self._listed(ask, found, self.world["rights"], _right, "rightsId")

    def _listed(
        self, ask: Ask, found: list[Row], held: list[Row], part: Callable[[Row], Row], name: str
    ) -> Row:
        """A page of orders or rights, whose id stands under `name` in `part` of a row."""
        page, size = self.page_of(ask)
        rows, total = self.page(
            ask,
            found,
            (page - 1) * size,
            size,
            key=lambda row: str(part(row)[name]),
            touch=lambda row: part(row).update(updateTime=millis(self.clock())),
            rename=lambda row: part(row).update({name: part(row)[name] + 2 * len(held) + 2}),
            into=held,
        )
        return {"pageNum": page, "pageSize": size, "totalCount": total, "pageList": rows}

    def _customers(self, ask: Ask) -> Row:
        self._store(ask)
        wids = (ask.json or {}).get("widList")
        if not isinstance(wids, list) or not 1 <= len(wids) <= MOST_WIDS:
            raise VendorError(REFUSED, f"widList 须为 1～{MOST_WIDS} 个")
        wanted = {str(wid) for wid in wids}
        found = [row for row in self.world["customers"] if str(row.get("wid", row.get("wid\t"))) in wanted]
        return {"userBaseInfoList": found}

    def _organisations(self, ask: Ask) -> Row:
        page, size = self.page_of(ask)
        rows, total = self.page(
            ask,
            list(self.world["organisations"]),
            (page - 1) * size,
            size,
            key=lambda row: str(row["vid"]),
        )
        return {"data": rows, "totalCount": total}


VENDOR = Weimob


def _base(row: Row) -> Row:
    base: Row = row["orderInfo"]["orderBaseInfo"]
    return base


def _right(row: Row) -> Row:
    right: Row = row["rightsOrder"]
    return right


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, BEIJING)


def _window(ask: Ask) -> tuple[int, int] | None:
    """Both bounds in ms of creation; None when the search has none. A type of 0 is read as missing."""
    parameter = (ask.json or {}).get("queryParameter")
    asked = parameter.get("queryTime") if isinstance(parameter, dict) else None
    if not isinstance(asked, dict):
        return None
    if asked.get("type") != 1:
        raise VendorError(REFUSED, "queryTime.type 不能为空，1 为下单时间")
    start, end = asked.get("startTime"), asked.get("endTime")
    if not (isinstance(start, int) and isinstance(end, int) and start >= 10**12 and end >= 10**12):
        raise VendorError(REFUSED, "queryTime.startTime、endTime 须为毫秒时间戳")
    if not 0 <= end - start <= MOST_MS:
        raise VendorError(REFUSED, "时间跨度不能超过 30 天")
    return start, end


# the world

KINDS = (
    "done",
    "pickup",
    "partial_refund",
    "split_payment",
    "full_refund",
    "masked_phone",
    "guide",
    "unpaid",
    "done",
    "freight_refund",
    "closed",
    "empty_phone",
    "coupon",
    "refund_applied",
    "null_phone",
    "group",
    "missing_phone",
    "refund_cancelled",
    "zero_price",
    "cipher_phone",
    "deleted",
    "stored_value",
    "test",
    "child_order",
    "trailing_blanks",
    "for_parents",
    "sent",
)
ENUMS: dict[str, dict[str, int]] = {
    "orderStatus": {"unpaid": 0, "paid": 1, "sent": 2, "done": 3, "closed": 4},
    "payStatus": {"unpaid": 0, "paid": 1},
    "deliveryType": {"express": 1, "local": 2, "pickup": 3},
    "rightsStatus": {"applied": 1, "done": 6, "cancelled": 7},
    "rightsType": {"refund": 1, "return": 2},
    "payType": {"wechat": 1, "stored_value": 2, "points": 3},
}
RIGHTS_STATUS = {
    "partial_refund": "done",
    "full_refund": "done",
    "freight_refund": "done",
    "refund_applied": "applied",
    "refund_cancelled": "cancelled",
}
STATUS = {
    "unpaid": "unpaid",
    "closed": "closed",
    "full_refund": "closed",
    "sent": "sent",
    "refund_applied": "paid",
}
ROOT_VID = 6_000_000_000_001
STORES = ("邻里鲜和平里店", "邻里鲜东直门店", "邻里鲜柳芳店")


def make_world(*, seed: int = 7, days: int = 3, per_day: int = 40, end: date) -> dict[str, Any]:
    """`orders`, `rights` (after sales), `customers`, `organisations`, `enums` (assumed numbers), `truth` (counts)."""
    rng = Random(f"weimob {seed}")
    people = buyers(rng, 30)
    wids = [10_000_000_000_000_001 + 2 * big_id(rng) // 10**4 for _ in people]
    made = list(moments(rng, days, per_day, end))
    orders: list[Row] = []
    rights: list[Row] = []
    for number, (_, moment) in enumerate(made):
        buyer = people[rng.randrange(len(people))]
        draft = _Draft(rng, KINDS[number % len(KINDS)], moment, buyer, wids[buyer.number], last_moment(end))
        orders.append(draft.order())
        if right := draft.right(len(rights)):
            rights.append(right)
    firsts = [moment for _, moment in made[:: max(1, len(made) // len(people))]] or [last_moment(end)]
    customers = [
        _customer(buyer, wids[buyer.number], firsts[buyer.number % len(firsts)], rng) for buyer in people
    ]
    organisations = [_organisation(ROOT_VID, "邻里鲜总部", 0)]
    organisations += [
        _organisation(ROOT_VID + 100 + number, name, ROOT_VID) for number, name in enumerate(STORES)
    ]
    return {
        "orders": orders,
        "rights": rights,
        "customers": customers,
        "organisations": organisations,
        "enums": deepcopy(ENUMS),
        "truth": _truth(orders, rights, customers),
    }


class _Draft:
    """One order in the making, money in fen."""

    def __init__(
        self, rng: Random, kind: str, created: datetime, buyer: Buyer, wid: int, last: datetime
    ) -> None:
        self.rng, self.kind, self.created, self.buyer, self.wid = rng, kind, created, buyer, wid
        self.order_no = big_id(rng)
        self.pieces = basket(rng, rng.randint(2, 4))
        self.item_ids = [big_id(rng) for _ in self.pieces]
        self.paid = kind not in ("unpaid", "closed")
        self._price()
        self._live(last)

    def _price(self) -> None:
        """pay = goods − discount + freight."""
        self.goods = sum(piece.amount for piece in self.pieces)
        self.freight = 0 if self.kind in ("pickup", "group", "zero_price", "test") else 500
        self.discount = {"zero_price": self.goods, "test": self.goods - 1, "coupon": 800}.get(self.kind, 0)
        self.discount = min(self.discount, self.goods)
        self.pay = self.goods - self.discount + self.freight
        self.shares = spread(self.goods - self.discount, [piece.amount for piece in self.pieces])

    def _live(self, last: datetime) -> None:
        rng = self.rng
        self.status = STATUS.get(self.kind, "done")
        self.pay_time = some_later(rng, self.created, last, days=0.003) if self.paid else None
        done = self.paid and self.status in ("done", "closed")
        self.finish_time = some_later(rng, self.pay_time, last, days=0.5) if self.pay_time and done else None
        self.updated = self.finish_time or self.pay_time or self.created
        if self.kind == "closed":
            self.updated = some_later(rng, self.created, last, days=0.05)
        self.refunded = [0] * len(self.pieces)
        self.refunded_freight = 0
        if self.kind in RIGHTS_STATUS:
            self.applied = some_later(rng, self.updated, last, days=1.2)
            self.updated = some_later(rng, self.applied, last, days=0.8)
            if self.kind == "freight_refund":
                self.refunded_freight = self.freight
            elif self.kind == "full_refund":
                self.refunded, self.refunded_freight = list(self.shares), self.freight
            else:
                self.refunded[0] = self.shares[0] // 2 or self.shares[0]
        self.rights_id = big_id(rng)

    def order(self) -> Row:
        store = self.buyer.number % len(STORES)
        guide = {"guideWid": 20_000_000_000_000_003, "guideName": "陈静"} if self.kind == "guide" else None
        remark = "测试单，请勿发货" if self.kind == "test" else ""
        info = {
            "orderBaseInfo": self._base_info(),
            "buyerInfo": {"wid": self.wid, "userNickName": self.buyer.nickname, "buyerRemark": remark},
            "items": [self._item(number, piece) for number, piece in enumerate(self.pieces)],
            "payInfo": self._pay_info(),
            "merchantInfo": {
                "vid": ROOT_VID + 100 + store,
                "vidName": STORES[store],
                "processVid": ROOT_VID + 100 + (store + 1) % 3
                if self.kind == "sent"
                else ROOT_VID + 100 + store,
                "bosId": 4_000_000_000_001,
                "merchantId": 2_000_001,
                "productInstanceId": 3_000_001,
            },
            "guideInfo": guide,
            "bizInfos": [{"bizId": 880_000 + self.created.day, "bizType": 1}] if self.kind == "group" else [],
            "orderFulfill": {"receiverInfo": self._receiver()},
        }
        shown = {"rightsId": self.rights_id, "rightsStatus": self._rights_status()}
        return {"orderInfo": info, "rightsInfos": [shown] if self.kind in RIGHTS_STATUS else []}

    def _rights_status(self) -> int:
        return ENUMS["rightsStatus"][RIGHTS_STATUS.get(self.kind, "applied")]

    def _base_info(self) -> Row:
        """A child order names its parent; others have 0, null or no key at all."""
        status = ENUMS["orderStatus"][self.status]
        delivery = "pickup" if self.kind in ("pickup", "group") else "local"
        info: Row = {
            "orderNo": self.order_no,
            "thirdOrderNo": None,
            "orderStatus": status,
            "payStatus": ENUMS["payStatus"]["paid" if self.paid else "unpaid"],
            "payType": 1 if self.paid else 0,
            "orderType": 1,
            "channelType": 2,
            "bizSourceType": 1,
            "deliveryType": ENUMS["deliveryType"][delivery],
            "createTime": millis(self.created),
            "payTime": millis(self.pay_time) if self.pay_time else None,
            "confirmTime": millis(self.finish_time) if self.finish_time else None,
            "finishDeliveryTime": millis(self.finish_time) if self.finish_time else None,
            "finishTime": millis(self.finish_time) if self.finish_time else None,
            "updateTime": millis(self.updated),
            "isDeleted": int(self.kind == "deleted"),
        }
        if self.kind == "child_order":
            info["parentOrderNo"] = self.order_no - 2
        elif self.kind == "done":
            info["parentOrderNo"] = 0
        elif self.kind != "guide":
            info["parentOrderNo"] = None
        return info

    def _item(self, number: int, piece: Piece) -> Row:
        """Quantities are text, also those in kilograms."""
        good = piece.good
        trailing = "  \n" if self.kind == "trailing_blanks" else ""
        weight = f"{piece.thousandths // 1000}.{piece.thousandths % 1000:03d}"
        discount = piece.amount - self.shares[number]
        discounts = [
            {
                "discountType": 3,
                "discountAmount": yuan(discount),
                "costAmount": yuan(discount),
                "discountId": 9001,
            }
        ]
        return {
            "itemId": self.item_ids[number],
            "goodsId": 100_010_000_000_001 + int(good.sku),
            "skuId": 100_020_000_000_001 + int(good.sku),
            "goodsTitle": good.name,
            "skuCode": good.sku + trailing,
            "skuBarCode": good.barcode,
            "skuNum": weight if good.weighed else str(piece.thousandths // 1000),
            "salePrice": yuan(good.price_fen),
            "payInfo": {
                "payAmount": yuan(self.shares[number]),
                "shouldPayAmount": yuan(self.shares[number]),
                "totalAmount": yuan(piece.amount),
                "totalDiscountAmount": yuan(discount),
            },
            "discountInfos": discounts if discount else [],
        }

    def _pay_info(self) -> Row:
        """Several `payItems` make a split payment; stored value is one of the means."""
        part = {"split_payment": self.pay // 3, "stored_value": self.pay}.get(self.kind, 0)
        parts = {"stored_value": part, "wechat": self.pay - part}
        types = ENUMS["payType"]
        return {
            "payAmount": yuan(self.pay if self.paid else 0),
            "shouldPayAmount": yuan(self.pay),
            "totalAmount": yuan(self.goods + self.freight),
            "totalDiscountAmount": yuan(self.discount),
            "amountInfos": [
                {"type": 1, "amount": yuan(self.goods), "payAmount": yuan(self.goods - self.discount)},
                {"type": 2, "amount": yuan(self.freight), "payAmount": yuan(self.freight)},
            ],
            "payItems": [
                {"payType": types[means], "payAmount": yuan(amount)}
                for means, amount in parts.items()
                if amount and self.paid
            ],
        }

    def _receiver(self) -> Row:
        buyer = self.buyer
        shown: dict[str, str | None] = {
            "masked_phone": masked(buyer.phone),
            "empty_phone": "",
            "null_phone": None,
            "cipher_phone": phone_of("cipher", self.rng),
            "test": PLACEHOLDER,
            "for_parents": plain_phone(self.rng),
        }
        receiver: Row = {
            "name": buyer.name,
            "phone": shown.get(self.kind, buyer.phone),
            "province": "上海市",
            "city": "上海市",
            "county": "黄浦区",
            "area": "",
            "address": buyer.address,
            "latitude": "31.230001",
            "longitude": f"121.47{buyer.building:04d}",
        }
        if self.kind == "missing_phone":
            del receiver["phone"]
        return receiver

    def right(self, number: int) -> Row | None:
        """The after-sales row; every second one has keys with a trailing tab, as generated SDKs spell them."""
        if self.kind not in RIGHTS_STATUS:
            return None
        tab = "\t" if number % 2 else ""
        amount = sum(self.refunded) + self.refunded_freight
        done = RIGHTS_STATUS[self.kind] == "done"
        items = [
            {
                "orderItemId": item_id,
                "applyNum": "1",
                "returnNum": "1" if done else "0",
                "refundDetail": {"applyAmount": yuan(part), "refundAmount": yuan(part if done else 0)},
            }
            for item_id, part in zip(self.item_ids, self.refunded, strict=True)
            if part
        ]
        return {
            "rightsOrder": {
                "rightsId": self.rights_id,
                "rightsStatus": self._rights_status(),
                "rightsType": ENUMS["rightsType"]["return" if self.kind == "full_refund" else "refund"],
                "refundType": 1,
                "createTime": millis(self.applied),
                "updateTime": millis(self.updated),
            },
            "rightsItems": items,
            "originOrder": {f"orderNo{tab}": self.order_no, "outOrderNo": None},
            "refundDetail": {
                f"applyAmountInfos{tab}": [{"type": 1, "amount": yuan(amount)}],
                "refundAmount": yuan(amount if done else 0),
            },
        }


def _customer(buyer: Buyer, wid: int, became: datetime, rng: Random) -> Row:
    """Families share a phone; some rows carry `wid` with a trailing tab, and some have no phone, a masked or an
    encrypted one."""
    phones = {
        3: masked(buyer.phone),
        5: "",
        8: phone_of("cipher", rng),
    }
    member = buyer.number % 4 > 0
    return {
        "wid\t" if buyer.number % 6 == 1 else "wid": wid,
        "phone": phones.get(buyer.number % 11, buyer.phone),
        "name": buyer.name,
        "nickname": buyer.nickname,
        "birthday": None,
        "gender": buyer.number % 3,
        "belongVid": ROOT_VID + 100 + buyer.number % 3,
        "belongVidBindTime": millis(became),
        "becomeCustomerTime": millis(became - timedelta(minutes=5)),
        "becomeMemberTime": millis(became) if member else None,
        "memberIdentifyInfoList": [],
        "extendInfoList": [],
    }


def _organisation(vid: int, name: str, parent: int) -> Row:
    return {"vid": vid, "vidName": name, "vidType": 2 if parent else 1, "parentVid": parent}


def _truth(orders: list[Row], rights: list[Row], customers: list[Row]) -> dict[str, int]:
    """Counts by kind of trouble (orders), of rows, phone columns and tab keys, and sums in fen."""
    kinds = Counter(KINDS[number % len(KINDS)] for number in range(len(orders)))
    created = {_base(row)["orderNo"]: _moment(_base(row)["createTime"]).date() for row in orders}
    done = [row for row in rights if row["rightsOrder"]["rightsStatus"] == ENUMS["rightsStatus"]["done"]]
    later = 0
    for row in rights:
        origin = row["originOrder"]
        ordered = created[origin.get("orderNo", origin.get("orderNo\t"))]
        later += _moment(row["rightsOrder"]["createTime"]).date() > ordered
    phones = Counter(_phone_kind(row["orderInfo"]["orderFulfill"]["receiverInfo"]) for row in orders)
    items = [item for row in orders for item in row["orderInfo"]["items"]]
    return {
        **kinds,
        "orders": len(orders),
        "paid_orders": sum(_base(row)["payTime"] is not None for row in orders),
        "lines": len(items),
        "weighed_lines": sum("." in item["skuNum"] for item in items),
        "pay_fen": sum(fen(row["orderInfo"]["payInfo"]["payAmount"]) for row in orders),
        "rights": len(rights),
        "rights_later_day": later,
        "rights_done": len(done),
        "refunded_fen": sum(fen(row["refundDetail"]["refundAmount"]) for row in done),
        "rights_with_tab_keys": sum("orderNo\t" in row["originOrder"] for row in rights),
        "customers": len(customers),
        "customers_with_tab_keys": sum("wid\t" in row for row in customers),
        **{f"phone_{kind}": count for kind, count in phones.items()},
    }


def _phone_kind(receiver: Row) -> str:
    if "phone" not in receiver:
        return "missing"
    phone = receiver["phone"]
    if phone is None:
        return "null"
    shapes = {PLACEHOLDER: "placeholder", "*": "masked", "$": "cipher"}
    return next((kind for mark, kind in shapes.items() if mark in phone), "plain" if phone else "empty")
