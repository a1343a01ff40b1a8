"""Kuaituantuan's (快团团) order and after-sales lists on the PDD open platform. Never called live here.

Shapes rest on the vendor's documents and SDK, except these, which nobody could check: the names of the after-sales
list's window parameters, the values of its `query_type` (setting after_sales_query_type; not sent when empty), under
which key a list of rows comes (so the only list of objects in the answer is taken), whether the order list says
has_next, the platform's call rate, and whether receivers come plain, masked, encrypted or empty (they are handed on as
they are).

The access token is granted by the leader on the platform's page; this client cannot renew it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

from dagster_project.lang import tr
from dagster_project.sources.client import ApiClient
from dagster_project.sources.errors import (
    MalformedResponse,
    RateLimited,
    TokenRejected,
    VendorConfigError,
    VendorError,
)
from dagster_project.sources.listing import OpenPage, agreeing_pages
from dagster_project.sources.vendor import Record, Slice, TokenKeeper, day_slices, decode_json, whole

ROUTER = "/api/router"
ORDERS, AFTER_SALES = "pdd.ktt.increment.order.query", "pdd.ktt.after.sales.increment.list"
PAGE = 100
# the vendor names no cap; this bounds memory
MOST_ROWS = 10_000
LONGEST_ORDERS = timedelta(hours=24)
# documented as "less than 24 hours"
LONGEST_AFTER_SALES = timedelta(hours=12)

_CLASS_OF_CODE: dict[int, type[VendorError]] = {
    10019: TokenRejected,
    **dict.fromkeys((20004, 20005, 20031, 70036), VendorConfigError),
    **dict.fromkeys((52101, 70031), RateLimited),
}


def _hint(code: int) -> str:
    """What a person can do about an error code."""
    return {
        10001: tr(
            "：参数不合要求，或本机时钟差了十分钟以上",
            ": a parameter is not as wanted, or this machine's clock is more than ten minutes off",
        ),
        10019: tr(
            "：access_token 已失效，请团长重新授权并更新环境变量",
            ": the access_token has expired; have the leader authorise again and renew the environment variable",
        ),
        20004: tr("：签名不对，请核对 client_secret", ": wrong signature; check client_secret"),
        20005: tr("：本机 IP 不在应用的白名单里", ": this machine's IP is not on the app's list"),
        20031: tr("：应用没有此接口权限，请在开放平台申请", ": the app may not call this API; apply for it"),
        70036: tr("：应用还在测试状态", ": the app is still in its test state"),
    }.get(code, "")


class KttClient(ApiClient):
    """One leader's orders and after-sales, by update time.

    Tables: `orders` (with their sub-orders), `after_sales`. Records keep the vendor's shape.

    Settings: base_url, client_id, client_secret, access_token, after_sales_query_type, calls_per_minute.

    Raises (slices, fetch): ValueError for an unusable setting; TooManyRows when a slice would not fit in memory;
    RateLimited and Unreachable after bounded retries; TokenRejected; VendorConfigError; other VendorError;
    MalformedResponse. Not safe for several threads at once.
    """

    def _set_up(self) -> None:
        # nothing to renew, but the one replay tells a passing refusal from a dead token
        self._token = TokenKeeper(lambda: (self._settings["access_token"], float("inf")), self._clock)

    def slices(self, night: date, since: date) -> list[Slice]:
        """Windows no longer than the vendor's: a day of orders, half a day of after-sales."""
        orders = day_slices("orders", "updated", since, night, self._zone)
        after_sales = day_slices("after_sales", "updated", since, night, self._zone)
        return [
            *(part for piece in orders for part in _capped(piece, LONGEST_ORDERS)),
            *(part for piece in after_sales for part in _capped(piece, LONGEST_AFTER_SALES)),
        ]

    def fetch(self, piece: Slice) -> Iterator[Sequence[Record]]:
        """Pages of the slice's records in the vendor's shape."""
        if piece.begin is None or piece.end is None:
            raise ValueError(f"{piece.table} needs a window")
        # The end is the first millisecond of the next slice: read twice it is one row, left out it would be lost.
        window = {
            "start_updated_at": str(int(piece.begin.timestamp() * 1000)),
            "end_updated_at": str(int(piece.end.timestamp() * 1000)),
        }
        if piece.table == "orders":
            return self._list(ORDERS, window, "order_sn")
        if piece.table == "after_sales":
            chosen = self._settings.get("after_sales_query_type") or ""
            return self._list(
                AFTER_SALES, window | ({"query_type": chosen} if chosen else {}), "after_sales_biz_sn"
            )
        raise ValueError(f"no table {piece.table}")

    def _list(self, api: str, window: Mapping[str, str], key: str) -> Iterator[list[Record]]:
        def read(number: int) -> OpenPage:
            paging = {"page_number": str(number), "page_size": str(PAGE)}
            answer = self._call(api, {**window, **paging})
            rows = _only_list(api, answer)
            # documented for after-sales; the order list may leave it out, and then a full page may not be the last
            if api == AFTER_SALES or "has_next" in answer:
                return OpenPage(rows, _flag(api, answer, "has_next"))
            return OpenPage(rows, len(rows) >= PAGE)

        return agreeing_pages(api, read, key=partial(_id, api, key), most=MOST_ROWS, notes=self.notes)

    def _call(self, api: str, parameters: Mapping[str, str]) -> Record:
        def send(token: str) -> Record:
            return self._http.retrying(lambda: attempt(token))

        def attempt(token: str) -> Record:
            common = {
                "type": api,
                "client_id": self._settings["client_id"],
                "timestamp": str(int(self._now())),
                "data_type": "JSON",
                "access_token": token,
            }
            form = {**common, **parameters}
            form["sign"] = sign(self._settings["client_secret"], form)
            return decode_envelope(api, self._http.attempt("POST", ROUTER, form=form))

        return self._token.using(send)


