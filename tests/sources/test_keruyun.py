"""The Keruyun client: two levels of success, disputed signatures, details per order, and the unit of amounts."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vendor_stub import NO_ENVELOPE, SHANGHAI, VendorStub, following

from dagster_project.sources.errors import (
    MalformedResponse,
    RateLimited,
    TokenRejected,
    TooManyRows,
    VendorConfigError,
    VendorError,
)
from dagster_project.sources.keruyun import (
    DETAIL,
    LIST,
    TOKEN,
    KeruyunClient,
    decode_envelope,
    decode_token,
    list_body,
    sign,
    unit_differs,
)
from dagster_project.sources.vendor import Slice

SECRET = "app-s3cret"
DAY = Slice("orders", datetime(2026, 3, 2, tzinfo=SHANGHAI), datetime(2026, 3, 3, tzinfo=SHANGHAI), "ordered")
Answer = bytes | Exception | int


def ok(data: Any) -> bytes:
    result = {"success": True, "msgCode": "", "msgInfo": "", "data": data, "serverCode": "", "messageId": ""}
    return json.dumps(
        {"code": 0, "message": "成功[OK]", "messageUuid": "u", "apiMessage": None, "result": result}
    ).encode()


def code(number: int, message: str = "x", result: Any = None) -> bytes:
    return json.dumps(
        {"code": number, "message": message, "apiMessage": None, "messageUuid": "u", "result": result}
    ).encode()


def failed(msg_code: str, info: str = "x", data: Any = None) -> bytes:
    return code(0, "成功[OK]", {"success": False, "msgCode": msg_code, "msgInfo": info, "data": data})


def listed(order_id: int | str, amount: str = "1250") -> dict[str, Any]:
    return {"shopId": "S1", "orderId": order_id, "orderStatus": "3", "orderAmt": amount, "promoAmt": "0"}


def listing(rows: list[dict[str, Any]], total: int | None = None, page: int = 1) -> bytes:
    count = len(rows) if total is None else total
    return ok(
        {
            "totalCount": str(count),
            "pageNo": str(page),
            "pageSize": "50",
            "totalPage": str(-(-count // 50)),
            "list": rows,
        }
    )


def detail(body: dict[str, Any]) -> bytes:
    return ok(
        {
            "orderBaseVO": {"orderId": body["orderId"], "shopId": "S1", "orderAmt": 1250},
            "orderItemVoList": [{"id": "1", "quantity": "0.535"}],
            "openPaymentDetailVoList": [{"payDetailNo": "p1"}],
        }
    )


class Vendor(VendorStub[KeruyunClient]):
    """Answers per path; the last answer repeats. Tokens are t1, t2, …"""

    def __init__(self, **answers: list[Answer | Callable[[dict[str, Any]], Answer]]) -> None:
        settings = {
            "base_url": "https://keruyun.test",
            "app_key": "AK",
            "app_secret": SECRET,
            "shop_id": "S1",
        }
        super().__init__(KeruyunClient, settings, epoch=1_772_000_000.9)
        self.answers: dict[str, list[Any]] = {"queryDetail": [detail], **answers}
        self.tokens = 0

    def asked(self, path: str) -> list[httpx.Request]:
        return [request for request in self.requests if request.url.path == path]

    def handle(self, request: httpx.Request) -> Any:
        name = request.url.path.rsplit("/", 1)[1]
        if name == "get" and name not in self.answers:
            self.tokens += 1
            return code(0, result={"token": f"t{self.tokens}"})
        return following(self.answers[name], json.loads(request.content or "{}"))


def rows_of(vendor: Vendor, **settings: str) -> list[dict[str, Any]]:
    with vendor.client(**settings) as client:
        return [row for rows in client.fetch(DAY) for row in rows]


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class TestSignature:
    QUERY = {"appKey": "AK", "shopIdenty": "S1", "timestamp": "1772000000", "version": "2.0"}  # noqa: RUF012

    def test_token_at_the_tail_as_the_go_sdk_has_it(self) -> None:
        expected = sha('appKeyAKshopIdentyS1timestamp1772000000version2.0body{"a":1}T')
        assert sign(self.QUERY, '{"a":1}', "T", "tail") == expected

    def test_token_among_the_sorted_parameters_too_as_the_python_sdk_has_it(self) -> None:
        expected = sha("appKeyAKshopIdentyS1timestamp1772000000tokenTversion2.0body{}T")
        assert sign(self.QUERY, "{}", "T", "sorted") == expected

    def test_without_a_body_for_the_token_itself(self) -> None:
        expected = sha(f"appKeyAKshopIdentyS1timestamp1772000000version2.0{SECRET}")
        assert sign(self.QUERY, None, SECRET, "tail") == expected

    def test_what_is_signed_is_what_is_sent(self) -> None:
        vendor = Vendor(queryList=[listing([])])
        rows_of(vendor)
        token, call = vendor.requests
        assert (token.method, token.url.path) == ("GET", TOKEN)
        assert dict(token.url.params) == {**self.QUERY, "sign": sign(self.QUERY, None, SECRET, "tail")}
        assert (call.method, call.url.path) == ("POST", LIST)
        expected = sign(self.QUERY, call.content.decode(), "t1", "tail")
        assert dict(call.url.params) == {**self.QUERY, "sign": expected}

    def test_the_sorted_kind_sends_the_token_as_well(self) -> None:
        vendor = Vendor(queryList=[listing([])])
        rows_of(vendor, token_in_sign="sorted")
        params = dict(vendor.asked(LIST)[0].url.params)
        assert params["token"] == "t1"
        body = vendor.asked(LIST)[0].content.decode()
        assert params["sign"] == sign(self.QUERY, body, "t1", "sorted")

    def test_a_brand_signs_as_a_brand(self) -> None:
        vendor = Vendor(queryList=[listing([])])
        rows_of(vendor, brand_id="B9")
        params = vendor.asked(LIST)[0].url.params
        assert params["brandId"] == "B9"
        assert "shopIdenty" not in params

    @pytest.mark.parametrize("setting", ["token_in_sign", "list_request"])
    def test_an_unknown_choice_is_said_at_once(self, setting: str) -> None:
        with pytest.raises(ValueError, match=setting):
            Vendor().client(**{setting: "other"})


class TestWindows:
    def test_a_slice_a_day(self) -> None:
        pieces = Vendor().client().slices(date(2026, 3, 2), date(2026, 2, 28))
        assert [piece.table for piece in pieces] == ["orders"] * 3
        assert pieces[0].begin == datetime(2026, 2, 28, tzinfo=SHANGHAI)
        assert pieces[-1].end == datetime(2026, 3, 3, tzinfo=SHANGHAI)

    def test_the_list_is_asked_by_order_time_in_either_shape(self) -> None:
        window = {"dateType": "2", "startDate": "2026-03-02 00:00:00", "endDate": "2026-03-03 00:00:00"}
        assert list_body("page_bean", DAY, 3, "S1") == {**window, "pageBean": {"pageNum": 3, "pageSize": 50}}
        assert list_body("flat", DAY, 3, "S1") == {**window, "shopIds": ["S1"], "pageNum": 3, "pageSize": 50}

    def test_never_longer_than_the_vendor_allows(self) -> None:
        begin = datetime(2026, 3, 1, tzinfo=SHANGHAI)
        list_body("flat", Slice("orders", begin, begin + timedelta(days=31)), 1, "S1")
        with pytest.raises(ValueError, match="window"):
            list_body("flat", Slice("orders", begin, begin + timedelta(days=31, seconds=1)), 1, "S1")


class TestOrders:
    def test_every_order_comes_with_its_detail_and_its_row(self) -> None:
        vendor = Vendor(queryList=[listing([listed(2**60 + 1)])])
        (row,) = rows_of(vendor)
        assert row["listed"]["orderId"] == row["orderBaseVO"]["orderId"] == str(2**60 + 1)
        assert row["orderItemVoList"][0]["quantity"] == "0.535"
        assert json.loads(vendor.asked(DETAIL)[0].content) == {"orderId": str(2**60 + 1)}

    def test_several_pages_and_no_order_twice(self) -> None:
        rows = [listed(n) for n in range(70)]

        def answer(body: dict[str, Any]) -> bytes:
            number = body["pageBean"]["pageNum"]
            return listing(rows[(number - 1) * 50 : number * 50], len(rows), number)

        vendor = Vendor(queryList=[answer])
        found = [row["orderBaseVO"]["orderId"] for row in rows_of(vendor, calls_per_minute="1000")]
        assert sorted(found, key=int) == [str(n) for n in range(70)]

    def test_an_order_that_slides_over_a_page_boundary_is_not_lost(self) -> None:
        rows = [listed(n) for n in range(70)]
        passes = 0

        def answer(body: dict[str, Any]) -> bytes:
            nonlocal passes
            number = body["pageBean"]["pageNum"]
            passes += number == 1
            # the first time, order 49 moves to a page that was read and order 50 slides over the boundary
            order = (
                rows if passes > 1 else [*rows[:49], rows[50], rows[49], *rows[51:]] if number == 1 else rows
            )
            return listing(order[(number - 1) * 50 : number * 50], len(rows), number)

        vendor = Vendor(queryList=[answer])
        found = {row["orderBaseVO"]["orderId"] for row in rows_of(vendor, calls_per_minute="10000")}
        assert found == {str(n) for n in range(70)}

    def test_too_many_orders_are_said_before_the_first_detail(self) -> None:
        vendor = Vendor(queryList=[listing([listed(n) for n in range(50)], 10_001)])
        with pytest.raises(TooManyRows):
            rows_of(vendor)
        assert vendor.asked(DETAIL) == []

    @pytest.mark.parametrize(
        "data",
        [None, [], {}, {"totalCount": "1"}, {"totalCount": "1", "list": None}, {"list": []},
         {"totalCount": "x", "list": []}, {"totalCount": "1", "list": [1]},
         {"totalCount": "90", "pageSize": "20", "list": [listed(1)]}, {"totalCount": "1", "list": [{}]}],
    )  # fmt: skip
    def test_a_list_without_its_parts_is_never_zero_rows(self, data: Any) -> None:
        with pytest.raises(MalformedResponse):
            rows_of(Vendor(queryList=[ok(data)]))

    @pytest.mark.parametrize(
        "data",
        [None, {}, {"orderBaseVO": None}, {"orderBaseVO": {"orderId": "8"}},
         {"orderBaseVO": {"orderId": "7"}, "orderItemVoList": "none"},
         {"orderBaseVO": {"orderId": "7"}, "openPaymentDetailVoList": {}}],
    )  # fmt: skip
    def test_a_detail_that_is_not_this_orders_is_malformed(self, data: Any) -> None:
        with pytest.raises(MalformedResponse):
            rows_of(Vendor(queryList=[listing([listed(7)])], queryDetail=[ok(data)]))

    def test_a_detail_in_yuan_beside_a_list_in_fen_is_refused(self) -> None:
        base = {"orderId": "7", "orderAmt": "12.50"}
        with pytest.raises(MalformedResponse, match="100"):
            rows_of(Vendor(queryList=[listing([listed(7)])], queryDetail=[ok({"orderBaseVO": base})]))

    @pytest.mark.parametrize(
        ("one", "two", "differs"),
        [
            ("1250", "1250", False),
            ("1250", "12.5", True),
            ("12.50", 1250, True),
            ("0", "0", False),
            ("100", "1", True),
            ("1250", None, False),
            (None, "x", False),
            ("NaN", "1", False),
            ("1250", "1200", False),
        ],
    )
    def test_units_are_compared_by_a_factor_of_one_hundred(self, one: Any, two: Any, differs: bool) -> None:
        assert unit_differs({"orderAmt": one}, {"orderAmt": two}) is differs


class TestEnvelope:
    @pytest.mark.parametrize(
        "content",
        [
            *NO_ENVELOPE,
            b'{"code":0}',
            b'{"code":null,"result":{"success":true,"data":{}}}',
            b'{"code":false,"result":{"success":true,"data":{}}}',
            b'{"code":0,"result":null}',
            b'{"code":0,"result":[]}',
            b'{"code":0,"result":{"data":{"list":[]}}}',
            b'{"code":0,"result":{"success":"yes","data":{}}}',
            b'{"code":0,"result":{"success":true}}',
            b'{"code":0,"result":{"success":true,"data":[]}}',
            b'{"result":{"success":true,"data":{}}}',
        ],
    )
    def test_anything_undocumented_is_malformed(self, content: bytes) -> None:
        with pytest.raises(MalformedResponse):
            decode_envelope("api", content)

    @given(st.binary() | st.text().map(str.encode))
    def test_no_bytes_crash_it(self, content: bytes) -> None:
        for decode in (decode_envelope, decode_token):
            with contextlib.suppress(MalformedResponse, VendorError):
                decode("api", content)

    @given(
        st.fixed_dictionaries(
            {"code": st.sampled_from([0, "0", 100, 108, 2001, None, "x" * 90, []])},
            optional={
                "message": st.none() | st.text(max_size=5) | st.integers(),
                "result": st.none()
                | st.dictionaries(
                    st.sampled_from(["success", "msgCode", "msgInfo", "data", "token"]),
                    st.none() | st.booleans() | st.integers() | st.just({}) | st.just([1]),
                ),
            },
        )
    )
    def test_no_object_crashes_it_and_only_both_successes_pass(self, answer: dict[str, Any]) -> None:
        try:
            decode_envelope("api", json.dumps(answer).encode())
        except (MalformedResponse, VendorError):
            return
        assert str(answer["code"]) == "0"
        assert answer["result"]["success"] is True

    def test_an_inner_failure_with_empty_lists_is_not_an_empty_day(self) -> None:
        empty = {"totalCount": "0", "list": []}
        with pytest.raises(VendorError) as caught:
            rows_of(Vendor(queryList=[failed("OP-1001", data=empty)]))
        assert caught.value.code == "OP-1001"

    @pytest.mark.parametrize("number", [1, 99, 109, 2001, -1])
    def test_any_other_code_is_a_refusal(self, number: int) -> None:
        with pytest.raises(VendorError) as caught:
            decode_envelope("api", code(number, result={"success": True, "data": {}}))
        assert not isinstance(caught.value, TokenRejected)

    @pytest.mark.parametrize("number", range(100, 109))
    def test_auth_codes(self, number: int) -> None:
        with pytest.raises(TokenRejected):
            decode_envelope("api", code(number))

    def test_throttling_by_words_at_either_level_or_by_a_configured_code(self) -> None:
        for content in (
            code(500, "请求频率超过限制"),
            failed("X", "调用次数已达上限"),
            code(29),
            code(108, "访问频繁"),
        ):
            with pytest.raises(RateLimited):
                decode_envelope("api", content, frozenset({"29"}))

    @pytest.mark.parametrize("content", [ok({"token": "t"}), code(0, result={"token": "t"})])
    def test_the_token_is_found_at_either_place(self, content: bytes) -> None:
        assert decode_token("api", content) == "t"

    @pytest.mark.parametrize("result", [{}, {"token": ""}, {"token": None}, {"data": "t"}, None])
    def test_an_answer_without_token_is_malformed(self, result: Any) -> None:
        with pytest.raises(MalformedResponse):
            decode_token("api", code(0, result=result))


class TestToken:
    def test_one_token_serves_many_calls(self) -> None:
        vendor = Vendor(queryList=[listing([listed(n) for n in range(5)])])
        rows_of(vendor)
        assert vendor.tokens == 1

    def test_a_token_that_dies_is_replaced_once_and_the_call_replayed(self) -> None:
        vendor = Vendor(queryList=[listing([listed(7)])], queryDetail=[code(102), detail])
        assert len(rows_of(vendor)) == 1
        assert vendor.tokens == 2

    def test_a_refusal_that_a_new_token_does_not_mend_is_the_accounts(self) -> None:
        vendor = Vendor(queryList=[code(103)])
        with pytest.raises(VendorConfigError, match="app_secret") as caught:
            rows_of(vendor)
        assert (vendor.tokens, caught.value.code) == (2, "103")

    def test_a_token_that_is_refused_is_the_accounts_too(self) -> None:
        with pytest.raises(VendorConfigError, match="app_secret"):
            rows_of(Vendor(get=[code(101)], queryList=[listing([])]))

    def test_no_token_and_no_secret_is_logged_or_said(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("DEBUG")
        vendor = Vendor(get=[code(0, result={"token": "tok-3n"})], queryList=[code(103, f"tok-3n {SECRET}")])
        with pytest.raises(VendorConfigError) as caught:
            rows_of(vendor, token_in_sign="sorted")
        said = caplog.text + str(caught.value)
        assert LIST in said
        assert "tok-3n" not in said and SECRET not in said

    def test_throttled_and_lost_calls_come_again(self) -> None:
        vendor = Vendor(
            queryList=[code(29), httpx.ReadTimeout("t"), listing([listed(7)])],
            queryDetail=[502, detail],
        )
        assert len(rows_of(vendor, throttle_codes="29")) == 1
        assert vendor.clock.slept[0] == 60.0
