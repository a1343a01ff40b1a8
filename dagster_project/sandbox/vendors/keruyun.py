"""客如云 Keruyun: token, order list and detail, the pieces of its customer service, the brand's shops.

Not verified, chosen here or left open: where the token stands in the signature (setting `token_in_sign`: `tail`, or
`sorted` with the token in the query too), the shape of queryList's body (option `list_body`: `any`, `go`, `python`),
the largest pageSize (option `page_cap`), which auth code means what within 100 to 108, the throttle's code, the life of
a token, where the token stands in its reply (in `result` and in `result.data`), the path before
CustomerQueryFacade and its like (any), the keys of queryCustomerProperty, whether a refund's amounts are negative (the
world holds both), and whether statuses are numbers or names (option `status_style`). Requests may use either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from random import Random
from typing import Any, ClassVar

from dagster_project.sandbox.clock import BEIJING
from dagster_project.sandbox.vendors.base import Ask, Row, Vendor, VendorError, empty_lists, public
from dagster_project.sandbox.vendors.goods import (
    STAFF,
    BasketLine,
    PhoneKind,
    basket,
    moments,
    person,
    phone_of,
    read_stamp,
    stamp,
)

MISSING, BAD_APP, BAD_TIME, BAD_SIGN, DEAD_TOKEN, NO_SHOP, TOO_OFTEN = 100, 101, 102, 103, 104, 105, 108
ORDERS = "/open/standard/order/"
TOKEN_PATH = "/open/v1/token/get"
MAX_SPAN = timedelta(days=31)
IDS_PER_CALL = 50
STATUSES = {
    1: "WAIT_PROCESSED",
    3: "SUCCESS",
    5: "SETTLED",
    6: "REFUND",
    7: "CLOSED",
    8: "INVALID",
    9: "CANCELLED",
    10: "REJECTED",
    11: "ANTI_SETTLED",
}
_DATE_TYPES = {
    "1": "finishBusiDate",
    "FINISH_BUSI_DATE": "finishBusiDate",
    "2": "openTime",
    "3": "finishTime",
}
_DATE_TYPES |= {"4": "settleTime"}


class Keruyun(Vendor):
    """Two levels of success: `code` 0 and `result.success`. Auth failures have a code of 100 to 108 and no result."""

    name = "keruyun"
    defaults: ClassVar[Mapping[str, str]] = {
        "app_key": "linli-app",
        "app_secret": "linli-secret",
        "shop_id": "810094162",
        "brand_id": "",
        "token_in_sign": "tail",
    }
    options: ClassVar[Mapping[str, str]] = {
        "token_seconds": "7200",
        "time_tolerance": "600",
        "list_body": "any",
        "page_cap": "100",
        "status_style": "number",
    }
    throttle = (TOO_OFTEN, "访问频率超限")
    business_failure = (0, "业务处理失败")

    def api_of(self, ask: Ask) -> str | None:
        if ask.path == TOKEN_PATH:
            return "token"
        if ask.path.startswith(ORDERS):
            return "order/" + ask.path.removeprefix(ORDERS)
        parts = ask.path.replace("MerchantOrgReadService.", "MerchantOrgReadService/").strip("/").split("/")
        return "/".join(parts[-2:]) if len(parts) > 1 else None

    def code_of(self, body: Row) -> int | str | None:
        result = body.get("result") or {}
        return body["code"] or (0 if result.get("success") else result.get("msgCode"))

    def answer(self, ask: Ask) -> Row:
        if ask.api == "token":
            return self._give_token(ask)
        self._check(ask)
        handler = self._handlers().get(ask.api)
        if handler is None:
            raise VendorError(MISSING, f"接口不存在：{ask.path}")
        return self._done(ask, handler(ask))

    def _handlers(self) -> Mapping[str, Callable[[Ask], Any]]:
        return {
            "order/queryList": self._list,
            "order/queryDetail": self._detail,
            "CustomerQueryFacade/queryByCustomerIds": self._customers,
            "CustomerQueryFacade/queryCustomerProperty": self._property,
            "CustomerOpenFacade/queryByMobile": self._by_mobile,
            "MerchantOrgReadService/queryBrandStores": lambda ask: {"shops": self.world["shops"]},
        }

    # envelopes

    def _envelope(self, ask: Ask, code: int | str, message: str, result: Row | None) -> Row:
        uuid = sha256(ask.body + ask.path.encode()).hexdigest()[:32]
        return {"code": code, "message": message, "messageUuid": uuid, "apiMessage": None, "result": result}

    def _done(self, ask: Ask, data: Any) -> Row:
        result = {
            "success": True,
            "msgCode": "",
            "msgInfo": "",
            "data": data,
            "serverCode": "",
            "messageId": "",
        }
        return self._envelope(ask, 0, "成功[OK]", result)

    def refuse(self, ask: Ask, error: VendorError) -> Row:
        if error.shape == "business":
            result = {"success": False, "msgCode": error.code, "msgInfo": error.message, "data": error.data}
            return self._envelope(ask, 0, "成功[OK]", result | {"serverCode": "", "messageId": ""})
        return self._envelope(ask, error.code, error.message, None)

    def emptied(self, ask: Ask, body: Row, code: int | str, message: str) -> Row:
        data = empty_lists(body["result"].get("data"))
        return self.refuse(ask, VendorError(code or "BUSINESS_ERROR", message, shape="business", data=data))

    # the gate

    def _give_token(self, ask: Ask) -> Row:
        if ask.method != "GET":
            raise VendorError(MISSING, "取 token 用 GET")
        self._check_common(ask)
        if ask.query.get("sign") not in {
            _digest(text) for text in _texts(ask, self.setting("app_secret"), "tail")
        }:
            raise VendorError(BAD_SIGN, "签名错误")
        token = self.tokens.issue(self.setting("app_secret"), float(self.setting("token_seconds")))
        body = self._done(ask, {"token": token})
        body["result"]["token"] = token
        return body

    def _check_common(self, ask: Ask) -> None:
        query = ask.query
        if missing := [name for name in ("appKey", "timestamp", "version", "sign") if not query.get(name)]:
            raise VendorError(MISSING, f"缺少参数 {missing}")
        if query["appKey"] != self.setting("app_key"):
            raise VendorError(BAD_APP, "appKey 不存在")
        sent = query["timestamp"]
        if not sent.isdigit() or not self.timely(int(sent), float(self.setting("time_tolerance"))):
            raise VendorError(BAD_TIME, "timestamp 不正确（秒）")
        if query["version"] != "2.0":
            raise VendorError(MISSING, "version 必须是 2.0")
        asked = {name: query[name] for name in ("shopIdenty", "brandId") if query.get(name)}
        if not asked:
            raise VendorError(MISSING, "shopIdenty 与 brandId 至少要有一个")
        owned = {"shopIdenty": self.setting("shop_id"), "brandId": self.setting("brand_id")}
        if any(owned[name] != value for name, value in asked.items()):
            raise VendorError(NO_SHOP, "门店或品牌未授权")

    def _check(self, ask: Ask) -> None:
        self._check_common(ask)
        if ask.method != "POST" or "application/json" not in ask.content_type or ask.json is None:
            raise VendorError(MISSING, "请求必须是 POST，正文为 JSON 对象")
        token = next((each for each in self.tokens.known() if self._signed_with(ask, each)), None)
        if token is None:
            raise VendorError(BAD_SIGN, "签名错误")
        if self.tokens.state(token) != "alive":
            raise VendorError(DEAD_TOKEN, "token 已失效")

    def _signed_with(self, ask: Ask, token: str) -> bool:
        style = self.setting("token_in_sign")
        if style == "sorted" and ask.query.get("token") != token:
            return False
        return ask.query["sign"] in {_digest(text) for text in _texts(ask, token, style)}

    # orders

    def page_start(self, ask: Ask) -> int:
        if ask.api != "order/queryList":
            return 0
        paging = _paging(ask.json or {})
        number, size = _whole(paging.get("pageNum")), _whole(paging.get("pageSize"))
        return max(0, (number - 1) * size)

    def _list(self, ask: Ask) -> Row:
        body = ask.json or {}
        self._check_list_body(body)
        paging = _paging(body)
        number, size = _whole(paging.get("pageNum")), _whole(paging.get("pageSize"))
        if number < 1 or not 1 <= size <= int(self.setting("page_cap")):
            raise _business(f"pageNum 从 1 起，pageSize 最大 {self.setting('page_cap')}")
        found = self._found(body)
        found.sort(key=lambda order: (order["orderBaseVO"]["openTime"], _order_id(order)), reverse=True)
        rows, total = self.page(
            ask,
            found,
            (number - 1) * size,
            size,
            key=_order_id,
            touch=_touch,
            rename=self._rename,
            into=self.world["orders"],
        )
        pages = max(1, -(-total // size))
        return {
            "totalCount": str(total),
            "pageNo": str(number),
            "pageSize": str(size),
            "totalPage": str(pages),
            "prevPage": str(max(1, number - 1)),
            "nextPage": str(min(pages, number + 1)),
            "list": [self._short(order["orderBaseVO"]) for order in rows],
        }

    def _check_list_body(self, body: Row) -> None:
        style = self.setting("list_body")
        go, python = "pageBean" in body, "pageNum" in body
        if (style == "go" and not go) or (style == "python" and not python) or go == python:
            raise _business("分页参数不正确")
        shops = {str(each) for each in body.get("shopIds") or []}
        if not shops <= {str(shop["shopId"]) for shop in self.world["shops"]}:
            raise _business("shopIds 有未授权的门店")

    def _found(self, body: Row) -> list[Row]:
        by = _DATE_TYPES.get(str(body.get("dateType", "")))
        if by is None:
            raise _business("dateType 不正确")
        begin, end = _bound(body, "startDate", time.min), _bound(body, "endDate", time(23, 59, 59))
        if begin > end or end - begin > MAX_SPAN:
            raise _business("时间跨度不能超过 31 天")
        kinds = {str(each) for each in body.get("orderTypeList") or body.get("orderTypes") or []}
        statuses = {_status(each) for each in body.get("orderStatusList") or body.get("orderStatuses") or []}
        return [
            order
            for order in map(self._as_of_now, self.world["orders"])
            if order
            and _within(order["orderBaseVO"].get(by), begin, end)
            and (not kinds or order["orderBaseVO"]["orderType"] in kinds)
            and (not statuses or int(order["orderBaseVO"]["orderStatus"]) in statuses)
        ]

    def _as_of_now(self, order: Row) -> Row | None:
        """The order as it stood at the set time: not opened yet, or not taken back yet."""
        base = order["orderBaseVO"]
        if not self.exists(read_stamp(base["openTime"])):
            return None
        if "_antiSettledAt" in base and not self.exists(read_stamp(base["_antiSettledAt"])):
            return order | {"orderBaseVO": base | {"orderStatus": 5}}
        return order

    def _short(self, base: Row) -> Row:
        row = {key: base.get(key) for key in ("brandId", "shopId", "busiOrderNo", "orderType")}
        amounts = {key: str(base[key]) for key in ("orderAmt", "promoAmt", "orderReceivedAmt")}
        times = {key: base.get(key) for key in ("openTime", "finishTime", "thirdOrderNo", "serialNo")}
        status = self._shown_status(base["orderStatus"])
        return (
            row
            | amounts
            | times
            | {"orderId": str(base["orderId"]), "orderStatus": status, "thirdSerialNo": ""}
        )

    def _shown_status(self, status: int | str) -> int | str:
        return STATUSES[int(status)] if self.setting("status_style") == "name" else status

    def _rename(self, order: Row) -> None:
        """Makes a copy an order of its own, as if it had just reached the server."""
        base = order["orderBaseVO"]
        new_id = str(max(int(each["orderBaseVO"]["orderId"]) for each in self.world["orders"]) + 1)
        base.update(orderId=new_id, serialNo=f"{base['serialNo']}-2")

    def _detail(self, ask: Ask) -> Row:
        wanted = str(ask.args.get("orderId", ""))
        for order in [self._as_of_now(each) for each in self.world["orders"] if _order_id(each) == wanted]:
            if order:
                base = public(order["orderBaseVO"])
                return public(order) | {
                    "orderBaseVO": base | {"orderStatus": self._shown_status(base["orderStatus"])}
                }
        raise _business("订单不存在")

    # customers

    def _customers(self, ask: Ask) -> list[Row]:
        wanted = ask.args.get("customerIds")
        if not isinstance(wanted, list) or not 1 <= len(wanted) <= IDS_PER_CALL:
            raise _business(f"customerIds 为 1 到 {IDS_PER_CALL} 个")
        ids = {str(each) for each in wanted}
        return [public(each) for each in self.world["customers"] if str(each["customerId"]) in ids]

    def _property(self, ask: Ask) -> Row:
        for each in self.world["customers"]:
            if str(each["customerId"]) == str(ask.args.get("customerId", "")):
                return {
                    "customerId": each["customerId"],
                    "points": each["_points"],
                    "storedValue": each["_stored"],
                }
        raise _business("会员不存在")

    def _by_mobile(self, ask: Ask) -> Row:
        mobile = ask.args.get("mobile")
        for each in self.world["customers"]:
            if mobile and each.get("mobile") == mobile:
                return public(each)
        raise _business("会员不存在")


VENDOR = Keruyun


def _business(message: str) -> VendorError:
    return VendorError("BUSINESS_ERROR", message, shape="business")


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _texts(ask: Ask, secret: str, style: str) -> Iterator[str]:
    """Every string whose digest is a good signature. The order of shopIdenty and brandId, when both are sent, and the
    place of the body in the sorted style are not documented."""
    body = ask.body.decode("utf-8", errors="replace")
    fields = {name: value for name, value in ask.query.items() if name != "sign"}
    if style == "tail":
        tail = ("body" + body if body else "") + secret
        orders = (("appKey", "shopIdenty", "brandId", "timestamp", "version"), tuple(sorted(fields)))
        for order in orders:
            yield "".join(name + fields[name] for name in order if fields.get(name)) + tail
        return
    in_order = "".join(name + fields[name] for name in sorted(fields))
    with_body = fields | {"body": body}
    yield in_order + "body" + body
    yield in_order + "body" + body + secret
    yield "".join(name + with_body[name] for name in sorted(with_body))


def _paging(body: Row) -> Row:
    bean = body.get("pageBean")
    return bean if isinstance(bean, dict) else body


def _whole(value: Any) -> int:
    text = str(value)
    return int(text) if text.isdigit() else 0


def _status(value: Any) -> int:
    names = {name: number for number, name in STATUSES.items()}
    return names.get(str(value)) or _whole(value)


def _bound(body: Row, name: str, of_day: time) -> datetime:
    """A whole day or a moment of the body; a day means its first or its last second."""
    text = str(body.get(name, ""))
    try:
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text), of_day, BEIJING)
        return read_stamp(text)
    except ValueError as error:
        raise _business(f"{name} 必填，格式 yyyy-MM-dd 或 yyyy-MM-dd HH:mm:ss") from error


def _within(text: str | None, begin: datetime, end: datetime) -> bool:
    if not text:
        return False
    if len(text) == 10:  # a business date counts for the whole day
        return begin.date() <= date.fromisoformat(text) <= end.date()
    return begin <= read_stamp(text) <= end


def _order_id(order: Row) -> str:
    return str(order["orderBaseVO"]["orderId"])


def _touch(order: Row) -> None:
    """The update that moves an order; it shows in no time of the vendor's, as it gives none."""
    order["orderBaseVO"]["subject"] = "已补打小票"


