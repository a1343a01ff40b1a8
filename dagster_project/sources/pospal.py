"""Pospal (银豹): receipts and customers of one account (one appId, one store). Shapes as integrations show them.

Never called live here. Unverified: whether the v3 signature is upper case, the shape of `queryAllPayMethod`, that
customers page like receipts, the sign of `rounding`, codes and figures of the vendor's limits. The calls that lead
from a return to its sale have undocumented parameters and are not made, so returns stay unlinked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

from dagster_project.lang import tr
from dagster_project.sources.client import ApiClient, choice, codes_setting
from dagster_project.sources.errors import (
    HttpStatusError,
    MalformedResponse,
    TooManyRows,
    TransientError,
    VendorError,
)
from dagster_project.sources.refusals import refusal
from dagster_project.sources.vendor import (
    MOST_RECORDS,
    Record,
    Slice,
    day_slices,
    decode_json,
    rows_at,
    wall_time,
    whole,
)

PREFIX = "/pospal-api2/openapi/v1/"
TICKETS = "ticketOpenApi/queryTicketPages"
PAY_METHODS = "ticketOpenApi/queryAllPayMethod"
CUSTOMERS = "customerOpenApi/queryCustomerPages"
LONGEST_WINDOW = timedelta(days=31)
MAX_PAGES = 100_000


class PospalClient(ApiClient):
    """Tables: `tickets`, by the receipt's own time, one slice a day; `customers`, the whole list every night.

    A receipt's payments get `payMethodName`, looked up in the merchant's list of payment methods.
    """

    def _set_up(self) -> None:
        self._throttle_codes = codes_setting(self._settings, "throttle_codes")
        self._version = choice(self._settings, "signature", ("v1", "v3"))
        self._method_names: dict[str, str] | None = None

    def slices(self, night: date, since: date) -> Sequence[Slice]:
        """Receipts of every day of [since, night], then all customers."""
        return [*day_slices("tickets", "sold", since, night, self._zone), Slice("customers")]

    def fetch(self, piece: Slice) -> Iterator[Sequence[Record]]:
        """Pages of at most 100 records. See `WindowedClient.fetch`.

        Receipts are held back until the last page is there: the vendor does not count, so only then is it known that
        the slice is not too large. Customers cannot be split and are passed on page by page.
        """
        if piece.table == "customers":
            for page in self._pages(CUSTOMERS, {}):
                yield [_without_passwords(row) for row in page]
            return
        pages: list[list[Record]] = []
        rows = 0
        for page in self._pages(TICKETS, window_of(piece)):
            rows += len(page)
            if rows > MOST_RECORDS:
                raise TooManyRows(TICKETS, rows, MOST_RECORDS)
            pages.append(page)
        for page in pages:
            yield [self._with_method_names(ticket) for ticket in page]

    def _pages(self, api: str, asked: Mapping[str, Any]) -> Iterator[list[Record]]:
        """All pages of a cursor list. A cursor that comes back would never end, so it is an error."""
        cursor: Any = None
        seen: set[str] = set()
        for _ in range(MAX_PAGES):
            data = self._call(api, {**asked, **({"postBackParameter": cursor} if cursor else {})})
            if not isinstance(data, dict):
                raise MalformedResponse(api, tr("data 不是对象", "data is no object"))
            rows = rows_at(api, data, "result")
            size = whole(api, data.get("pageSize"), "pageSize")
            if size < 1:
                raise MalformedResponse(api, tr("pageSize 应为正整数", "pageSize must be positive"))
            if rows:
                yield rows
            if len(rows) < size:
                return
            cursor = data.get("postBackParameter")
            mark = json.dumps(cursor, sort_keys=True)
            if not isinstance(cursor, dict) or not cursor or mark in seen:
                raise MalformedResponse(
                    api, tr("postBackParameter 缺失或重复", "postBackParameter is missing or comes again")
                )
            seen.add(mark)
        raise MalformedResponse(api, tr("翻页没有尽头", "the list never ends"))

    def _with_method_names(self, ticket: Record) -> Record:
        payments = ticket.get("payments")
        if not isinstance(payments, list):
            return ticket
        names = self._pay_method_names() if payments else {}
        named = [
            {**row, "payMethodName": names.get(str(row.get("code")))} if isinstance(row, dict) else row
            for row in payments
        ]
        return {**ticket, "payments": named}

    def _pay_method_names(self) -> dict[str, str]:
        """code → name of the merchant's payment methods; empty, with a note, when the list cannot be read."""
        if self._method_names is None:
            try:
                self._method_names = pay_method_names(PAY_METHODS, self._call(PAY_METHODS, {}))
            except TransientError:
                raise
            except (VendorError, MalformedResponse, HttpStatusError):
                self._method_names = {}
                self.notes.append(
                    tr(
                        "银豹的支付方式列表读不到，商户自定义的支付方式记为 other",
                        "Pospal's list of payment methods cannot be read: the merchant's own methods count as other",
                    )
                )
        return self._method_names

    def _call(self, api: str, asked: Mapping[str, Any]) -> Any:
        # appId is part of what is signed; the signed bytes are the bytes that go out
        body = json.dumps(
            {"appId": self._settings["app_id"], **asked}, ensure_ascii=False, separators=(",", ":")
        ).encode()
        return self._http.retrying(partial(self._attempt, api, body))

    def _attempt(self, api: str, body: bytes) -> Any:
        stamp = str(int(self._now() * 1000))
        headers = {
            "User-Agent": "openApi",
            "Content-Type": "application/json; charset=utf-8",
            "accept-encoding": "gzip,deflate",
            "time-stamp": stamp,
            **sign(self._version, self._settings["app_id"], self._settings["app_key"], stamp, body),
        }
        content = self._http.attempt("POST", PREFIX + api, content=body, headers=headers)
        return decode_envelope(api, content, self._throttle_codes)


