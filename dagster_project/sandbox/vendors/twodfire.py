"""二维火 2dfire: the older router and the newer gateway, one shop's orders by business day.

Not verified, chosen here: the flags beside the reply's root (`success`, `resultCode`, `message`) and every error
code, the unit of money (yuan numbers), paging of the order list (the whole day unless the caller sends pageNo and
pageSize), how the newer gateway is signed (as the router) and by which name it gives order items (the router's name is
taken there too), the names of the arguments with order ids. The reference itself dates from 2017 to 2020.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from hashlib import sha1
from random import Random
from typing import Any, ClassVar

from dagster_project.sandbox.clock import BEIJING
from dagster_project.sandbox.vendors.base import Ask, Row, Vendor, VendorError, empty_lists, public
from dagster_project.sandbox.vendors.goods import GOODS, STAFF, BasketLine, basket, moments, yuan

IDS_PER_CALL = 20
MOST_ROWS = 500
ROUTER_METHODS = ("dfire.shop.order.list", "dfire.shop.order.instance.list", "dfire.total.menu.query")
GATEWAY_METHODS = (
    "com.dfire.open.shop.order.query",
    "com.dfire.open.item.menu.query",
    "com.dfire.open.shop.pay.query",
    "com.dfire.open.shop.query",
)


class TwoDfire(Vendor):
    """Every answer is HTTP 200. The rows are in `model` (router) or in `data.data` (gateway)."""

    name = "twodfire"
    defaults: ClassVar[Mapping[str, str]] = {
        "app_key": "linli-app",
        "app_secret": "linli-secret",
        "entity_id": "99933001",
        "gateway": "router",
    }
    options: ClassVar[Mapping[str, str]] = {"time_tolerance": "600"}
    throttle = ("ERR_LIMITED", "调用频率超限")
    business_failure = ("ERR_BUSINESS", "业务处理失败")
    has_token = False
    shows_total = False

    def api_of(self, ask: Ask) -> str | None:
        if self._is_router and ask.path != "/router":
            return None
        return ask.args.get("method") or "no method"

    @property
    def _is_router(self) -> bool:
        return self.setting("gateway") != "gateway"

    def code_of(self, body: Row) -> int | str | None:
        inner = body.get("data")
        return (inner.get("resultCode") if isinstance(inner, dict) else "") or body.get("resultCode") or 0

    def _root(self, rows: Any) -> Row:
        plain = {"success": True, "resultCode": "", "message": ""}
        return plain | ({"model": rows} if self._is_router else {"data": plain | {"data": rows}})

    def refuse(self, ask: Ask, error: VendorError) -> Row:
        failed = {"success": False, "resultCode": error.code, "message": error.message}
        return failed | ({"model": None} if self._is_router else {"data": None})

    def emptied(self, ask: Ask, body: Row, code: int | str, message: str) -> Row:
        failed = {"success": False, "resultCode": code, "message": message}
        if self._is_router:
            return failed | {"model": empty_lists(body["model"])}
        return body | {"data": failed | {"data": empty_lists(body["data"]["data"])}}

    def answer(self, ask: Ask) -> Row:
        self._check(ask)
        known = ROUTER_METHODS if self._is_router else GATEWAY_METHODS + ROUTER_METHODS
        if ask.api not in known:
            raise VendorError("ERR_METHOD", f"method 不存在：{ask.api}")
        return self._root(self._handlers()[ask.api](ask))

    def _handlers(self) -> Mapping[str, Callable[[Ask], Any]]:
        return {
            "dfire.shop.order.list": self._orders,
            "dfire.shop.order.instance.list": self._items,
            "dfire.total.menu.query": lambda ask: self.world["menus"],
            "com.dfire.open.shop.order.query": self._orders,
            "com.dfire.open.item.menu.query": lambda ask: self.world["menus"],
            "com.dfire.open.shop.pay.query": self._pays,
            "com.dfire.open.shop.query": lambda ask: self.world["shop"],
        }

    def _check(self, ask: Ask) -> None:
        if ask.method != "POST" or "x-www-form-urlencoded" not in ask.content_type:
            raise VendorError("ERR_REQUEST", "请求必须是 POST 表单")
        form = ask.form
        if missing := [
            name for name in ("method", "entityId", "appKey", "v", "timestamp") if not form.get(name)
        ]:
            raise VendorError("ERR_PARAM", f"缺少参数 {missing}")
        if form["appKey"] != self.setting("app_key"):
            raise VendorError("ERR_APPKEY", "appKey 不存在")
        if form.get("sign") != sign(self.setting("app_secret"), form):
            raise VendorError("ERR_SIGN", "签名错误")
        sent = form["timestamp"]
        if not sent.isdigit() or not self.timely(int(sent) / 1000, float(self.setting("time_tolerance"))):
            raise VendorError("ERR_TIMESTAMP", "timestamp 不正确（毫秒）")
        if form["v"] != "1.0":
            raise VendorError("ERR_PARAM", "v 必须是 1.0")
        if form["entityId"] != self.setting("entity_id"):
            raise VendorError("ERR_ENTITY", "店铺未授权")

    # rows

    def page_start(self, ask: Ask) -> int:
        number, size = ask.args.get("pageNo", ""), ask.args.get("pageSize", "")
        return (int(number) - 1) * int(size) if number.isdigit() and size.isdigit() else 0

    def _day(self, ask: Ask) -> list[Row]:
        day = ask.form.get("currDate", "")
        try:
            datetime.strptime(day, "%Y%m%d").replace(tzinfo=BEIJING)
        except ValueError as error:
            raise VendorError("ERR_PARAM", "currDate 必填，格式 yyyyMMdd") from error
        return [
            order
            for order in self.world["orders"]
            if order["totalPayVo"]["currDate"] == day and self.exists(_moment(order["orderVo"]["endTime"]))
        ]

    def _orders(self, ask: Ask) -> list[Row]:
        found = sorted(self._day(ask), key=lambda order: -order["totalPayVo"]["operateDate"])
        start, size = 0, len(found)
        if "pageNo" in ask.form or "pageSize" in ask.form:
            start, size = self.page_start(ask), _page_size(ask)
        newest = found[0]["totalPayVo"]["operateDate"] if found else 0

        def touch(order: Row) -> None:
            order["totalPayVo"]["operateDate"] = newest

        rows, _ = self.page(ask, found, start, size, key=_order_id, touch=touch)
        return [public(row) for row in rows]

    def _ids(self, ask: Ask) -> list[str]:
        text = ask.form.get("orderIds") or ask.form.get("orderIdList") or ask.form.get("orderId") or ""
        if not text:
            raise VendorError("ERR_PARAM", "缺少订单号")
        ids = _json_list(text) if text.startswith("[") else text.split(",")
        if len(ids) > IDS_PER_CALL:
            raise VendorError("ERR_PARAM", f"一次最多 {IDS_PER_CALL} 个订单号")
        return [str(each) for each in ids]

    def _items(self, ask: Ask) -> list[Row]:
        wanted = set(self._ids(ask))
        return [
            item for order in self.world["orders"] if _order_id(order) in wanted for item in order["_items"]
        ]

    def _pays(self, ask: Ask) -> list[Row]:
        """Payments with their order's id, of one business day or of some orders."""
        if ask.form.get("currDate"):
            orders = self._day(ask)
        else:
            wanted = set(self._ids(ask))
            orders = [order for order in self.world["orders"] if _order_id(order) in wanted]
        return [{"orderId": _order_id(order), **pay} for order in orders for pay in order["payVo"]]


