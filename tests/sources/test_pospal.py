"""The Pospal client: signed bytes, cursor pages, windows, big integers, and what a refusal means."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vendor_stub import NO_ENVELOPE, SHANGHAI, VendorStub, following

from dagster_project.sources.errors import (
    MalformedResponse,
    RateLimited,
    TooManyRows,
    Unreachable,
    VendorConfigError,
    VendorError,
)
from dagster_project.sources.pospal import PospalClient, decode_envelope, pay_method_names, sign, window_of
from dagster_project.sources.vendor import Slice

KEY = "k3y-of-the-account"
UID = 1_152_921_504_606_846_977  # above 2^53
DAY = Slice("tickets", datetime(2026, 3, 2, tzinfo=SHANGHAI), datetime(2026, 3, 3, tzinfo=SHANGHAI), "sold")
TICKETS, METHODS, CUSTOMERS = "queryTicketPages", "queryAllPayMethod", "queryCustomerPages"
Answer = bytes | Exception | int


def ok(data: Any) -> bytes:
    return json.dumps({"status": "success", "messages": [], "data": data}).encode()


def refused(code: int, *words: str, data: Any = None) -> bytes:
    return json.dumps({"status": "error", "messages": words, "errorCode": code, "data": data}).encode()


def page(rows: list[dict[str, Any]], cursor: str | None = None, size: int = 100) -> bytes:
    after = {"parameterType": "Long", "parameterValue": cursor} if cursor else None
    return ok({"postBackParameter": after, "result": rows, "pageSize": size})


class Vendor(VendorStub[PospalClient]):
    """Answers per method; the last answer repeats."""

    def __init__(self, **answers: list[Answer | Callable[[dict[str, Any]], Answer]]) -> None:
        settings = {"base_url": "https://area20-win.pospal.test:443", "app_id": "A1", "app_key": KEY}
        super().__init__(PospalClient, settings, epoch=1_772_000_000.5)
        self.answers: dict[str, list[Any]] = {METHODS: [ok([])], **answers}

    def bodies(self, method: str) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.requests if request.url.path.endswith(method)]

    def handle(self, request: httpx.Request) -> Any:
        return following(self.answers[request.url.path.rsplit("/", 1)[1]], json.loads(request.content))


def rows_of(vendor: Vendor, piece: Slice = DAY, **settings: str) -> list[dict[str, Any]]:
    with vendor.client(**settings) as client:
        return [row for rows in client.fetch(piece) for row in rows]


class TestSignature:
    def test_v1_is_over_exactly_the_bytes_that_are_sent(self) -> None:
        vendor = Vendor(queryTicketPages=[page([])])
        rows_of(vendor)
        sent = vendor.requests[0]
        expected = hashlib.md5(KEY.encode() + sent.content).hexdigest().upper()
        assert sent.headers["data-signature"] == expected
        assert sent.headers["time-stamp"] == "1772000000500"
        assert sent.headers["user-agent"] == "openApi"
        assert sent.headers["content-type"] == "application/json; charset=utf-8"
        assert sent.headers["accept-encoding"] == "gzip,deflate"
        assert sent.url.path == "/pospal-api2/openapi/v1/ticketOpenApi/queryTicketPages"
        assert json.loads(sent.content)["appId"] == "A1"

    def test_v3_also_covers_id_and_time_stamp_and_has_a_header_of_its_own(self) -> None:
        vendor = Vendor(queryTicketPages=[page([])])
        rows_of(vendor, signature="v3")
        sent = vendor.requests[0]
        expected = hashlib.md5(b"A1" + KEY.encode() + b"1772000000500" + sent.content).hexdigest().upper()
        assert sent.headers["data-signature-v3"] == expected
        assert "data-signature" not in sent.headers

    @given(st.binary(), st.binary())
    def test_another_body_has_another_signature(self, one: bytes, two: bytes) -> None:
        assert (sign("v1", "a", "k", "0", one) == sign("v1", "a", "k", "0", two)) == (one == two)

    def test_an_unknown_version_is_said_at_once(self) -> None:
        with pytest.raises(ValueError, match="signature"):
            Vendor().client(signature="v2")

    @pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
    def test_a_useless_limit_is_said_at_once(self, text: str) -> None:
        with pytest.raises(ValueError, match="calls_per_minute"):
            Vendor().client(calls_per_minute=text)


class TestWindows:
    def test_a_slice_a_day_and_all_customers(self) -> None:
        pieces = Vendor().client().slices(date(2026, 3, 2), date(2026, 2, 28))
        assert [piece.begin and piece.begin.date().isoformat() for piece in pieces] == [
            "2026-02-28",
            "2026-03-01",
            "2026-03-02",
            None,
        ]
        assert [piece.table for piece in pieces] == ["tickets"] * 3 + ["customers"]
        assert pieces[2].end == datetime(2026, 3, 3, tzinfo=SHANGHAI)

    def test_begin_is_exclusive_at_the_vendor_so_a_second_earlier_is_asked(self) -> None:
        assert window_of(DAY) == {"startTime": "2026-03-01 23:59:59", "endTime": "2026-03-03 00:00:00"}

    def test_windows_are_on_the_vendors_clock_whatever_the_chains_zone_is(self) -> None:
        piece = Slice("tickets", datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 2, 1, tzinfo=UTC))
        assert window_of(piece)["endTime"] == "2026-03-02 09:00:00"

    def test_never_longer_than_the_vendor_allows(self) -> None:
        begin = datetime(2026, 3, 1, tzinfo=SHANGHAI)
        window_of(Slice("tickets", begin, begin + timedelta(days=31, seconds=-1)))
        with pytest.raises(ValueError, match="window"):
            window_of(Slice("tickets", begin, begin + timedelta(days=31)))

    @given(st.integers(0, 40), st.integers(0, 86_399))
    def test_every_second_of_the_nights_lies_in_some_window(self, days: int, second: int) -> None:
        since = date(2026, 1, 20)
        pieces = Vendor().client().slices(since + timedelta(days=days), since)
        moment = datetime(2026, 1, 20, tzinfo=SHANGHAI) + timedelta(days=days, seconds=second)
        text = f"{moment:%Y-%m-%d %H:%M:%S}"
        asked = [window_of(piece) for piece in pieces if piece.table == "tickets"]
        assert any(window["startTime"] < text <= window["endTime"] for window in asked)


class TestPages:
    def test_sends_the_cursor_back_and_stops_at_a_short_page(self) -> None:
        vendor = Vendor(
            queryTicketPages=[page([{"uid": 1}, {"uid": 2}], "c1", 2), page([{"uid": 3}], "c2", 2)]
        )
        assert [row["uid"] for row in rows_of(vendor)] == ["1", "2", "3"]
        first, second = vendor.bodies(TICKETS)
        assert "postBackParameter" not in first
        assert second["postBackParameter"] == {"parameterType": "Long", "parameterValue": "c1"}
        assert second["startTime"] == first["startTime"]

    def test_a_full_last_page_is_followed_by_an_empty_one(self) -> None:
        vendor = Vendor(queryTicketPages=[page([{"uid": 1}], "c1", 1), page([], None, 1)])
        assert len(rows_of(vendor)) == 1
        assert len(vendor.bodies(TICKETS)) == 2

    @pytest.mark.parametrize("cursor", ["c1", None])
    def test_a_full_page_with_a_cursor_that_leads_nowhere_is_an_error(self, cursor: str | None) -> None:
        vendor = Vendor(queryTicketPages=[page([{"uid": 1}], cursor, 1)])
        with pytest.raises(MalformedResponse):
            rows_of(vendor)

    @pytest.mark.parametrize(
        "data",
        [None, [], {}, {"pageSize": 100}, {"result": None, "pageSize": 100}, {"result": [1], "pageSize": 100},
         {"result": []}, {"result": [], "pageSize": 0}, {"result": [], "pageSize": "x"}],
    )  # fmt: skip
    def test_a_page_without_its_parts_is_never_zero_rows(self, data: Any) -> None:
        with pytest.raises(MalformedResponse):
            rows_of(Vendor(queryTicketPages=[ok(data)]))

    def test_too_many_receipts_are_said_before_the_first_page(self) -> None:
        def endless(body: dict[str, Any]) -> bytes:
            at = int(body.get("postBackParameter", {}).get("parameterValue", 0))
            return page([{"uid": at * 100 + n} for n in range(100)], str(at + 1))

        vendor = Vendor(queryTicketPages=[endless])
        with vendor.client(calls_per_minute="1000") as client, pytest.raises(TooManyRows):
            next(iter(client.fetch(DAY)))
        assert len(vendor.bodies(TICKETS)) == 101

    def test_big_integers_and_decimals_stay_the_text_they_were(self) -> None:
        body = (
            b'{"status":"success","data":{"postBackParameter":null,"pageSize":100,"result":'
            b'[{"uid":1152921504606846977,"customerUid":0,"totalAmount":12.30}]}}'
        )
        row = rows_of(Vendor(queryTicketPages=[body]))[0]
        assert row == {"uid": str(UID), "customerUid": "0", "totalAmount": "12.30"}


class TestPayMethods:
    PAID = page([{"uid": 1, "payments": [{"code": "payCode_110", "amount": 1}, {"code": "payCode_1"}]}])

    @pytest.mark.parametrize("wrapped", [False, True])
    def test_names_are_looked_up_once_and_go_with_the_payments(self, wrapped: bool) -> None:
        listed = [{"code": "payCode_110", "name": "美团券"}]
        vendor = Vendor(
            queryTicketPages=[self.PAID], queryAllPayMethod=[ok({"result": listed} if wrapped else listed)]
        )
        with vendor.client() as client:
            rows = [row for piece in (DAY, DAY) for rows in client.fetch(piece) for row in rows]
            assert client.notes == []
        assert [payment["payMethodName"] for payment in rows[0]["payments"]] == ["美团券", None]
        assert len(vendor.bodies(METHODS)) == 1

    @pytest.mark.parametrize("answer", [refused(1001, "no"), ok(None), ok([{"a": 1}]), 404])
    def test_a_list_that_cannot_be_read_is_a_note_not_a_lost_day(self, answer: Answer) -> None:
        vendor = Vendor(queryTicketPages=[self.PAID], queryAllPayMethod=[answer])
        with vendor.client() as client:
            rows = [row for rows in client.fetch(DAY) for row in rows]
            assert len(client.notes) == 1
        assert rows[0]["payments"][0] == {"code": "payCode_110", "amount": "1", "payMethodName": None}

    def test_a_passing_fault_is_not_taken_for_a_missing_list(self) -> None:
        vendor = Vendor(queryTicketPages=[self.PAID], queryAllPayMethod=[httpx.ReadTimeout("t")])
        with pytest.raises(Unreachable):
            rows_of(vendor)

    def test_no_payments_no_call(self) -> None:
        vendor = Vendor(queryTicketPages=[page([{"uid": 1}, {"uid": 2, "payments": []}])])
        rows_of(vendor)
        assert vendor.bodies(METHODS) == []

    def test_a_list_without_codes_is_malformed(self) -> None:
        with pytest.raises(MalformedResponse):
            pay_method_names("api", [{"code": "payCode_1"}])


class TestCustomers:
    def test_all_pages_without_any_password(self) -> None:
        row = {"customerUid": UID, "number": "8001", "phone": "138" + "00138000", "password": "md5"}
        vendor = Vendor(
            queryCustomerPages=[page([row], "c1", 1), page([{**row, "customerUid": UID + 1}], None, 2)]
        )
        rows = rows_of(vendor, Slice("customers"))
        assert [found["customerUid"] for found in rows] == [str(UID), str(UID + 1)]
        assert all("password" not in found for found in rows)
        assert "startTime" not in vendor.bodies(CUSTOMERS)[0]


class TestEnvelope:
    @pytest.mark.parametrize(
        "content",
        [
            *NO_ENVELOPE,
            b'{"status":true,"data":{}}',
            b'{"status":"SUCCESS!","data":{}}',
            b'{"data":{"result":[]}}',
            b'{"errcode":0}',
        ],
    )
    def test_anything_undocumented_is_malformed(self, content: bytes) -> None:
        with pytest.raises(MalformedResponse):
            decode_envelope("api", content)

    @given(st.binary() | st.text().map(str.encode))
    def test_no_bytes_crash_it(self, content: bytes) -> None:
        with contextlib.suppress(MalformedResponse, VendorError):
            decode_envelope("api", content)

    @given(
        st.dictionaries(
            st.sampled_from(["status", "errorCode", "messages", "data"]),
            st.sampled_from(["success", "error"])
            | st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner)),
        )
    )
    def test_no_object_crashes_it_and_only_success_passes(self, answer: dict[str, Any]) -> None:
        try:
            decode_envelope("api", json.dumps(answer).encode())
        except (MalformedResponse, VendorError):
            return
        assert answer["status"] == "success"

    def test_an_error_with_empty_lists_is_not_an_empty_day(self) -> None:
        empty = {"postBackParameter": None, "result": [], "pageSize": 100}
        with pytest.raises(VendorError) as caught:
            rows_of(Vendor(queryTicketPages=[refused(1001, "系统错误", data=empty)]))
        assert caught.value.code == "1001"

    @pytest.mark.parametrize("words", ["签名错误", "appId不存在", "invalid sign", "无权限访问"])
    def test_a_matter_of_the_account_says_what_to_mend(self, words: str) -> None:
        with pytest.raises(VendorConfigError, match=r"chain\.yml"):
            decode_envelope("api", refused(1001, words))

    def test_throttling_is_known_by_its_words_or_by_a_configured_code(self) -> None:
        with pytest.raises(RateLimited):
            decode_envelope("api", refused(9, "请求过于频繁"))
        with pytest.raises(RateLimited):
            decode_envelope("api", refused(1032), frozenset({"1032"}))

    def test_the_vendors_words_and_odd_codes_are_never_repeated(self) -> None:
        phone = "138" + "00138000"
        answer = {"status": "error", "messages": [f"会员 {phone} 不存在"], "errorCode": f"bad {phone}"}
        with pytest.raises(VendorError) as caught:
            decode_envelope("api", json.dumps(answer).encode())
        assert phone not in str(caught.value) and "会员" not in str(caught.value)


class TestCalls:
    def test_throttled_calls_wait_and_come_again(self) -> None:
        vendor = Vendor(queryTicketPages=[refused(77, "x"), page([{"uid": 1}])])
        assert len(rows_of(vendor, throttle_codes="76, 77")) == 1
        assert vendor.clock.slept == [60.0]

    def test_a_lost_answer_is_asked_for_again(self) -> None:
        vendor = Vendor(queryTicketPages=[httpx.ReadTimeout("t"), 502, page([{"uid": 1}])])
        assert len(rows_of(vendor)) == 1

    def test_never_more_calls_than_allowed_in_any_minute(self) -> None:
        times: list[float] = []

        def answer(body: dict[str, Any]) -> bytes:
            times.append(vendor.clock.now)
            return page([{"uid": len(times)}], str(len(times)), 1) if len(times) < 12 else page([])

        vendor = Vendor(queryTicketPages=[answer])
        rows_of(vendor, calls_per_minute="5")
        assert len(times) > 10
        assert all(later - earlier >= 60 for earlier, later in zip(times, times[5:], strict=False))

    def test_no_secret_is_logged_or_said(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("DEBUG")
        with pytest.raises(VendorConfigError) as caught:
            rows_of(Vendor(queryTicketPages=[refused(1001, "签名错误 " + KEY)]))
        assert KEY not in caplog.text + str(caught.value)