# the world

ORDER_KINDS = (
    "plain",
    "member",
    "split",
    "weighed",
    "voided",
    "resettled",
    "top_up",
    "member",
    "top_up_by_hand",
    "repayment",
    "refunded",
    "refunded_negative",
    "refunded_part",
    "coupon",
    "member",
    "stored_value",
    "on_account",
    "combo",
    "gift_line",
    "discarded_line",
    "discounted",
    "take_out",
    "waiting",
    "cancelled",
    "invalid",
    "test_order",
    "zero_price",
    "after_midnight",
    "null_member",
    "no_member_key",
    "trailing_blank",
)
CUSTOMER_KINDS: tuple[PhoneKind | str, ...] = (
    "plain",
    "plain",
    "masked",
    "plain",
    "empty",
    "same_phone",
    "plain",
    "null_phone",
    "no_phone_key",
    "placeholder",
    "recycled",
    "plain",
)
_REFUNDS = ("refunded", "refunded_negative", "refunded_part")
_STATUS_OF = {"waiting": 1, "cancelled": 9, "invalid": 8, "voided": 11}
_TYPE_OF = {
    "top_up": "MEMBER_STORE",
    "top_up_by_hand": "MEMBER_MANUAL_STORE",
    "repayment": "REPAYMENT_ORDER",
    "take_out": "PLATFORM_TAKE_OUT",
}
_WITH_MEMBER = (
    "member",
    "top_up",
    "top_up_by_hand",
    "repayment",
    "coupon",
    "stored_value",
    "refunded",
    "combo",
)
_PAY_NAMES = {
    -3: "现金",
    -4: "银行卡",
    -5: "微信",
    -6: "支付宝",
    -1: "会员卡余额",
    -15: "实体卡",
    -24: "美团团购券",
    -37: "银联云闪付",
    -127: "挂账",
    0: "代金券",
}