def sign(version: str, app_id: str, app_key: str, stamp: str, body: bytes) -> dict[str, str]:
    """The signature header of a request body: v1 over key and body, v3 over id, key, time stamp (ms) and body."""
    if version == "v3":
        signed, header = f"{app_id}{app_key}{stamp}".encode() + body, "data-signature-v3"
    else:
        signed, header = app_key.encode() + body, "data-signature"
    return {header: hashlib.md5(signed).hexdigest().upper()}


def decode_envelope(api: str, content: bytes, throttle_codes: frozenset[str] = frozenset()) -> Any:
    """`data` of a successful answer, numbers as text.

    Raises:
        MalformedResponse: not JSON, or no known status.
        VendorError: the call was refused, whatever else the body holds.
    """
    answer = decode_json(api, content)
    status = answer.get("status")
    if status == "error" or (status == "success" and str(answer.get("errorCode") or "0") != "0"):
        raise refusal(api, answer.get("errorCode"), answer.get("messages"), throttle_codes)
    if status != "success":
        raise MalformedResponse(api, tr("status 缺失或未知", "status is missing or unknown"))
    return answer.get("data")


def pay_method_names(api: str, data: Any) -> dict[str, str]:
    """code → name. Unverified shape: a list of {code, name}, bare or under `result`.

    Raises: MalformedResponse.
    """
    rows = rows_at(api, {"result": data} if isinstance(data, list) else data or {}, "result")
    names = {str(row["code"]): str(row["name"]) for row in rows if row.get("code") and row.get("name")}
    if rows and not names:
        raise MalformedResponse(api, tr("没有 code 与 name", "no code and name"))
    return names


def window_of(piece: Slice) -> dict[str, str]:
    """The slice's [begin, end) as the vendor's (startTime, endTime], in whole seconds.

    Ends on `end` itself: a receipt with a fraction of a second would otherwise fall between two windows.
    Raises: ValueError: longer than the vendor allows, or without begin and end.
    """
    if piece.begin is None or piece.end is None:
        raise ValueError(f"{piece.table} needs a window")
    start = piece.begin - timedelta(seconds=1)
    if piece.end - start > LONGEST_WINDOW:
        raise ValueError(f"a window of {piece.end - start}")
    return {"startTime": wall_time(start), "endTime": wall_time(piece.end)}


def _without_passwords(row: Record) -> Record:
    """A customer without any password hash: nobody downstream has a use for it."""
    return {key: value for key, value in row.items() if "password" not in key.lower()}