VENDOR = TwoDfire


def sign(secret: str, form: Mapping[str, str]) -> str:
    """Upper-case SHA1 over secret, the sorted names with their values, secret."""
    text = "".join(f"{name}{form[name]}" for name in sorted(form) if name != "sign")
    return sha1(f"{secret}{text}{secret}".encode()).hexdigest().upper()


def _page_size(ask: Ask) -> int:
    number, size = ask.form.get("pageNo", ""), ask.form.get("pageSize", "")
    if not (number.isdigit() and size.isdigit() and int(number) >= 1 and 1 <= int(size) <= MOST_ROWS):
        raise VendorError("ERR_PARAM", f"pageNo 从 1 起，pageSize 为 1 到 {MOST_ROWS}")
    return int(size)


def _json_list(text: str) -> list[Any]:
    try:
        return list(json.loads(text))
    except ValueError as error:
        raise VendorError("ERR_PARAM", "订单号列表不是 JSON") from error


def _order_id(order: Row) -> str:
    return str(order["orderVo"]["orderId"])


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, BEIJING)


# the world

ORDER_KINDS = (
    "plain",
    "plain",
    "change_given",
    "weighed",
    "split",
    "voided",
    "voided_item",
    "gift",
    "discounted",
    "member_price",
    "coupon",
    "test_order",
    "zero_price",
    "no_charge_key",
    "null_charge",
    "after_midnight",
    "delivery_fee",
    "trailing_blank",
)
_METHODS = {
    "cash": ("0001", "现金", "现金"),
    "wechat": ("0002", "微信", "网络支付"),
    "alipay": ("0003", "支付宝", "网络支付"),
    "card": ("0004", "会员卡", "会员卡"),
    "coupon": ("0005", "团购券", "优惠券"),
}


def make_world(*, seed: int, days: int, per_day: int, end: date) -> dict[str, Any]:
    """Orders with their items (under `_items`), the menu and the shop. No order names a phone: the vendor gives none.

    The days are business days (`currDate`): an order after midnight ends on the calendar day that follows.
    """
    rng = Random(seed)
    truth: Counter[str] = Counter()
    orders: list[Row] = []
    for number, (_, moment) in enumerate(moments(rng, days, per_day, end)):
        kind = ORDER_KINDS[number % len(ORDER_KINDS)]
        order = _make_order(rng, kind, number, moment)
        orders.append(order)
        truth[kind] += 1
        truth["lines"] += len(order["_items"])
        truth["tenders"] += len(order["payVo"])
    entity = TwoDfire.defaults["entity_id"]
    return {
        "orders": orders,
        "menus": [_menu(number) for number in range(len(GOODS))],
        "shop": {"entityId": entity, "name": "邻里鲜徐汇店", "code": "XH01", "address": "漕溪北路"},
        "truth": {"orders": len(orders), **truth},
    }