def make_world(*, seed: int, days: int, per_day: int, end: date) -> dict[str, Any]:
    """Orders (as queryDetail shows them), customers and shops. Keys that begin with `_` are notes and never sent.

    The days are business days (`finishBusiDate`): an order after midnight ends on the calendar day that follows.
    """
    rng = Random(seed)
    truth: Counter[str] = Counter()
    customers = _make_customers(rng, truth)
    orders: list[Row] = []
    for number, (_, moment) in enumerate(moments(rng, days, per_day, end)):
        kind = ORDER_KINDS[number % len(ORDER_KINDS)]
        origin = _origin_for(rng, kind, orders)
        if kind in (*_REFUNDS, "resettled") and origin is None:
            kind = "plain"
        order = _make_order(rng, kind, number, moment, customers)
        if origin is not None:
            _make_related(order, kind, origin)
        orders.append(order)
        truth[kind] += 1
        truth["lines"] += len(order["orderItemVoList"])
        truth["tenders"] += len(order["openPaymentDetailVoList"])
        truth["refunded_days_later"] += kind in _REFUNDS and _is_later(order, origin)
        truth["order_id_as_number"] += isinstance(order["orderBaseVO"]["orderId"], int)
    shop = {"shopId": Keruyun.defaults["shop_id"], "name": "邻里鲜徐汇店"}
    return {
        "orders": orders,
        "customers": customers,
        "shops": [shop, {"shopId": "810094163", "name": "邻里鲜静安店"}],
        "truth": {"orders": len(orders), "customers": len(customers), **truth},
    }


