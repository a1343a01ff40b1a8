"""The 2dfire client: signed forms, a business day per call, lines by twenty bills, and a guessed-at envelope."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vendor_stub import NO_ENVELOPE, SHANGHAI, VendorStub, following

from dagster_project.sources.errors import (
    MalformedResponse,
    RateLimited,
    VendorConfigError,
    VendorError,
)
from dagster_project.sources.twodfire import TwodfireClient, decode_envelope, sign
from dagster_project.sources.vendor import Slice

SECRET = "fire-s3cret"
DAY = Slice(
    "orders", datetime(2026, 3, 2, tzinfo=SHANGHAI), datetime(2026, 3, 3, tzinfo=SHANGHAI), "business_day"
)
LIST, LINES = "dfire.shop.order.list", "dfire.shop.order.instance.list"
NEW_LIST = "com.dfire.open.shop.order.query"
Answer = bytes | Exception | int


def old(rows: Any) -> bytes:
    return json.dumps({"code": 1, "model": rows}).encode()


def new(rows: Any) -> bytes:
    return json.dumps({"code": 200, "data": {"success": True, "data": rows}}).encode()


def bill(number: int) -> dict[str, Any]:
    return {"orderVo": {"orderId": f"o{number}"}, "totalPayVo": {"resultAmount": 12.5}, "payVo": []}


def lines(form: dict[str, str]) -> bytes:
    return old([{"orderId": number, "menuId": "m1", "num": 1} for number in form["orderIds"].split(",")])


class Vendor(VendorStub[TwodfireClient]):
    """Answers per method; the last answer repeats."""

    def __init__(self, answers: dict[str, list[Answer | Callable[[dict[str, str]], Answer]]]) -> None:
        settings = {
            "base_url": "http://2dfire.test",
            "app_key": "AK",
            "app_secret": SECRET,
            "entity_id": "E1",
        }
        super().__init__(TwodfireClient, settings, epoch=1_772_000_000.25)
        self.answers: dict[str, list[Any]] = {LINES: [lines], **answers}
        self.forms: list[dict[str, str]] = []

    def handle(self, request: httpx.Request) -> Any:
        form = dict(parse_qsl(request.content.decode(), strict_parsing=True))
        self.forms.append(form)
        return following(self.answers[form["method"]], form)


def rows_of(vendor: Vendor, **settings: str) -> list[dict[str, Any]]:
    with vendor.client(**settings) as client:
        return [row for rows in client.fetch(DAY) for row in rows]


class TestCalls:
    def test_the_form_is_signed_in_order_of_name_between_two_secrets(self) -> None:
        vendor = Vendor({LIST: [old([])]})
        assert rows_of(vendor) == []
        (form,) = vendor.forms
        text = f"{SECRET}appKeyAKcurrDate20260302entityIdE1method{LIST}timestamp1772000000250v1.0{SECRET}"
        assert form.pop("sign") == hashlib.sha1(text.encode()).hexdigest().upper()
        assert form == {
            "method": LIST,
            "entityId": "E1",
            "appKey": "AK",
            "v": "1.0",
            "timestamp": "1772000000250",
            "currDate": "20260302",
        }
        assert str(vendor.urls[0]) == "http://2dfire.test/router"

    @given(st.dictionaries(st.text(min_size=1), st.text()))
    def test_the_signature_does_not_depend_on_the_order_or_on_an_old_sign(self, form: dict[str, str]) -> None:
        turned = dict(reversed(form.items()))
        assert sign(form, SECRET) == sign({**turned, "sign": "x"}, SECRET)

    def test_a_slice_a_business_day(self) -> None:
        pieces = Vendor({}).client().slices(date(2026, 3, 2), date(2026, 2, 27))
        assert [f"{piece.begin:%m-%d}" for piece in pieces] == ["02-27", "02-28", "03-01", "03-02"]

    def test_lines_are_asked_for_twenty_bills_at_a_time_and_put_with_theirs(self) -> None:
        vendor = Vendor({LIST: [old([bill(n) for n in range(45)])]})
        rows = rows_of(vendor)
        assert [row["orderVo"]["orderId"] for row in rows] == [f"o{n}" for n in range(45)]
        assert all([item["orderId"] for item in row["items"]] == [row["orderVo"]["orderId"]] for row in rows)
        asked = [form["orderIds"].split(",") for form in vendor.forms if form["method"] == LINES]
        assert [len(ids) for ids in asked] == [20, 20, 5]

    def test_the_order_id_parameter_can_be_renamed(self) -> None:
        vendor = Vendor({LIST: [old([bill(1)])], LINES: [old([])]})
        (row,) = rows_of(vendor, order_ids_param="order_ids")
        assert vendor.forms[-1]["order_ids"] == "o1"
        assert row["items"] == []

    def test_lines_of_another_bill_are_refused(self) -> None:
        vendor = Vendor({LIST: [old([bill(1)])], LINES: [old([{"orderId": "o2"}])]})
        with pytest.raises(MalformedResponse):
            rows_of(vendor)

    @pytest.mark.parametrize("order", [{}, {"orderVo": None}, {"orderVo": {"code": "7"}}])
    def test_a_bill_without_id_is_malformed(self, order: dict[str, Any]) -> None:
        with pytest.raises(MalformedResponse):
            rows_of(Vendor({LIST: [old([order])]}))

    def test_the_new_gateway_gives_no_lines_and_says_so_once(self) -> None:
        vendor = Vendor({NEW_LIST: [new([bill(1)])]})
        with vendor.client(gateway="gateway") as client:
            rows = [row for _ in range(2) for rows in client.fetch(DAY) for row in rows]
            assert len(client.notes) == 1
        assert rows == [{**bill(1), "totalPayVo": {"resultAmount": "12.5"}}] * 2
        assert {str(url) for url in vendor.urls} == {"http://2dfire.test/"}

    def test_throttled_and_lost_calls_come_again(self) -> None:
        throttled = json.dumps({"success": False, "errorCode": "F29"}).encode()
        vendor = Vendor({LIST: [throttled, httpx.ReadTimeout("t"), 502, old([bill(1)])]})
        assert len(rows_of(vendor, throttle_codes="F29")) == 1
        assert vendor.clock.slept[0] == 60.0

    def test_an_unknown_gateway_is_said_at_once(self) -> None:
        with pytest.raises(ValueError, match="gateway"):
            Vendor({}).client(gateway="third")

    def test_no_secret_is_logged_or_said(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("DEBUG")
        body = json.dumps({"success": False, "errorCode": "S1", "message": f"签名错误 {SECRET}"}).encode()
        with pytest.raises(VendorConfigError) as caught:
            rows_of(Vendor({LIST: [body]}))
        assert SECRET not in caplog.text + str(caught.value)


class TestEnvelope:
    @pytest.mark.parametrize(
        "answer",
        [
            {"model": []},
            {"model": [], "code": 1},
            {"model": [], "code": "0", "message": "OK"},
            {"model": [], "success": True, "message": "查询完成"},
            {"model": [], "errorCode": "0", "errorMsg": "success"},
            {"data": {"data": []}},
            {"code": 200, "data": {"success": True, "data": [], "message": None}},
        ],
    )
    def test_an_empty_day_is_one_that_nothing_speaks_against(self, answer: dict[str, Any]) -> None:
        assert decode_envelope("api", json.dumps(answer).encode()) == []

    @pytest.mark.parametrize(
        "answer",
        [
            {"model": [], "success": False},
            {"model": [], "success": "false"},
            {"model": [], "errorCode": "ERR_1"},
            {"model": [], "errMsg": "系统繁忙"},
            {"model": [], "code": -1},
            {"model": [], "resultCode": "E7"},
            {"model": [], "code": 0, "message": "参数不合法"},
            {"model": None, "code": 0, "message": "参数不合法"},
            {"code": 0, "msg": "参数不合法"},
            {"data": {"success": False, "data": []}},
            {"data": {"data": [], "errorCode": 5}},
            {"code": 500, "data": {"data": []}},
            {"code": 500, "data": None},
            {"model": [{"orderVo": {}}], "success": False},
        ],
    )
    def test_a_failure_with_or_without_empty_lists_is_an_error(self, answer: dict[str, Any]) -> None:
        with pytest.raises(VendorError):
            decode_envelope("api", json.dumps(answer).encode())

    @pytest.mark.parametrize(
        "content",
        [
            *NO_ENVELOPE,
            b'{"code":1}',
            b'{"model":{}}',
            b'{"model":[1]}',
            b'{"model":null,"success":true}',
            b'{"data":[]}',
            b'{"data":{"rows":[]}}',
            b'{"data":{"data":"none"}}',
        ],
    )
    def test_neither_rows_nor_a_failure_is_malformed(self, content: bytes) -> None:
        with pytest.raises(MalformedResponse):
            decode_envelope("api", content)

    @given(st.binary() | st.text().map(str.encode))
    def test_no_bytes_crash_it(self, content: bytes) -> None:
        with contextlib.suppress(MalformedResponse, VendorError):
            decode_envelope("api", content)

    @given(
        st.dictionaries(
            st.sampled_from(["model", "data", "success", "code", "errorCode", "message", "err"]),
            st.none()
            | st.booleans()
            | st.integers(-2, 2)
            | st.sampled_from(["ok", "x", [], [{}], {}, {"data": []}, {"data": [], "success": False}]),
        )
    )
    def test_no_object_crashes_it_and_a_stated_failure_never_passes(self, answer: dict[str, Any]) -> None:
        try:
            decode_envelope("api", json.dumps(answer).encode())
        except (MalformedResponse, VendorError):
            return
        assert answer.get("success") is not False
        assert answer.get("data") != {"data": [], "success": False} or "model" in answer

    def test_throttling_by_words_or_by_a_configured_code(self) -> None:
        with pytest.raises(RateLimited):
            decode_envelope("api", json.dumps({"success": False, "message": "访问过于频繁"}).encode())
        with pytest.raises(RateLimited):
            decode_envelope("api", b'{"success":false,"code":"29"}', frozenset({"29"}))

    def test_the_vendors_code_is_kept_and_its_words_are_not(self) -> None:
        with pytest.raises(VendorError) as caught:
            decode_envelope("api", json.dumps({"errorCode": "E_7", "message": "门店不存在"}).encode())
        assert caught.value.code == "E_7"
        assert "门店" not in str(caught.value)