def _menu(number: int) -> Row:
    good = GOODS[number]
    return {
        "menuId": good.sku,
        "name": good.name,
        "kindMenuName": good.category,
        "price": yuan(good.price_fen),
        "account": good.unit,
    }


def _make_order(rng: Random, kind: str, number: int, moment: datetime) -> Row:
    weighed = {"weighed": True}.get(kind)
    lines = basket(rng, weighed=weighed, percent=80 if kind == "discounted" else 100)
    order_id = f"{TwoDfire.defaults['entity_id']}{rng.randbytes(12).hex()}"
    business_day = moment.date()
    if kind == "after_midnight":
        moment = moment.replace(hour=0) + timedelta(days=1)
    items = [_item(line, order_id) for line in lines]
    _spoil_items(kind, items, lines)
    fee_fen = 300 if kind == "delivery_fee" else 0
    source = sum(line.list_fen for line in lines)
    result = sum(round(100 * item["ratioFee"]) for item in items if not item["canceled"]) + fee_fen
    millis = int(moment.timestamp() * 1000)
    return {
        "orderVo": {
            "orderId": order_id,
            "innerCode": f"{business_day:%y%m%d}{number:04d}",
            "code": f"{number + 1}" + ("  " if kind == "trailing_blank" else ""),
            "simpleCode": f"{number % 100 + 1:02d}",
            "openTime": millis - 60_000,
            "endTime": millis,
            "orderType": 1,
            "orderFrom": 20,
            "seatName": None,
            "peopleCount": 1,
            "memo": "测试单" if kind == "test_order" else "",
        },
        "totalPayVo": {
            "sourceAmount": yuan(source),
            "discountAmount": yuan(source + fee_fen - result),
            "resultAmount": yuan(result),
            "receiveAmount": yuan(result),
            "outFee": yuan(fee_fen),
            "couponDiscount": 0,
            "currDate": f"{business_day:%Y%m%d}",
            "operateDate": millis + 2000,
        },
        "payVo": _pay_rows(kind, result, millis),
        "serviceBillVo": {"originAmount": yuan(source), "finalAmount": yuan(result)},
        "_items": items,
    }


def _item(line: BasketLine, order_id: str) -> Row:
    good = line.good
    return {
        "orderId": order_id,
        "menuId": good.sku,
        "name": good.name,
        "kindMenuName": good.category,
        "num": 1 if good.weighed else line.quantity,
        "accountNum": line.quantity,
        "accountUnit": good.unit,
        "price": yuan(good.price_fen),
        "ratio": round(100 * line.paid_fen / line.list_fen),
        "fee": yuan(line.list_fen),
        "ratioFee": yuan(line.paid_fen),
        "isMemberPrice": 0,
        "giveDish": 0,
        "canceled": 0,
        "memo": "",
        "opUserName": STAFF[2],
    }


def _spoil_items(kind: str, items: list[Row], lines: list[BasketLine]) -> None:
    if kind == "voided":
        for item in items:
            item["canceled"] = 1
    elif kind == "voided_item":
        items[0]["canceled"] = 1
    elif kind == "gift":
        items[0] |= {"giveDish": 1, "ratio": 0, "ratioFee": 0}
    elif kind == "zero_price":
        for item in items:
            item |= {"price": 0, "fee": 0, "ratioFee": 0}
        for line in lines:
            line.list_fen = 0
    elif kind == "member_price":
        items[0] |= {"isMemberPrice": 1, "ratioFee": yuan(lines[0].list_fen * 95 // 100)}
    elif kind == "test_order":
        items[0]["name"] = "测试菜"
    elif kind == "trailing_blank":
        items[0]["menuId"] += " \n"


def _pay_rows(kind: str, result: int, millis: int) -> list[Row]:
    if kind == "voided":
        return []
    if kind == "split":
        return [
            _pay("card", result // 3, result // 3, millis),
            _pay("wechat", result - result // 3, result - result // 3, millis),
        ]
    if kind == "coupon":
        face = min(result, 1000)
        return [_pay("coupon", face, face, millis), _pay("wechat", result - face, result - face, millis)]
    if kind == "change_given":
        return [_pay("cash", result, (result // 5000 + 1) * 5000, millis)]
    row = _pay("alipay", result, result, millis)
    if kind == "no_charge_key":
        del row["charge"]
    elif kind == "null_charge":
        row["charge"] = None
    return [row]


def _pay(method: str, fee: int, paid: int, millis: int) -> Row:
    """`pay` is what the customer handed over, `charge` what went back."""
    kind_id, name, sort = _METHODS[method]
    return {
        "kindPayId": kind_id,
        "kindPayName": name,
        "kindPaySortName": sort,
        "fee": yuan(fee),
        "pay": yuan(paid),
        "charge": yuan(paid - fee),
        "type": 1,
        "operator": STAFF[2],
        "payTime": millis,
    }