def _make_customers(rng: Random, truth: Counter[str]) -> list[Row]:
    customers: list[Row] = []
    for number in range(60):
        kind = CUSTOMER_KINDS[number % len(CUSTOMER_KINDS)]
        customer: Row = {
            "customerId": 7_300_000_000_000_000_000 + rng.randrange(10**12),
            "mobile": phone_of("plain", rng),
            "name": person(rng),
            "gender": number % 3,
            "birthday": "1968-10-01" if number % 3 else None,
            "levelDTO": {"levelId": 1 + number % 2, "levelName": "银卡" if number % 2 else "普通"},
            "state": 2 if kind == "recycled" else 1,
            "_points": number * 10,
            "_stored": number * 1000,
        }
        if kind == "same_phone":
            customer["mobile"] = customers[-2]["mobile"]
        elif kind == "null_phone":
            customer["mobile"] = None
        elif kind == "no_phone_key":
            del customer["mobile"]
        elif kind not in ("plain", "recycled"):
            customer["mobile"] = phone_of(kind, rng)  # type: ignore[arg-type]
        customers.append(customer)
        truth[f"customer_{kind}"] += 1
    return customers


def _origin_for(rng: Random, kind: str, orders: list[Row]) -> Row | None:
    """A settled sale to give back (rather of an earlier day), or the voided order that is settled again."""
    related = {order["orderBaseVO"]["relatedOrderId"] for order in orders}
    free = [order for order in orders if _order_id(order) not in related]
    if kind == "resettled":
        return next((order for order in reversed(free) if order["orderBaseVO"]["orderStatus"] == 11), None)
    if kind not in _REFUNDS:
        return None
    sales = [
        order
        for order in free
        if order["_kind"] not in (*_REFUNDS, "resettled", *_TYPE_OF, *_STATUS_OF, "test_order")
        and int(order["orderBaseVO"]["orderReceivedAmt"]) > 0
    ]
    if not sales:
        return None
    today = orders[-1]["orderBaseVO"]["finishBusiDate"]
    return rng.choice([each for each in sales if each["orderBaseVO"]["finishBusiDate"] < today] or sales)


