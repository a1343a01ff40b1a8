"""银豹 Pospal: tickets, members, payment methods, stores and the quota meter of one merchant's open API.

Not verified, chosen here: the error codes (the reference shows only 1001), the tolerance of time-stamp, the inside of
postBackParameter, whether the window of queryTicketPages is over `datetime` or `sysUpdateTime` (option
`window_field`), the sign of a return's amounts (the world holds both), the keys of queryAllUser and queryAccessTimes.
A page is an offset into a list with the latest update first, the order in which most can go wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from hashlib import md5
from math import inf, nextafter
from random import Random
from typing import Any, ClassVar

from dagster_project.sandbox.clock import BEIJING
from dagster_project.sandbox.vendors.base import Ask, Row, Vendor, VendorError, public
from dagster_project.sandbox.vendors.goods import (
    STAFF,
    BasketLine,
    PhoneKind,
    basket,
    big_id,
    moments,
    person,
    phone_of,
    read_stamp,
    stamp,
    yuan,
)

PREFIX = "/pospal-api2/openapi/v1/"
PAGE = 100
MAX_SPAN = timedelta(days=31)
BAD_REQUEST, BAD_SIGNATURE, BAD_APP, TOO_OFTEN = 1001, 1002, 1003, 1010
CURSOR = "QUERY_POSITION"


class Pospal(Vendor):
    """Every answer is HTTP 200 with `status`, and `errorCode` when the status is error."""

    name = "pospal"
    defaults: ClassVar[Mapping[str, str]] = {
        "app_id": "LINLI-APP",
        "app_key": "linli-app-key",
        "signature": "v1",
    }
    options: ClassVar[Mapping[str, str]] = {"window_field": "datetime", "time_tolerance": "600"}
    throttle = (TOO_OFTEN, "访问过于频繁，请稍后再试")
    business_failure = (BAD_REQUEST, "业务处理失败")
    has_token = False
    shows_total = False

    _served = 0

    def api_of(self, ask: Ask) -> str | None:
        return ask.path.removeprefix(PREFIX) if ask.path.startswith(PREFIX) else None

    def code_of(self, body: Row) -> int | str | None:
        return body.get("errorCode", 0)

    def refuse(self, ask: Ask, error: VendorError) -> Row:
        return {"status": "error", "messages": [error.message], "errorCode": error.code, "data": error.data}

    def answer(self, ask: Ask) -> Row:
        self._served += 1
        self._check_line(ask)
        self._check_signature(ask)
        handler = self._handlers().get(ask.api)
        if handler is None:
            raise VendorError(BAD_REQUEST, f"接口不存在：{ask.api}")
        return {"status": "success", "messages": [], "data": handler(ask)}

    def _handlers(self) -> Mapping[str, Callable[[Ask], Any]]:
        return {
            "ticketOpenApi/queryTicketPages": self._tickets,
            "ticketOpenApi/queryTicketBySn": self._ticket_by_sn,
            "ticketOpenApi/queryAllPayMethod": lambda ask: self.world["pay_methods"],
            "ticketOpenApi/queryRefunTicketBySellTicketUid": lambda ask: self._linked(ask, returned=True),
            "ticketOpenApi/querySellTicketByRefunTicketUid": lambda ask: self._linked(ask, returned=False),
            "customerOpenApi/queryCustomerPages": self._customers,
            "customerOpenApi/queryBytel": self._customers_by_phone,
            "userOpenApi/queryAllUser": lambda ask: self.world["stores"],
            "openApiLimitAccess/queryAccessTimes": self._access_times,
        }

    # the gate

    def _check_line(self, ask: Ask) -> None:
        if ask.method != "POST" or "application/json" not in ask.content_type or ask.json is None:
            raise VendorError(
                BAD_REQUEST, "请求必须是 POST，Content-Type 为 application/json，正文为 JSON 对象"
            )
        if ask.headers.get("user-agent") != "openApi":
            raise VendorError(BAD_REQUEST, "User-Agent 必须是 openApi")
        sent = ask.headers.get("time-stamp", "")
        if not sent.isdigit() or not self.timely(int(sent) / 1000, float(self.setting("time_tolerance"))):
            raise VendorError(BAD_SIGNATURE, "time-stamp 不正确（毫秒）")

    def _check_signature(self, ask: Ask) -> None:
        app_id, app_key = self.setting("app_id"), self.setting("app_key")
        if self.setting("signature") == "v3":
            sent = ask.headers.get("data-signature-v3", "").upper()  # the case is not stated
            signed = f"{app_id}{app_key}{ask.headers['time-stamp']}".encode() + ask.body
        else:
            sent = ask.headers.get("data-signature", "")
            signed = app_key.encode() + ask.body
        if sent != md5(signed).hexdigest().upper():
            raise VendorError(BAD_SIGNATURE, "签名不正确")
        if ask.args.get("appId") != app_id:
            raise VendorError(BAD_APP, "appId 不存在")

    # lists

    def page_start(self, ask: Ask) -> int:
        position = (ask.json or {}).get("postBackParameter")
        value = position.get("parameterValue") if isinstance(position, dict) else None
        head = str(value or "0").partition("-")[0]
        return int(head) if head.isdigit() else 0

    def _position(self, ask: Ask, scope: str) -> int:
        """Rows already read. The mark carries what it was made for, and is refused for anything else."""
        position = (ask.json or {}).get("postBackParameter")
        if not position:
            return 0
        start = self.page_start(ask)
        if position != _mark(start, scope):
            raise VendorError(BAD_REQUEST, "postBackParameter 必须原样传回")
        return start

    def _tickets(self, ask: Ask) -> Row:
        begin, end = _moment(ask, "startTime"), _moment(ask, "endTime")
        if not timedelta(0) < end - begin <= MAX_SPAN:
            raise VendorError(BAD_REQUEST, "时间跨度必须大于 0 且不超过 31 天")
        scope = f"{begin}|{end}"
        start = self._position(ask, scope)
        by = self.setting("window_field")
        shown = [ticket for ticket in map(self._as_of_now, self.world["tickets"]) if ticket]
        found = [ticket for ticket in shown if begin < read_stamp(ticket[by]) <= end]
        found.sort(key=lambda ticket: (ticket["sysUpdateTime"], ticket["uid"]), reverse=True)
        newest = found[0]["sysUpdateTime"] if found else ""
        rows, _ = self.page(
            ask,
            found,
            start,
            PAGE,
            key=lambda row: str(row["uid"]),
            touch=lambda row: self._touch(row, newest),
        )
        return _paged([public(row) for row in rows], start, scope)

    def _as_of_now(self, ticket: Row) -> Row | None:
        """The ticket as it stood at the set time: not uploaded yet, or not voided yet."""
        if not self.exists(read_stamp(ticket.get("_uploaded") or ticket["datetime"])):
            return None
        if ticket["invalid"] and not self.exists(read_stamp(ticket["sysUpdateTime"])):
            return ticket | {"invalid": 0, "sysUpdateTime": ticket["datetime"]}
        return dict(ticket)

    def _touch(self, row: Row, newest: str) -> None:
        """The server wrote the ticket again: its update time is the latest of the list."""
        for ticket in self.world["tickets"]:
            if ticket["uid"] == row["uid"]:
                ticket["sysUpdateTime"] = newest
        row["sysUpdateTime"] = newest

    def _customers(self, ask: Ask) -> Row:
        start = self._position(ask, "customers")
        found = [each for each in self.world["customers"] if self.exists(read_stamp(each["createdDate"]))]
        found.sort(key=lambda each: (each["createdDate"], each["customerUid"]), reverse=True)
        rows, _ = self.page(ask, found, start, PAGE, key=lambda row: str(row["customerUid"]))
        return _paged([public(row) for row in rows], start, "customers")

    # single questions

    def _customers_by_phone(self, ask: Ask) -> list[Row]:
        phone = ask.args.get("customerTel") or ask.args.get("tel") or ask.args.get("phone")
        if not phone:
            raise VendorError(BAD_REQUEST, "手机号不能为空")
        return [public(each) for each in self.world["customers"] if each.get("phone") == phone]

    def _ticket_by_sn(self, ask: Ask) -> Row:
        for ticket in map(self._as_of_now, self.world["tickets"]):
            if ticket and ticket["sn"].strip() == str(ask.args.get("sn", "")).strip():
                return public(ticket)
        raise VendorError(BAD_REQUEST, "单据不存在")

    def _linked(self, ask: Ask, *, returned: bool) -> Any:
        """A sale's return, or a return's sale; the name of the argument is not in the reference, any …uid will do."""
        asked = {str(value) for name, value in ask.args.items() if name.lower().endswith("uid")}
        for ticket in self.world["tickets"]:
            origin, own = str(ticket.get("_origin", "")), str(ticket["uid"])
            if returned and origin in asked:
                return public(ticket)
            if not returned and own in asked and origin:
                return next(
                    (public(each) for each in self.world["tickets"] if str(each["uid"]) == origin), None
                )
        return None

    def _access_times(self, ask: Ask) -> list[Row]:
        day = self.clock().date().isoformat()
        return [{"date": day, "accessTimes": self._served, "limitAccessTimes": 10000}]


VENDOR = Pospal


def _moment(ask: Ask, name: str) -> datetime:
    try:
        return read_stamp(str(ask.args.get(name, "")))
    except ValueError as error:
        raise VendorError(BAD_REQUEST, f"{name} 必填，格式 yyyy-MM-dd HH:mm:ss") from error


def _mark(start: int, scope: str) -> Row:
    seal = md5(f"{start}|{scope}".encode()).hexdigest()[:8]
    return {"parameterType": CURSOR, "parameterValue": f"{start}-{seal}"}


def _paged(rows: list[Row], start: int, scope: str) -> Row:
    return {"postBackParameter": _mark(start + len(rows), scope), "result": rows, "pageSize": PAGE}


# the world

PAY_METHODS = (
    ("payCode_1", "现金"),
    ("payCode_2", "储值卡"),
    ("payCode_101", "微信支付"),
    ("payCode_102", "支付宝"),
    ("payCode_103", "团购券"),
    ("payCode_104", "积分抵扣"),
    ("payCode_105", "单位挂账"),
    ("payCode_106", "店长个人微信"),
)
TICKET_KINDS = (
    "plain",
    "member",
    "split",
    "weighed",
    "voided",
    "member",
    "returned",
    "returned_negative",
    "returned_part",
    "rounded",
    "discounted",
    "float_noise",
    "coupon",
    "member",
    "points",
    "on_account",
    "stored_value",
    "test_order",
    "zero_price",
    "external_order",
    "no_customer_key",
    "null_customer",
    "late_upload",
    "after_midnight",
    "lower_case",
    "trailing_blank",
)
CUSTOMER_KINDS: tuple[PhoneKind | str, ...] = (
    "plain",
    "plain",
    "plain",
    "same_phone",
    "plain",
    "masked",
    "plain",
    "empty",
    "plain",
    "no_phone_key",
    "null_phone",
    "plain",
    "float",
    "placeholder",
    "extension",
    "landline",
    "recycled",
    "disabled",
)
_PAID_BY = {
    "coupon": "payCode_103",
    "points": "payCode_104",
    "on_account": "payCode_105",
    "stored_value": "payCode_2",
}
_RETURNS = ("returned", "returned_negative", "returned_part")


def make_world(*, seed: int, days: int, per_day: int, end: date) -> dict[str, Any]:
    """Tickets, members, payment methods and stores. Keys that begin with `_` are notes and are never sent."""
    rng = Random(seed)
    truth: Counter[str] = Counter()
    customers = _make_customers(rng, days, end, days * per_day + 10, truth)
    tickets: list[Row] = []
    for number, (_, moment) in enumerate(moments(rng, days, per_day, end)):
        kind = TICKET_KINDS[number % len(TICKET_KINDS)]
        if kind in _RETURNS and not (origin := _returnable(rng, tickets)):
            kind = "plain"
        ticket = (
            _make_return(rng, kind, origin, moment)
            if kind in _RETURNS
            else _make_ticket(rng, kind, moment, customers)
        )
        tickets.append(ticket)
        truth[kind] += 1
        truth["lines"] += len(ticket["items"])
        truth["tenders"] += len(ticket["payments"])
        truth["returned_days_later"] += bool(ticket.get("_days_later"))
    return {
        "tickets": tickets,
        "customers": customers,
        "pay_methods": [{"code": code, "name": name} for code, name in PAY_METHODS],
        "stores": [
            {"appId": Pospal.defaults["app_id"], "account": "linli_xh", "company": "邻里鲜徐汇店"},
            {"appId": "LINLI-APP-2", "account": "linli_ja", "company": "邻里鲜静安店"},
        ],
        "truth": {"tickets": len(tickets), "customers": len(customers), **truth},
    }


def _make_customers(rng: Random, days: int, end: date, count: int, truth: Counter[str]) -> list[Row]:
    customers: list[Row] = []
    for number in range(count):
        kind = CUSTOMER_KINDS[number % len(CUSTOMER_KINDS)]
        created = datetime(end.year, end.month, end.day, 21, tzinfo=BEIJING) - timedelta(
            days=days + 400 - number % 380
        )
        customer: Row = {
            "customerUid": big_id(rng),
            "number": f"{60000000 + number}",
            "name": person(rng) + ("  " if number % 9 == 4 else ""),
            "phone": phone_of("plain", rng),
            "point": number * 1.5,
            "balance": yuan(rng.randrange(0, 20000)),
            "discount": 60 if number % 10 == 3 else 100,
            "birthday": "1975-03-01" if number % 4 else None,
            "createdDate": stamp(created),
            "enable": 1,
            "categoryName": "金卡" if number % 10 == 3 else "普通会员",
            "createStoreAppIdOrAccount": "linli_ja" if number % 5 == 2 else Pospal.defaults["app_id"],
            "password": md5(b"123456").hexdigest(),
            "weixinOpenIds": _wechat_ids(rng, number),
            "extInfo": {"sex": number % 3, "totalPoint": number * 20.0, "creditLimit": 0},
        }
        _spoil_customer(rng, customer, kind, customers)
        customers.append(customer)
        truth[f"customer_{kind}"] += 1
        truth["customers_with_wechat"] += bool(customer["weixinOpenIds"])
    return customers


def _wechat_ids(rng: Random, number: int) -> list[Row]:
    if number % 4:
        return []
    kinds = (0, 1, 1000) if number % 8 == 0 else (1,)
    return [{"openId": f"o{rng.randbytes(13).hex()}", "openIdType": kind} for kind in kinds]


def _spoil_customer(rng: Random, customer: Row, kind: str, earlier: list[Row]) -> None:
    if kind == "same_phone" and earlier:
        customer["phone"] = earlier[-1]["phone"]
    elif kind == "no_phone_key":
        del customer["phone"]
    elif kind == "null_phone":
        customer["phone"] = None
    elif kind == "recycled":
        customer["enable"] = -1
    elif kind == "disabled":
        customer["enable"] = 0
    elif kind != "plain":
        customer["phone"] = phone_of(kind, rng)  # type: ignore[arg-type]


def _make_ticket(rng: Random, kind: str, moment: datetime, customers: list[Row]) -> Row:
    if kind == "after_midnight":  # still the evening before, as the shop counts
        moment = moment.replace(hour=0)
    weighed = {"weighed": True, "float_noise": False}.get(kind)
    lines = basket(rng, weighed=weighed, percent=80 if kind == "discounted" else 100)
    if kind == "zero_price":
        for line in lines:
            line.paid_fen = 0
    total = sum(line.paid_fen for line in lines)
    rounding = -(total % 10) if kind == "rounded" else 0
    with_member = kind in ("member", "points", "stored_value", "coupon", "late_upload")
    uid = big_id(rng)
    ticket: Row = {
        "uid": uid,
        "sn": f"{moment:%Y%m%d%H%M%S}{uid % 10000:04d}",
        "datetime": stamp(moment),
        "ticketType": "SELL",
        "invalid": 0,
        "sysUpdateTime": stamp(moment + timedelta(seconds=rng.randrange(1, 40))),
        "totalAmount": yuan(total),
        "totalProfit": yuan(total * 3 // 10),
        "discount": yuan(sum(line.list_fen for line in lines) - total),
        "rounding": yuan(rounding),
        "externalOrderNo": f"{3571234567890123456 + uid % 1000}" if kind == "external_order" else "",
        "customerUid": rng.choice(customers)["customerUid"] if with_member else 0,
        "cashierUid": big_id(Random(STAFF[0])),
        "cashier": {"uid": big_id(Random(STAFF[0])), "jobNumber": "1001", "name": STAFF[0]},
        "payments": _payments(rng, kind, total + rounding),
        "items": [_item(line) for line in lines],
    }
    _spoil_ticket(ticket, kind, moment)
    return ticket


def _item(line: BasketLine) -> Row:
    good = line.good
    return {
        "name": good.name,
        "buyPrice": yuan(good.price_fen * 7 // 10),
        "sellPrice": yuan(good.price_fen),
        "customerPrice": yuan(good.price_fen * 95 // 100),
        "quantity": line.quantity,
        "discount": round(100 * line.paid_fen / line.list_fen),
        "customerDiscount": 100,
        "totalAmount": yuan(line.paid_fen),
        "totalProfit": yuan(line.paid_fen * 3 // 10),
        "isCustomerDiscount": 0,
        "productUid": 4_611_686_018_427_000_001 + int(good.sku),
        "productBarcode": good.barcode,
        "isWeighing": int(good.weighed),
        "ticketitemattributes": [],
        "discountDetails": [],
        "saleGuiderList": [],
    }


def _payments(rng: Random, kind: str, total: int) -> list[Row]:
    if kind == "split" and total > 1:
        parts = [("payCode_2", total // 3), ("payCode_101", total - total // 3)]
    else:
        parts = [(_PAID_BY.get(kind) or rng.choice(("payCode_1", "payCode_101", "payCode_102")), total)]
    return [{"code": code, "amount": yuan(fen)} for code, fen in parts]


def _spoil_ticket(ticket: Row, kind: str, moment: datetime) -> None:
    if kind == "voided":
        ticket |= {"invalid": 1, "sysUpdateTime": stamp(moment + timedelta(hours=5))}
    elif kind == "test_order":
        ticket["items"][0]["name"] = "测试商品（勿动）"
    elif kind == "no_customer_key":
        del ticket["customerUid"]
    elif kind == "null_customer":
        ticket["customerUid"] = None
    elif kind == "late_upload":
        late = stamp(moment + timedelta(days=2))
        ticket |= {"_uploaded": late, "sysUpdateTime": late}
    elif kind == "lower_case":
        ticket["ticketType"] = "sell"
    elif kind == "trailing_blank":
        ticket["sn"] += "  "
        ticket["items"][0]["productBarcode"] += " \n"
    elif kind == "float_noise":
        for amounts in (ticket, *ticket["items"]):  # what adding floats leaves behind
            amounts["totalAmount"] = nextafter(amounts["totalAmount"], inf)


def _returnable(rng: Random, tickets: list[Row]) -> Row | None:
    """A sale to bring back, rather one of an earlier day than of today."""
    gone = {ticket.get("_origin") for ticket in tickets}
    open_sales = [
        ticket
        for ticket in tickets
        if ticket["ticketType"] == "SELL" and not ticket["invalid"] and ticket["uid"] not in gone
    ]
    sales = [ticket for ticket in open_sales if ticket["totalAmount"] > 0]
    if not sales:
        return None
    today = tickets[-1]["datetime"][:10]
    return rng.choice([ticket for ticket in sales if ticket["datetime"][:10] < today] or sales)


def _make_return(rng: Random, kind: str, origin: Row | None, moment: datetime) -> Row:
    """Another ticket with another uid; of all lines, or of the first one alone."""
    assert origin is not None
    sign = -1 if kind == "returned_negative" else 1
    kept = origin["items"][:1] if kind == "returned_part" else origin["items"]
    items = [
        item | {"quantity": sign * item["quantity"], "totalAmount": sign * item["totalAmount"]}
        for item in kept
    ]
    total = round(sum(item["totalAmount"] for item in items), 2)
    uid = big_id(rng)
    return origin | {
        "uid": uid,
        "sn": f"{moment:%Y%m%d%H%M%S}{uid % 10000:04d}",
        "datetime": stamp(moment),
        "ticketType": "SELL_RETURN",
        "sysUpdateTime": stamp(moment),
        "totalAmount": total,
        "totalProfit": round(total * 0.3, 2),
        "discount": 0,
        "rounding": 0,
        "payments": [{"code": "payCode_1", "amount": total}],
        "items": items,
        "_uploaded": None,
        "_origin": origin["uid"],
        "_days_later": origin["datetime"][:10] < stamp(moment)[:10],
    }
