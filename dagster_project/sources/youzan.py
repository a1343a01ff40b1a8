"""Youzan's (有赞) open platform: trades, refunds and customers of one shop. Never called live here.

Shapes rest on the vendor's SDK and documents, except these, which nobody could check:
the names of the time filters of the refund and customer lists, the body and answer of the batch decryption and how many
values it takes, the largest page of the refund list, and how a shop without the cloud permission is answered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
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
from dagster_project.sources.vendor import (
    Page,
    Record,
    Slice,
    TokenKeeper,
    day_slices,
    decode_json,
    rows_at,
    stable_pages,
    text_at,
    value_at,
    wall_time,
    whole,
)

AUTH = "/auth/token"
TRADES, REFUNDS, CUSTOMERS, DECRYPT = (
    "youzan.trades.sold.get/4.0.4",
    "youzan.trade.refund.search/3.0.1",
    "youzan.scrm.customer.list/1.0.0",
    "youzan.cloud.secret.decrypt.batch/1.0.0",
)
TRADE_PAGE, REFUND_PAGE, CUSTOMER_PAGE = 100, 50, 50
MOST_TRADES, MOST_REFUNDS, MOST_CUSTOMERS = 10_000, 3_000, 10_000
DECRYPTED_PER_CALL = 50
TOKEN_LIFE = 7 * 86_400.0
REREAD_DAYS = 30

_CIPHER = re.compile(r"\$[^$]+\$\d+\$")


class YouzanThrottled(RateLimited):
    """Over the shop's call rate; waits are the vendor's own documented back-off."""

    attempts = 6
    waits = (3.0, 6.0, 12.0, 24.0, 48.0)


_CLASS_OF_CODE: dict[int, type[VendorError]] = {
    **dict.fromkeys((4101, 500100004, 123000042, 141500203), YouzanThrottled),
    **dict.fromkeys((4202, 4203), TokenRejected),
    **dict.fromkeys((4001, 4005, 4007, 4201, 4204, 1103), VendorConfigError),
}


def _hint(code: int) -> str:
    """What a person can do about an error code."""
    return {
        4001: tr("：路径不对，请核对 base_url", ": wrong path; check base_url"),
        4005: tr("：平台没有此接口或版本", ": the platform has no such API or version"),
        4007: tr(
            "：请求方式不对，或本机 IP 不在应用的 IP 名单里",
            ": wrong kind of request, or this machine's IP is not on the app's list",
        ),
        4201: tr("：没有凭证，请核对 client_id", ": no credential; check client_id"),
        4204: tr(
            "：应用没有此接口权限，请在有赞云控制台申请", ": the app may not call this API; apply for it"
        ),
        1103: tr("：client_id 不存在，请改 chain.yml", ": no such client_id; mend chain.yml"),
    }.get(code, "")


class YouzanClient(ApiClient):
    """One shop's trades, refunds and customers.

    Tables: `trades` (one record per order with its lines and refunds) by update time, and by creation time once a week
    because a changed memo does not move the update time; `refunds` by update time; `customers` by creation time.

    Settings: base_url, client_id, client_secret, kdt_id, decrypt (off | on), calls_per_minute. With `decrypt: on` the
    phones of trades and customers are handed on in plain text; a value the vendor does not decrypt stays as it was.

    Raises (slices, fetch): ValueError for an unusable setting; TooManyRows above the vendor's caps (10,000 trades, 3,000
    refunds, 10,000 customers); YouzanThrottled and Unreachable after bounded retries; TokenRejected after one renewal;
    VendorConfigError; other VendorError; MalformedResponse. Not safe for several threads at once.
    """

    default_calls_per_minute = 300

    def _set_up(self) -> None:
        self._decrypts = self._settings.get("decrypt") == "on"
        self._token = TokenKeeper(self._fetch_token, self._clock)

    def slices(self, night: date, since: date) -> list[Slice]:
        """A slice per day and table; on Mondays also every trade and customer created in the last 30 days."""
        monday = night.weekday() == 0
        reread = min(since, night - timedelta(days=REREAD_DAYS - 1)) if monday else since
        return [
            *day_slices("trades", "updated", since, night, self._zone),
            *(day_slices("trades", "created", reread, night, self._zone) if monday else []),
            *day_slices("refunds", "updated", since, night, self._zone),
            *day_slices("customers", "created", reread, night, self._zone),
        ]

    def fetch(self, piece: Slice) -> Iterator[Sequence[Record]]:
        """Pages of the slice's records in the vendor's shape."""
        if piece.begin is None or piece.end is None:
            raise ValueError(f"{piece.table} needs a window")
        if piece.table == "trades":
            return self._trades(piece.by, piece.begin, piece.end)
        if piece.table == "refunds":
            return self._refunds(piece.begin, piece.end)
        if piece.table == "customers":
            return self._customers(piece.begin, piece.end)
        raise ValueError(f"no table {piece.table}")

    # ---- tables. Windows end on the first second that is not theirs: whether the vendor counts it in is not known,
    # and a row read twice is one row.

    def _trades(self, by: str, begin: datetime, end: datetime) -> Iterator[list[Record]]:
        suffix = {"updated": "update", "created": "created"}[by]
        window = {f"start_{suffix}": wall_time(begin), f"end_{suffix}": wall_time(end)}

        def read(number: int) -> Page:
            answer = self._call(TRADES, {**window, "page_no": number, "page_size": TRADE_PAGE})
            total = whole(TRADES, answer.get("total_results"), "total_results")
            return Page(rows_at(TRADES, answer, "full_order_info_list"), total)

        pages = stable_pages(TRADES, read, key=trade_id, size=TRADE_PAGE, most=MOST_TRADES, notes=self.notes)
        for rows in pages:
            yield self._decrypted(rows, _TRADE_PHONES)

    def _refunds(self, begin: datetime, end: datetime) -> Iterator[list[Record]]:
        window = {"update_time_start": int(begin.timestamp()), "update_time_end": int(end.timestamp())}

        def read(number: int) -> Page:
            answer = self._call(REFUNDS, {**window, "page_no": number, "page_size": REFUND_PAGE})
            return Page(rows_at(REFUNDS, answer, "refunds"), whole(REFUNDS, answer.get("total"), "total"))

        return stable_pages(
            REFUNDS,
            read,
            key=partial(text_at, REFUNDS, ("refund_id",)),
            size=REFUND_PAGE,
            most=MOST_REFUNDS,
            notes=self.notes,
        )

    def _customers(self, begin: datetime, end: datetime) -> Iterator[list[Record]]:
        window = {"created_at_start": int(begin.timestamp()), "created_at_end": int(end.timestamp())}

        def read(number: int) -> OpenPage:
            answer = self._call(CUSTOMERS, {**window, "page_no": number, "page_size": CUSTOMER_PAGE})
            rows = rows_at(CUSTOMERS, answer, "record_list")
            return OpenPage(rows, len(rows) >= CUSTOMER_PAGE)

        pages = agreeing_pages(
            CUSTOMERS,
            read,
            key=partial(text_at, CUSTOMERS, ("yz_open_id",)),
            most=MOST_CUSTOMERS,
            notes=self.notes,
        )
        for rows in pages:
            yield self._decrypted(rows, _CUSTOMER_PHONES)

    # ---- phones

    def _decrypted(self, rows: list[Record], paths: Sequence[tuple[str, ...]]) -> list[Record]:
        if not self._decrypts:
            return rows
        ciphers = sorted({text for row in rows for path in paths if (text := _cipher_at(row, path))})
        plain: dict[str, str] = {}
        for start in range(0, len(ciphers), DECRYPTED_PER_CALL):
            plain |= self._decrypt(ciphers[start : start + DECRYPTED_PER_CALL])
        if len(plain) < len(ciphers):
            left = len(ciphers) - len(plain)
            self.notes.append(
                tr(
                    f"有 {left} 个密文手机号未能解密，仍按密文保存",
                    f"{left} phones were not decrypted and stay opaque",
                )
            )
        for path in paths:
            rows = [_with_plain(row, path, plain) for row in rows]
        return rows

    def _decrypt(self, ciphers: Sequence[str]) -> dict[str, str]:
        """Ciphertext → plain text of those that the vendor could decrypt."""
        answer = self._call(DECRYPT, {"sources": list(ciphers)})
        return {text: answer[text] for text in ciphers if isinstance(answer.get(text), str) and answer[text]}

    # ---- calls

    def _call(self, api: str, body: Mapping[str, Any]) -> Record:
        def send(token: str) -> Record:
            return self._http.retrying(partial(attempt, {"access_token": token}))

        def attempt(secret: Mapping[str, str]) -> Record:
            content = self._http.attempt("POST", f"/api/{api}", secret_query=secret, body=dict(body))
            return decode_envelope(api, content)

        return self._token.using(send)

    def _fetch_token(self) -> tuple[str, float]:
        body = {
            "authorize_type": "silent",
            "client_id": self._settings["client_id"],
            "client_secret": self._settings["client_secret"],
            "grant_id": self._settings["kdt_id"],
            "refresh": False,
        }

        def attempt() -> Record:
            try:
                return decode_envelope(AUTH, self._http.attempt("POST", AUTH, body=body))
            except RateLimited:
                raise
            except VendorError as error:
                hint = _hint(whole(AUTH, error.code, "code")) or tr(
                    "：请核对 client_id、client_secret、kdt_id 与应用授权",
                    ": check client_id, client_secret, kdt_id and that the shop authorised the app",
                )
                raise VendorConfigError(AUTH, error.code, hint) from None

        answer = self._http.retrying(attempt)
        token = text_at(AUTH, ("access_token",), answer)
        # An epoch of the vendor's clock against ours: an impossible life falls back on the documented one, since a
        # token that dies earlier is renewed and the call repeated anyway.
        life = whole(AUTH, answer.get("expires"), "expires") / 1000 - self._now()
        return token, life if 0 < life <= TOKEN_LIFE else TOKEN_LIFE


# ---- reading answers

_TRADE_PHONES = (
    ("full_order_info", "buyer_info", "buyer_phone"),
    ("full_order_info", "address_info", "receiver_tel"),
)
_CUSTOMER_PHONES = (("mobile",),)


def decode_envelope(api: str, content: bytes) -> Record:
    """The `data` object of a successful answer; numbers are the text they were.

    Knows the vendor's four shapes: success, business error (its `data` holds empty lists and is not looked at), gateway
    error, and the token endpoint's error.

    Raises: MalformedResponse: none of the four. VendorError: an error; the subclass says what to do.
    """
    answer = decode_json(api, content)
    if "gw_err_resp" in answer:
        fault = answer["gw_err_resp"]
        if not isinstance(fault, dict):
            raise MalformedResponse(api, tr("gw_err_resp 不是对象", "gw_err_resp is no object"))
        raise _error(api, whole(api, fault.get("err_code"), "err_code"))
    success = answer.get("success")
    if success is not True and success is not False:
        raise MalformedResponse(api, tr("success 缺失或不是布尔值", "success is missing or no boolean"))
    code = whole(api, answer.get("code"), "code")
    if success is False:
        raise _error(api, code)
    if code != 200:
        raise MalformedResponse(api, tr("success 与 code 矛盾", "success and code contradict each other"))
    data = answer.get("data")
    if not isinstance(data, dict):
        raise MalformedResponse(api, tr("data 缺失或不是对象", "data is missing or no object"))
    return data


def _error(api: str, code: int) -> VendorError:
    return _CLASS_OF_CODE.get(code, VendorError)(api, code, _hint(code))


def trade_id(row: Record) -> str:
    """The order number of one element of the trade list."""
    return text_at(TRADES, ("full_order_info", "order_info", "tid"), row)


def _cipher_at(row: Record, path: Sequence[str]) -> str | None:
    value = value_at(row, path)
    return value if isinstance(value, str) and _CIPHER.fullmatch(value) else None


def _with_plain(row: Record, path: Sequence[str], plain: Mapping[str, str]) -> Record:
    """The row with what was decrypted at `path`; other rows share nothing with the change."""
    cipher = _cipher_at(row, path)
    if cipher is None or cipher not in plain:
        return row
    head, *rest = path
    return {**row, head: _with_plain(row[head], rest, plain) if rest else plain[cipher]}