def _is_later(order: Row, origin: Row | None) -> bool:
    mine = order["orderBaseVO"]["finishBusiDate"]
    return origin is not None and origin["orderBaseVO"]["finishBusiDate"] < mine


def _make_order(rng: Random, kind: str, number: int, moment: datetime, customers: list[Row]) -> Row:
    business_day = moment.date()
    if kind == "after_midnight":
        moment = moment.replace(hour=0) + timedelta(days=1)
    lines = _lines(rng, kind)
    items = [_item(number, position, line, kind) for position, line in enumerate(lines)]
    _spoil_items(kind, items)
    listed, received = _sums(items) if items else (20000, 20000)
    order_id = 810_000_000_000_000_000 + number * 1009 + 7
    settled = moment + timedelta(seconds=rng.randrange(20, 90))
    base: Row = {
        "shopId": Keruyun.defaults["shop_id"],
        "shopName": "邻里鲜徐汇店",
        "brandId": "32296",
        "orderId": order_id if number % 4 == 1 else str(order_id),
        "busiOrderNo": f"{business_day:%y%m%d}{number:06d}",
        "thirdOrderNo": f"{3571234567890123456 + number}" if kind == "take_out" else None,
        "openTime": stamp(moment),
        "settleTime": stamp(settled),
        "finishTime": stamp(settled),
        "finishBusiDate": business_day.isoformat(),
        "orderSource": "PLATFORM" if kind == "take_out" else "POS",
        "orderType": _TYPE_OF.get(kind, "NO_ORDER_CASHIER"),
        "orderStatus": _STATUS_OF.get(kind, 5 if number % 2 else 3),
        "orderAmt": str(listed),
        "promoAmt": listed - received if number % 2 else str(listed - received),
        "orderReceivedAmt": received if number % 3 == 0 else str(received),
        "openOperatorName": STAFF[1],
        "settleOperatorName": STAFF[number % len(STAFF)],
        **_member(rng, kind, customers),
        "serialNo": f"{number + 1:04d}" + ("  " if kind == "trailing_blank" else ""),
        "subject": "测试订单" if kind == "test_order" else "",
        "relatedOrderId": None,
    }
    _spoil_base(base, kind, settled)
    promos = (
        [{"promoId": 1, "promoName": "会员八折", "promoAmt": base["promoAmt"]}]
        if kind == "discounted"
        else []
    )
    return {
        "orderBaseVO": base,
        "orderItemVoList": items,
        "openOrderPromoVoList": promos,
        "openPaymentDetailVoList": _payments(kind, number, received, stamp(settled)),
        "_kind": kind,
    }