def sign(secret: str, parameters: Mapping[str, str]) -> str:
    """The platform's signature: upper-case MD5 over secret, sorted keys with their values, secret."""
    text = "".join(f"{key}{parameters[key]}" for key in sorted(parameters))
    return hashlib.md5(f"{secret}{text}{secret}".encode()).hexdigest().upper()


def decode_envelope(api: str, content: bytes) -> Record:
    """The object under the single top-level key that ends in `response`; numbers are the text they were.

    That key is not always the API's name, and some answers tell success inside it.

    Raises: MalformedResponse: no such key, or several. VendorError: an error; the subclass says what to do.
    """
    answer = decode_json(api, content)
    keys = [key for key in answer if key.endswith("response")]
    if "error_response" in keys:
        raise _error(api, _object(api, answer["error_response"]))
    if len(keys) != 1:
        raise MalformedResponse(
            api, tr("应恰有一个以 response 结尾的键", "wants exactly one key that ends in `response`")
        )
    body = _object(api, answer[keys[0]])
    success = str(body.get("success", "")).lower()
    failed = success == "false" or (success != "true" and body.get("error_code") not in (None, "", "0"))
    if failed:
        raise _error(api, body)
    return body


def _object(api: str, value: Any) -> Record:
    if not isinstance(value, dict):
        raise MalformedResponse(api, tr("回应不是对象", "the response is no object"))
    return value


def _error(api: str, body: Record) -> VendorError:
    code = whole(api, body.get("error_code"), "error_code")
    return _CLASS_OF_CODE.get(code, VendorError)(api, code, _hint(code))


def _only_list(api: str, answer: Record) -> list[Record]:
    lists = [value for value in answer.values() if isinstance(value, list)]
    if len(lists) != 1 or not all(isinstance(row, dict) for row in lists[0]):
        raise MalformedResponse(api, tr("应恰有一个对象列表", "wants exactly one list of objects"))
    return lists[0]


def _flag(api: str, answer: Record, key: str) -> bool:
    text = str(answer.get(key)).lower()
    if text not in ("true", "false"):
        raise MalformedResponse(api, tr(f"{key} 缺失或不是布尔值", f"{key} is missing or no boolean"))
    return text == "true"


def _id(api: str, key: str, row: Record) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise MalformedResponse(api, tr(f"{key} 缺失", f"{key} is missing"))
    return value


def _capped(piece: Slice, longest: timedelta) -> list[Slice]:
    """The slice, halved until no part is longer than `longest`."""
    if piece.begin is None or piece.end is None or piece.end - piece.begin <= longest:
        return [piece]
    halves = piece.halves() or ()
    return [part for half in halves for part in _capped(half, longest)]
