"""Keruyun (客如云): orders of one shop or brand, each with its lines and payments. Shapes as two public SDKs have them.

Never called live here. Where the SDKs disagree, chain.yml decides: where the token goes in the signature
(`token_in_sign`) and the body of the order list (`list_request`). Unverified beyond that: the shape of the token
answer, the token's life, the unit of amounts in the detail (taken as fen, checked against the list), whether endDate is
inclusive, the largest page, and every figure and code of the vendor's limits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from dagster_project.lang import tr
from dagster_project.sources.client import ApiClient, choice, codes_setting
from dagster_project.sources.errors import MalformedResponse, RateLimited, TokenRejected, VendorConfigError
from dagster_project.sources.refusals import refusal
from dagster_project.sources.vendor import (
    MOST_RECORDS,
    Page,
    Record,
    Slice,
    TokenKeeper,
    day_slices,
    decode_json,
    rows_at,
    stable_pages,
    wall_time,
    whole,
)

TOKEN = "/open/v1/token/get"
LIST = "/open/standard/order/queryList"
DETAIL = "/open/standard/order/queryDetail"
VERSION = "2.0"
PAGE = 50
LONGEST_WINDOW = timedelta(days=31)
TOKEN_SECONDS = 3_600.0  # the answer states no life; renewed hourly, and at once when the vendor says so
AUTH_CODES = frozenset(str(code) for code in range(100, 109))
ORDER_TIME = (
    "2"  # dateType; the time of ordering never moves, so an order that is voided later stays in its window
)

_TOKEN_PLACES = ("tail", "sorted")
_LIST_REQUESTS = ("page_bean", "flat")


class KeruyunClient(ApiClient):
    """Table `orders`: queryDetail's blocks plus `listed`, the order's row of queryList; one slice a day by order time."""

    def _set_up(self) -> None:
        self._throttle_codes = codes_setting(self._settings, "throttle_codes")
        self._token_place = choice(self._settings, "token_in_sign", _TOKEN_PLACES)
        self._list_request = choice(self._settings, "list_request", _LIST_REQUESTS)
        brand = self._settings.get("brand_id")
        self._account = {"brandId": brand} if brand else {"shopIdenty": self._settings["shop_id"]}
        self._tokens = TokenKeeper(self._new_token, self._clock)

    def slices(self, night: date, since: date) -> Sequence[Slice]:
        """Orders of every day of [since, night]. There is no update time: a late change is seen by reading again."""
        return day_slices("orders", "ordered", since, night, self._zone)

    def fetch(self, piece: Slice) -> Iterator[Sequence[Record]]:
        """Pages of at most 50 orders with their details. See `WindowedClient.fetch`."""
        pages = stable_pages(
            LIST,
            partial(self._page, piece),
            key=lambda row: str(row.get("orderId")),
            size=PAGE,
            most=MOST_RECORDS,
            notes=self.notes,
        )
        for rows in pages:
            yield [self._detail(row) for row in rows]

    def _page(self, piece: Slice, number: int) -> Page:
        data = self._call(
            LIST, list_body(self._list_request, piece, number, self._settings.get("shop_id", ""))
        )
        # a smaller page than asked for would make a full page look like the last one
        given = data.get("pageSize")
        if given not in (None, "") and whole(LIST, given, "pageSize") != PAGE:
            raise MalformedResponse(LIST, tr("pageSize 与所求不同", "pageSize is not what was asked for"))
        return Page(rows_at(LIST, data, "list"), whole(LIST, data.get("totalCount"), "totalCount"))

    def _detail(self, row: Record) -> Record:
        order_id = row.get("orderId")
        if not isinstance(order_id, str) or not order_id:
            raise MalformedResponse(LIST, tr("orderId 缺失", "orderId is missing"))
        detail = self._call(DETAIL, {"orderId": order_id})
        base = detail.get("orderBaseVO")
        if not isinstance(base, dict) or base.get("orderId") != order_id:
            raise MalformedResponse(DETAIL, tr("不是所问的订单", "is another order"))
        for key in ("orderItemVoList", "openPaymentDetailVoList"):
            if detail.get(key) is not None:
                rows_at(DETAIL, detail, key)
        if unit_differs(row, base):
            raise MalformedResponse(
                DETAIL,
                tr("金额与列表相差 100 倍，单位不是分", "amounts differ 100-fold from the list: not fen"),
            )
        return {**detail, "listed": row}

    def _call(self, api: str, body: Mapping[str, Any]) -> Record:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        try:
            return self._tokens.using(
                lambda token: self._http.retrying(partial(self._attempt, api, text, token))
            )
        except TokenRejected as error:  # a fresh token did not help, so it is not the token
            raise _wrong_account(api, error.code) from None

    def _attempt(self, api: str, text: str, token: str) -> Record:
        query = {"appKey": self._settings["app_key"], **self._account}
        query |= {"timestamp": str(int(self._now())), "version": VERSION}
        secret = {"sign": sign(query, text, token, self._token_place)}
        if self._token_place == "sorted":
            secret["token"] = token
        content = self._http.attempt(
            "POST",
            api,
            query=query,
            secret_query=secret,
            content=text.encode(),
            headers={"Content-Type": "application/json; charset=utf-8"},
        )
        return decode_envelope(api, content, self._throttle_codes)

    def _new_token(self) -> tuple[str, float]:
        try:
            return self._http.retrying(self._attempt_token), TOKEN_SECONDS
        except TokenRejected as error:
            raise _wrong_account(TOKEN, error.code) from None

    def _attempt_token(self) -> str:
        query = {"appKey": self._settings["app_key"], **self._account}
        query |= {"timestamp": str(int(self._now())), "version": VERSION}
        secret = {"sign": sign(query, None, self._settings["app_secret"], "tail")}
        content = self._http.attempt("GET", TOKEN, query=query, secret_query=secret)
        return decode_token(TOKEN, content, self._throttle_codes)


def sign(query: Mapping[str, str], body: str | None, token: str, place: str) -> str:
    """Lower-case hex SHA-256 of the parameters (name and value joined), "body" with the JSON text, and the token.

    Args:
        body: None where the call has none (the token's own call).
        token: the token; the app secret when a token is asked for.
        place: `tail`: only at the end. `sorted`: also as one of the parameters, which are in order of name.
    """
    if place == "sorted":
        parameters = sorted({**query, "token": token}.items())
    else:
        fixed = ("appKey", "shopIdenty", "brandId", "timestamp", "version")
        parameters = [(name, query[name]) for name in fixed if name in query]
    text = "".join(name + value for name, value in parameters)
    text += ("" if body is None else f"body{body}") + token
    return hashlib.sha256(text.encode()).hexdigest()


def list_body(shape: str, piece: Slice, number: int, shop_id: str) -> Record:
    """The order list's request of one page.

    Both ends are sent as they are: the second at which two slices meet may come twice, never not at all.
    Raises: ValueError: longer than the vendor allows, or without begin and end.
    """
    if piece.begin is None or piece.end is None:
        raise ValueError(f"{piece.table} needs a window")
    if piece.end - piece.begin > LONGEST_WINDOW:
        raise ValueError(f"a window of {piece.end - piece.begin}")
    body: Record = {
        "dateType": ORDER_TIME,
        "startDate": wall_time(piece.begin),
        "endDate": wall_time(piece.end),
    }
    if shape == "flat":
        return body | {"shopIds": [shop_id], "pageNum": number, "pageSize": PAGE}
    return body | {"pageBean": {"pageNum": number, "pageSize": PAGE}}


def decode_envelope(api: str, content: bytes, throttle_codes: frozenset[str] = frozenset()) -> Record:
    """`result.data` when both the code and the result say success; numbers as text.

    Raises:
        MalformedResponse: not JSON, or another envelope.
        TokenRejected: codes 100–108, unless the words speak of too many calls.
        VendorError: refused at either level, whatever else the body holds.
    """
    result = _result(api, content, throttle_codes)
    if result.get("success") is not True:
        if result.get("success") is False:
            raise refusal(api, result.get("msgCode"), result.get("msgInfo"), throttle_codes)
        raise MalformedResponse(api, tr("result.success 缺失", "result.success is missing"))
    data = result.get("data")
    if not isinstance(data, dict):
        raise MalformedResponse(api, tr("result.data 不是对象", "result.data is no object"))
    return data


def decode_token(api: str, content: bytes, throttle_codes: frozenset[str] = frozenset()) -> str:
    """The token, at `result.token` or `result.data.token`: neither is documented. Raises: as decode_envelope."""
    result = _result(api, content, throttle_codes)
    if result.get("success") is False:
        raise refusal(api, result.get("msgCode"), result.get("msgInfo"), throttle_codes)
    data = result.get("data")
    token = result.get("token") or (data.get("token") if isinstance(data, dict) else None)
    if not isinstance(token, str) or not token:
        raise MalformedResponse(api, tr("没有 token", "no token"))
    return token


def _result(api: str, content: bytes, throttle_codes: frozenset[str]) -> Record:
    answer = decode_json(api, content)
    code, result = answer.get("code"), answer.get("result")
    if not isinstance(code, str) or not code:
        raise MalformedResponse(api, tr("code 缺失", "code is missing"))
    if code != "0":
        error = refusal(api, code, [answer.get("message"), answer.get("apiMessage")], throttle_codes)
        # no code for too many calls is documented, so it may be among the auth codes
        if code in AUTH_CODES and not isinstance(error, RateLimited):
            raise TokenRejected(api, code)
        raise error
    if not isinstance(result, dict):
        raise MalformedResponse(api, tr("result 不是对象", "result is no object"))
    return result


def unit_differs(listed: Record, base: Record) -> bool:
    """Whether an order's amount in the detail is a hundredth (or a hundred times) of that in the list."""
    pairs = [(_amount(listed.get(key)), _amount(base.get(key))) for key in ("orderAmt", "orderReceivedAmt")]
    return any(one and two and (one == two * 100 or two == one * 100) for one, two in pairs)


def _amount(value: Any) -> Decimal | None:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def _wrong_account(api: str, code: int | str) -> VendorConfigError:
    return VendorConfigError(
        api,
        code,
        tr(
            "：鉴权失败，请核对 app_key、app_secret、shop_id/brand_id 与本机时钟；token_in_sign 可试另一种",
            ": not let in; check app_key, app_secret, shop_id/brand_id and the clock, or try the other token_in_sign",
        ),
    )