def _lines(rng: Random, kind: str) -> list[BasketLine]:
    if kind in ("top_up", "top_up_by_hand", "repayment"):
        return []
    lines = basket(
        rng, weighed=True if kind == "weighed" else None, percent=80 if kind == "discounted" else 100
    )
    if kind == "zero_price":
        for line in lines:
            line.paid_fen = line.list_fen = 0
    return lines


def _item(number: int, position: int, line: BasketLine, kind: str) -> Row:
    good = line.good
    item_id = 910_000_000_000_000_000 + number * 100 + position
    return {
        "id": item_id,
        "parentId": None,
        "itemCode": good.sku + (" \n" if kind == "trailing_blank" else ""),
        "itemName": "测试商品" if kind == "test_order" else good.name,
        "bigTypeName": "生鲜",
        "midTypeName": good.category,
        "weighFlag": good.weighed,
        "giftFlag": False,
        "tempFlag": False,
        "promoFlag": line.paid_fen < line.list_fen,
        "saleStatusTypeCode": "NORMAL",
        "unitName": good.unit,
        "specName": "",
        "itemPrice": good.price_fen,
        "salePrice": str(good.price_fen),
        "quantity": str(line.quantity) if position % 2 else line.quantity,
        "itemSaleAmt": str(line.list_fen),
        "itemPromoApportionAmt": line.list_fen - line.paid_fen,
        "itemReceivedAmt": str(line.paid_fen) if number % 2 else line.paid_fen,
        "children": [_child(item_id, kind)] if kind == "combo" and position == 0 else [],
    }


def _child(parent: int, kind: str) -> Row:
    """A part of a set: it costs nothing by itself, its parent carries the price."""
    free = {
        "itemPrice": 0,
        "salePrice": "0",
        "itemSaleAmt": "0",
        "itemPromoApportionAmt": 0,
        "itemReceivedAmt": "0",
    }
    named = {
        "itemCode": "100119",
        "itemName": "煲汤料包·四神汤",
        "bigTypeName": "生鲜",
        "midTypeName": "干货",
    }
    flags = {"weighFlag": False, "giftFlag": False, "tempFlag": False, "promoFlag": False}
    rest = {"saleStatusTypeCode": "NORMAL", "unitName": "包", "specName": "", "quantity": 1, "children": []}
    return {"id": parent + 50, "parentId": parent, **named, **flags, **free, **rest}


