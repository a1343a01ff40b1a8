"""Weimob's (微盟) WOS v2.0 API: orders with their buyers, and after-sales, of one organisation node. Never called live here.

Shapes rest on SDK models and one client. Nobody could check: every error code (which of them mean a dead token or a
throttle is told by the settings token_errcodes and throttle_errcodes, else guessed from the error's text), what the
codes of statuses mean, call rates, page-size caps, the life and shape of the token's answer, the request of the
after-sales list (sent like that of the order list) and the filter `type` other than 1 = created (setting time_type).
One client notes that ranges may span 30 days at most.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

from dagster_project.lang import tr
from dagster_project.sources.client import ApiClient, codes_setting, whole_setting
from dagster_project.sources.errors import (
    MalformedResponse,
    RateLimited,
    TokenRejected,
    VendorConfigError,
    VendorError,
)
from dagster_project.sources.listing import OpenPage, agreeing_pages
from dagster_project.sources.vendor import (
    Record,
    Slice,
    TokenKeeper,
    day_slices,
    decode_json,
    rows_at,
    text_at,
    value_at,
)

AUTH = "/fuwu/b/oauth2/token"
ORDERS, AFTER_SALES, CUSTOMERS = (
    "weimob_shop/v2.0/order/list/search",
    "weimob_shop/v2.0/rights/list/search",
    "weimob_crm/v2.0/customer/getList",
)
PAGE = 50
# the vendor names no cap; this bounds memory
MOST_ROWS = 5_000
BUYERS_PER_CALL = 50
TOKEN_LIFE = 3_600.0
REREAD_DAYS = 30

_CREATED = "1"
_TOKEN_WORD = re.compile(r"token|令牌", re.IGNORECASE)
_THROTTLE_WORD = re.compile(r"限流|频率|频繁|too many|limit|throttl", re.IGNORECASE)
_CODE = re.compile(r"[-\w.]{1,40}", re.ASCII)
_OAUTH_ERROR = re.compile(r"[a-z_]{1,40}")


class WeimobClient(ApiClient):
    """One organisation node's orders and after-sales.

    Tables: `orders` (each with its buyer's customer record under `customer`, when the vendor has one), `rights`
    (after-sales). By default windows are by creation time, so what changes later is seen by reading the last days again
    every night, and the last 30 days on Mondays.

    Settings: base_url, client_id, client_secret, vid, shop_id, shop_type, time_type, customers (on | off),
    token_errcodes, throttle_errcodes, page_size, calls_per_minute.

    Raises (slices, fetch): ValueError for an unusable setting; TooManyRows when a slice would not fit in memory;
    RateLimited and Unreachable after bounded retries; TokenRejected after one renewal; VendorConfigError; other
    VendorError; MalformedResponse. Not safe for several threads at once.
    """

    def _set_up(self) -> None:
        self._vid = _number(self._settings["vid"], "vid")
        self._time_type = self._settings.get("time_type") or _CREATED
        self._page = whole_setting(self._settings, "page_size", PAGE)
        self._decode = partial(
            decode_envelope,
            token_codes=codes_setting(self._settings, "token_errcodes"),
            throttle_codes=codes_setting(self._settings, "throttle_errcodes"),
        )
        self._token = TokenKeeper(self._fetch_token, self._clock)

    def slices(self, night: date, since: date) -> list[Slice]:
        """A slice per day and table; on Mondays at least the last 30 days."""
        begin = min(since, night - timedelta(days=REREAD_DAYS - 1)) if night.weekday() == 0 else since
        by = "created" if self._time_type == _CREATED else f"type{self._time_type}"
        return [
            *day_slices("orders", by, begin, night, self._zone),
            *day_slices("rights", by, begin, night, self._zone),
        ]

    def fetch(self, piece: Slice) -> Iterator[Sequence[Record]]:
        """Pages of the slice's records in the vendor's shape."""
        if piece.begin is None or piece.end is None:
            raise ValueError(f"{piece.table} needs a window")
        window = {
            "startTime": int(piece.begin.timestamp() * 1000),
            # the first millisecond of the next slice: read twice it is one row, left out it would be lost
            "endTime": int(piece.end.timestamp() * 1000),
            "type": _number(self._time_type, "time_type"),
        }
        if piece.table == "orders":
            return self._orders(window)
        if piece.table == "rights":
            return self._list(AFTER_SALES, window, ("rightsOrder", "rightsId"))
        raise ValueError(f"no table {piece.table}")

    def _orders(self, window: Mapping[str, int]) -> Iterator[list[Record]]:
        for rows in self._list(ORDERS, window, ("orderInfo", "orderBaseInfo", "orderNo")):
            yield rows if self._settings.get("customers") == "off" else self._with_customers(rows)

    def _list(self, api: str, window: Mapping[str, int], key: tuple[str, ...]) -> Iterator[list[Record]]:
        first = 0

        def read(number: int) -> OpenPage:
            nonlocal first
            body = {"pageNum": number, "pageSize": self._page, "queryParameter": {"queryTime": dict(window)}}
            rows = rows_at(api, self._call(api, {**body, "basicInfo": {"vid": self._vid}}), "pageList")
            # A vendor that caps the page size gives short pages that are not the last: measured by the first page.
            first = len(rows) if number == 1 else first
            return OpenPage(rows, 0 < first <= len(rows))

        return agreeing_pages(api, read, key=partial(text_at, api, key), most=MOST_ROWS, notes=self.notes)

    def _with_customers(self, rows: list[Record]) -> list[Record]:
        """The orders, each with its buyer's record under `customer`: the order itself has no phone of the buyer."""
        wids = sorted({wid for row in rows if (wid := buyer_of(row))})
        found: dict[str, Record] = {}
        for start in range(0, len(wids), BUYERS_PER_CALL):
            body = {"vid": self._vid, "widList": [int(wid) for wid in wids[start : start + BUYERS_PER_CALL]]}
            answer = self._call(CUSTOMERS, body)
            people = rows_at(CUSTOMERS, answer, "userBaseInfoList")
            found |= {str(person.get("wid")): person for person in people}
        return [{**row, "customer": found[wid]} if (wid := buyer_of(row)) in found else row for row in rows]

    def _call(self, api: str, body: Mapping[str, Any]) -> Record:
        def send(token: str) -> Record:
            return self._http.retrying(partial(attempt, {"accesstoken": token}))

        def attempt(secret: Mapping[str, str]) -> Record:
            content = self._http.attempt("POST", f"/apigw/{api}", secret_query=secret, body=dict(body))
            return self._decode(api, content)

        return self._token.using(send)

    def _fetch_token(self) -> tuple[str, float]:
        keys = ("client_id", "client_secret", "shop_id", "shop_type")
        given = {key: self._settings[key] for key in keys if self._settings.get(key)}
        form = {"grant_type": "client_credentials", **given}

        def attempt() -> tuple[str, float]:
            return decode_token(self._http.attempt("POST", AUTH, form=form))

        return self._http.retrying(attempt)


def decode_envelope(
    api: str, content: bytes, *, token_codes: Collection[str] = (), throttle_codes: Collection[str] = ()
) -> Record:
    """The `data` object of an answer whose `code.errcode` is "0"; keys trimmed, numbers the text they were.

    Args:
        token_codes, throttle_codes: errcodes that mean a dead token, or too many calls. Of others the error's text
            decides, which no documentation backs: a wrong guess costs one repeated read.

    Raises: MalformedResponse: not this envelope. VendorError: an error; the subclass says what to do.
    """
    answer = decode_json(api, content)
    verdict = answer.get("code")
    code = verdict.get("errcode") if isinstance(verdict, dict) else None
    if not isinstance(verdict, dict) or not isinstance(code, str) or not _CODE.fullmatch(code):
        raise MalformedResponse(api, tr("code.errcode 缺失", "code.errcode is missing"))
    if code != "0":
        raise _error(api, code, str(verdict.get("errmsg")), token_codes, throttle_codes)
    data = answer.get("data")
    if not isinstance(data, dict):
        raise MalformedResponse(api, tr("data 缺失或不是对象", "data is missing or no object"))
    return data


def decode_token(content: bytes) -> tuple[str, float]:
    """Token and life in seconds; the life is short when the answer does not tell it.

    Whether the token comes bare or in the envelope is not documented, so both are read.

    Raises: VendorConfigError: refused. RateLimited. MalformedResponse.
    """
    answer = decode_json(AUTH, content)
    hint = tr("：请核对 client_id 与 client_secret", ": check client_id and client_secret")
    refusal = answer.get("error")
    if isinstance(refusal, str) and refusal:
        raise VendorConfigError(AUTH, refusal if _OAUTH_ERROR.fullmatch(refusal) else "error", hint)
    if "code" in answer:
        try:
            answer = decode_envelope(AUTH, content)
        except RateLimited:
            raise
        except VendorError as error:
            raise VendorConfigError(AUTH, error.code, hint) from None
    token, life = answer.get("access_token"), str(answer.get("expires_in"))
    if not isinstance(token, str) or not token:
        raise MalformedResponse(AUTH, tr("access_token 缺失", "access_token is missing"))
    known = life.isascii() and life.isdigit() and 0 < len(life) < 10 and int(life) > 0
    return token, float(life) if known else TOKEN_LIFE


def _error(
    api: str, code: str, text: str, token_codes: Collection[str], throttle_codes: Collection[str]
) -> VendorError:
    if code in throttle_codes:
        return RateLimited(api, code)
    if code in token_codes:
        return TokenRejected(api, code)
    if _THROTTLE_WORD.search(text):
        return RateLimited(api, code)
    return TokenRejected(api, code) if _TOKEN_WORD.search(text) else VendorError(api, code)


def buyer_of(row: Record) -> str | None:
    """The buyer's wid of one order; None when the order has none."""
    wid = value_at(row, ("orderInfo", "buyerInfo", "wid"))
    return wid if isinstance(wid, str) and wid.isascii() and wid.isdigit() and wid != "0" else None


def _number(text: str, key: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(
            tr(f"{key} 应为整数，请改 chain.yml", f"{key} must be a whole number; mend chain.yml")
        )
    return int(text)
