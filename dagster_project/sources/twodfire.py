"""2dfire (二维火): bills of one shop, a business day per call. Shapes of integrations from 2017–2020; never called live here.

Unverified: the current gateway as a whole (same form and signature as the old router are assumed, posted to its root),
the error envelope, the name and form of the order-id parameter of `dfire.shop.order.instance.list` (chain.yml:
`order_ids_param`), the unit of amounts (`money_unit`), that `charge` is change given, and the vendor's limits. The
reference names no call for a bill's lines on the new gateway, so that gives bills and payments only, and says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from dagster_project.lang import tr
from dagster_project.sources.client import ApiClient, choice, codes_setting
from dagster_project.sources.errors import MalformedResponse
from dagster_project.sources.refusals import refusal
from dagster_project.sources.vendor import Record, Slice, day_slices, decode_json, rows_at

ORDERS_PER_CALL = 20
VERSION = "1.0"
# setting → path below base_url, call for a day's bills, call for their lines
_DOORS = {
    "router": ("/router", "dfire.shop.order.list", "dfire.shop.order.instance.list"),
    "gateway": ("/", "com.dfire.open.shop.order.query", None),
}
_FAILED = (False, "false", "FALSE", "False")
_SUCCEEDED = (True, "true", "TRUE", "True")
_CODE_KEYS = ("code", "resultCode")
_GOOD_CODES = frozenset({"0", "1", "200"})
_NO_ERROR = frozenset({"0", "", "ok", "success", "成功", "操作成功", "请求成功"})


class TwodfireClient(ApiClient):
    """Table `orders`: a bill's blocks plus `items`, its lines; one slice a business day.

    A day comes in one answer and cannot be split.
    """

    def _set_up(self) -> None:
        self._throttle_codes = codes_setting(self._settings, "throttle_codes")
        self._path, self._list, self._lines = _DOORS[choice(self._settings, "gateway", tuple(_DOORS))]
        self._ids_param = self._settings.get("order_ids_param") or "orderIds"

    def slices(self, night: date, since: date) -> Sequence[Slice]:
        """Every business day of [since, night]."""
        return day_slices("orders", "business_day", since, night, self._zone)

    def fetch(self, piece: Slice) -> Iterator[Sequence[Record]]:
        """Pages of at most 20 bills. See `WindowedClient.fetch`; never TooManyRows."""
        if piece.begin is None:
            raise ValueError(f"{piece.table} needs a day")
        day = {"currDate": f"{piece.begin.astimezone(self._zone):%Y%m%d}"}
        orders = self._call(self._list, day)
        ids = [order_id(self._list, order) for order in orders]
        if self._lines is None and orders:
            self._say_once(
                tr(
                    "二维火新网关没有已知的明细接口，只取到单据与支付",
                    "no call for lines is known on 2dfire's new gateway: bills and payments only",
                )
            )
        for start in range(0, len(orders), ORDERS_PER_CALL):
            some = ids[start : start + ORDERS_PER_CALL]
            items = self._items_of(self._lines, some, day) if self._lines else {}
            page = zip(some, orders[start : start + ORDERS_PER_CALL], strict=True)
            yield [
                {**order, "items": items.get(number, [])} if self._lines else order for number, order in page
            ]

    def _items_of(self, api: str, ids: Sequence[str], day: Mapping[str, str]) -> dict[str, list[Record]]:
        """Lines by order id."""
        items: dict[str, list[Record]] = {number: [] for number in ids}
        for item in self._call(api, {**day, self._ids_param: ",".join(ids)}):
            number = item.get("orderId")
            if number not in items:
                raise MalformedResponse(
                    api, tr("明细不属于所问的单据", "a line belongs to no bill that was asked")
                )
            items[number].append(item)
        return items

    def _say_once(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def _call(self, api: str, asked: Mapping[str, str]) -> list[Record]:
        return self._http.retrying(partial(self._attempt, api, asked))

    def _attempt(self, api: str, asked: Mapping[str, str]) -> list[Record]:
        form = {
            "method": api,
            "entityId": self._settings["entity_id"],
            "appKey": self._settings["app_key"],
            "v": VERSION,
            "timestamp": str(int(self._now() * 1000)),
            **asked,
        }
        form["sign"] = sign(form, self._settings["app_secret"])
        return decode_envelope(api, self._http.attempt("POST", self._path, form=form), self._throttle_codes)


def sign(form: Mapping[str, str], secret: str) -> str:
    """Upper-case hex SHA-1 of the secret, every name and value in order of name, and the secret again."""
    text = "".join(name + value for name, value in sorted(form.items()) if name != "sign")
    return hashlib.sha1(f"{secret}{text}{secret}".encode()).hexdigest().upper()


def decode_envelope(api: str, content: bytes, throttle_codes: frozenset[str] = frozenset()) -> list[Record]:
    """The rows at `model` (old) or `data.data` (new); numbers as text.

    The error envelope is not documented, so any sign of failure counts: `success` false, a key that begins with "err"
    and holds something, a code other than 0, 1 and 200, no rows beside a code or words that are not praise.

    Raises:
        MalformedResponse: not JSON, or neither rows nor a sign of failure.
        VendorError: the call was refused; an empty list beside an error is never "no rows".
    """
    answer = decode_json(api, content)
    inner = answer.get("data")
    levels = [answer, *([inner] if isinstance(inner, dict) else [])]
    holder, key = (levels[-1], "data") if "model" not in answer and len(levels) > 1 else (answer, "model")
    empty = not holder.get(key)
    for level in levels:
        if _has_failed(level, empty):
            words = [value for name, value in level.items() if _is_message(name)]
            raise refusal(api, _code_of(level), words, throttle_codes)
    return rows_at(api, holder, key)


def order_id(api: str, order: Record) -> str:
    """A bill's id. Raises: MalformedResponse."""
    base = order.get("orderVo")
    number = base.get("orderId") if isinstance(base, dict) else None
    if not isinstance(number, str) or not number:
        raise MalformedResponse(api, tr("orderVo.orderId 缺失", "orderVo.orderId is missing"))
    return number


def _has_failed(level: Record, empty: bool) -> bool:
    if level.get("success") in _FAILED:
        return True
    errors = [value for name, value in level.items() if name.lower().startswith("err") and value]
    if any(str(value).strip().lower() not in _NO_ERROR for value in errors):
        return True
    if any(str(level[name]) not in _GOOD_CODES for name in _CODE_KEYS if level.get(name) not in (None, "")):
        return True
    if not empty or level.get("success") in _SUCCEEDED:
        return False
    words = [value for name, value in level.items() if _is_message(name) and value]
    return any(str(value).strip().lower() not in _NO_ERROR for value in words)


def _is_message(name: str) -> bool:
    return name.lower() in ("message", "msg", "errormsg", "errmsg", "error_msg", "errormessage")


def _code_of(level: Record) -> Any:
    found = [value for name, value in level.items() if name.lower() in ("errorcode", "errcode", "error_code")]
    found += [level.get(name) for name in _CODE_KEYS]
    return next((value for value in found if value not in (None, "", "0")), None)