def _sums(items: list[Row]) -> tuple[int, int]:
    """Fen before and after promotions; discarded lines count for nothing."""
    sold = [item for item in items if item["saleStatusTypeCode"] == "NORMAL"]
    return sum(int(item["itemSaleAmt"]) for item in sold), sum(int(item["itemReceivedAmt"]) for item in sold)


def _spoil_items(kind: str, items: list[Row]) -> None:
    if kind == "gift_line":
        items[0] |= {
            "giftFlag": True,
            "itemPromoApportionAmt": items[0]["itemSaleAmt"],
            "itemReceivedAmt": "0",
        }
    elif kind == "discarded_line":
        items[-1] |= {"saleStatusTypeCode": "DISCARD"}


def _member(rng: Random, kind: str, customers: list[Row]) -> Row:
    """Member of the order. The phone stands there as the customer has it, or not at all."""
    if kind == "no_member_key":
        return {}
    if kind not in _WITH_MEMBER:
        nothing = None if kind == "null_member" else ""
        return {"memberId": nothing, "memberPhone": nothing, "memberName": nothing}
    customer = rng.choice(customers)
    phone = {"memberPhone": customer["mobile"]} if "mobile" in customer else {}
    return {"memberId": customer["customerId"], "memberName": customer["name"], **phone}


def _spoil_base(base: Row, kind: str, settled: datetime) -> None:
    if kind in ("waiting", "cancelled", "invalid"):
        base |= {"settleTime": None, "finishTime": None}
    elif kind == "voided":
        base["_antiSettledAt"] = stamp(settled + timedelta(minutes=30))


def _payments(kind: str, number: int, received: int, at: str) -> list[Row]:
    third = received // 3
    face = min(1000, received)
    parts = {
        "waiting": [],
        "cancelled": [],
        "invalid": [],
        "split": [(-1, third, third), (-5, received - third, received - third)],
        "coupon": [((0, -24)[number % 2], 1000, face), (-6, received - face, received - face)],
        "stored_value": [(-1, received, received)],
        "on_account": [(-127, received, received)],
        "take_out": [(-5, received, received)],
    }.get(kind, [((-3, -5, -6, -37)[number % 4], received, received)])
    return [
        {
            "payDetailNo": f"P{number:06d}{position}",
            "faceAmt": str(face_fen),
            "payAmt": str(fen) if position % 2 else fen,
            "shopPromoAmt": 0,
            "platformPromoAmt": "0",
            "platformServiceAmt": fen * 6 // 100 if kind == "take_out" else 0,
            "actualReceiveAmt": str(fen),
            "actualPayAmt": fen,
            "payMethodId": method,
            "payMethodName": _PAY_NAMES[method],
            "payDetailStatus": "REFUNDED" if kind == "voided" else "SUCCESS",
            "payDetailStartTime": at,
            "payDetailEndTime": at,
            "couponCnt": 1 if method in (0, -24) else 0,
            "operatorName": STAFF[1],
            "couponReconcileFlag": False,
        }
        for position, (method, face_fen, fen) in enumerate(parts)
    ]


def _make_related(order: Row, kind: str, origin: Row) -> None:
    """A refund or a second settlement: another order that names the first."""
    first = origin["orderBaseVO"]
    base = order["orderBaseVO"]
    base["relatedOrderId"] = str(first["orderId"])
    for key in ("memberId", "memberPhone", "memberName"):
        base.pop(key, None)
        if key in first:
            base[key] = first[key]
    kept = origin["orderItemVoList"][:1] if kind == "refunded_part" else origin["orderItemVoList"]
    sign = -1 if kind == "refunded_negative" else 1
    order["orderItemVoList"] = [_again(item, sign) for item in kept]
    listed, received = _sums(order["orderItemVoList"])
    base |= {"orderAmt": str(listed), "promoAmt": str(listed - received), "orderReceivedAmt": str(received)}
    base["orderStatus"] = 5 if kind == "resettled" else 6
    number = int(base["serialNo"]) - 1
    order["openPaymentDetailVoList"] = _payments(kind, number, received, base["settleTime"])


def _again(item: Row, sign: int) -> Row:
    amounts = ("itemSaleAmt", "itemPromoApportionAmt", "itemReceivedAmt")
    back = {key: str(sign * int(item[key])) for key in amounts}
    quantity = float(item["quantity"]) * sign
    return item | back | {"quantity": str(quantity), "id": item["id"] + 40}
