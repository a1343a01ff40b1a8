"""Weimob: string error codes, keys with a tab behind them, 64-bit ids, buyers' records beside their orders."""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from hypothesis import given
from vendor_stub import NO_ENVELOPE, SHANGHAI, VendorStub, junk

from dagster_project.sources.errors import (
    MalformedResponse,
    RateLimited,
    TokenRejected,
    TooManyRows,
    VendorConfigError,
    VendorError,
)
from dagster_project.sources.vendor import Slice
from dagster_project.sources.weimob import WeimobClient, decode_envelope, decode_token

DAY = datetime(2026, 3, 2, tzinfo=SHANGHAI)
ORDERS = Slice("orders", DAY, DAY + timedelta(days=1), "created")
RIGHTS = Slice("rights", DAY, DAY + timedelta(days=1), "created")
SETTINGS = {
    "base_url": "http://weimob.test",
    "client_id": "app1",
    "client_secret": "s3cret-of-the-app",
    "vid": "6016",
}
BIG = 9007199254740993
PHONE = "138" + "00138000"
Body = dict[str, Any]


class Stub(VendorStub[WeimobClient]):
    """A Weimob of a few lines: one handler per API; the token endpoint answers T1, T2 …"""

    def __init__(self, **handlers: Callable[[Body], Any]) -> None:
        super().__init__(WeimobClient, SETTINGS, epoch=1_772_400_000.0)
        self.handlers: dict[str, Callable[[Body], Any]] = {
            "customers": lambda body: ok(userBaseInfoList=[]),
            **handlers,
        }
        self.bodies: dict[str, list[Body]] = defaultdict(list)
        self.tokens = 0

    def handle(self, request: httpx.Request) -> Any:
        if request.url.path == "/fuwu/b/oauth2/token":
            form = {key: values[0] for key, values in parse_qs(request.content.decode()).items()}
            self.bodies["token"].append(form)
            self.tokens += 1
            return {"access_token": f"T{self.tokens}", "expires_in": 7200}
        name = {
            "/apigw/weimob_shop/v2.0/order/list/search": "orders",
            "/apigw/weimob_shop/v2.0/rights/list/search": "rights",
            "/apigw/weimob_crm/v2.0/customer/getList": "customers",
        }[request.url.path]
        self.bodies[name].append(json.loads(request.content))
        return self.handlers[name](self.bodies[name][-1])


def ok(**data: Any) -> dict[str, Any]:
    return {"code": {"errcode": "0", "errmsg": "success"}, "data": data}


def refusal(code: str, text: str = "x") -> dict[str, Any]:
    return {"code": {"errcode": code, "errmsg": text}, "data": {"pageList": []}}


def order(number: int, wid: int | None = None) -> Body:
    return {"orderInfo": {"orderBaseInfo": {"orderNo": number}, "buyerInfo": {"wid": wid}}}


def listed(rows: list[Body], cap: int = 1000) -> Any:
    def answer(body: Body) -> Any:
        size = min(cap, body["pageSize"])
        start = (body["pageNum"] - 1) * size
        return ok(pageList=rows[start : start + size])

    return answer


def read(client: WeimobClient, piece: Slice = ORDERS) -> list[Body]:
    return [row for page in client.fetch(piece) for row in page]


class TestEnvelope:
    def test_trims_keys_and_keeps_big_integers(self) -> None:
        content = f'{{"code":{{"errcode":"0"}},"data":{{"orderNo\\t":{BIG},"wid\\t":1.50}}}}'.encode()
        assert decode_envelope("api", content) == {"orderNo": str(BIG), "wid": "1.50"}

    @pytest.mark.parametrize(
        "content",
        [
            *NO_ENVELOPE,
            b'{"data":{"pageList":[]}}',
            b'{"code":{"errmsg":"success"},"data":{}}',
            b'{"code":{"errcode":""},"data":{}}',
            b'{"code":{"errcode":null},"data":{}}',
            b'{"code":{"errcode":true},"data":{}}',
            b'{"code":"0","data":{}}',
            b'{"code":{"errcode":"0"}}',
            b'{"code":{"errcode":"0"},"data":null}',
            b'{"code":{"errcode":"0"},"data":[]}',
        ],
    )
    def test_anything_undocumented_is_malformed(self, content: bytes) -> None:
        with pytest.raises(MalformedResponse):
            decode_envelope("api", content)

    @pytest.mark.parametrize(
        ("code", "text", "kind"),
        [
            ("1041", "x", RateLimited),
            ("1042", "x", TokenRejected),
            ("80001", "access_token 已失效", TokenRejected),
            ("80002", "请求过于频繁", RateLimited),
            ("80003", "参数错误", VendorError),
        ],
    )
    def test_listed_codes_decide_and_else_the_text(self, code: str, text: str, kind: type) -> None:
        with pytest.raises(VendorError) as caught:
            decode_envelope(
                "api",
                json.dumps(refusal(code, text)).encode(),
                token_codes={"1042"},
                throttle_codes={"1041"},
            )
        assert type(caught.value) is kind
        assert len(text) == 1 or text not in str(caught.value)

    @given(junk("code", "errcode", "errmsg", "data", "error", "access_token"))
    def test_never_crashes(self, content: bytes) -> None:
        with contextlib.suppress(MalformedResponse, VendorError):
            assert isinstance(decode_envelope("api", content), dict)
        with contextlib.suppress(MalformedResponse, VendorError):
            token, life = decode_token(content)
            assert token
            assert life > 0


class TestToken:
    def test_bare_or_in_the_envelope(self) -> None:
        assert decode_token(b'{"access_token":"T","expires_in":7200}') == ("T", 7200.0)
        wrapped = json.dumps(ok(access_token="T", expires_in="7200")).encode()
        assert decode_token(wrapped) == ("T", 7200.0)

    def test_an_untold_life_is_taken_to_be_short(self) -> None:
        assert decode_token(b'{"access_token":"T"}')[1] <= 3_600

    @pytest.mark.parametrize(
        "content", [b'{"error":"invalid_client"}', json.dumps(refusal("9", "token")).encode()]
    )
    def test_refused_credentials_need_a_person(self, content: bytes) -> None:
        with pytest.raises(VendorConfigError):
            decode_token(content)

    def test_an_error_text_that_is_no_code_is_not_repeated(self) -> None:
        with pytest.raises(VendorConfigError) as caught:
            decode_token(json.dumps({"error": f"bad secret {SETTINGS['client_secret']}"}).encode())
        assert SETTINGS["client_secret"] not in str(caught.value)

    def test_asks_with_a_form_and_calls_with_the_token_in_the_query(self) -> None:
        stub = Stub(orders=listed([]))
        read(stub.client(shop_id="77"))
        assert stub.bodies["token"] == [
            {
                "grant_type": "client_credentials",
                "client_id": "app1",
                "client_secret": SETTINGS["client_secret"],
                "shop_id": "77",
            }
        ]
        assert "client_secret" not in str(stub.urls[0])
        assert stub.urls[1].params["accesstoken"] == "T1"

    def test_a_dead_token_is_renewed_once_and_the_call_repeated(self) -> None:
        answers = iter([refusal("80001", "invalid token"), ok(pageList=[])])
        stub = Stub(orders=lambda body: next(answers))
        assert read(stub.client()) == []
        assert stub.urls[-1].params["accesstoken"] == "T2"

    def test_twice_dead_is_told(self) -> None:
        stub = Stub(orders=lambda body: refusal("1042"))
        with pytest.raises(TokenRejected):
            read(stub.client(token_errcodes="1041, 1042"))
        assert stub.tokens == 2


class TestSlices:
    def test_a_day_each_and_thirty_on_mondays(self) -> None:
        tuesday = Stub().client().slices(date(2026, 3, 3), date(2026, 2, 20))
        assert [piece.by for piece in tuesday if piece.table == "orders"] == ["created"] * 12
        monday = Stub().client().slices(date(2026, 3, 2), date(2026, 2, 20))
        assert len([piece for piece in monday if piece.table == "rights"]) == 30
        assert monday[0].begin == datetime(2026, 2, 1, tzinfo=SHANGHAI)

    def test_another_time_type_names_other_slices(self) -> None:
        pieces = Stub().client(time_type="3").slices(date(2026, 3, 3), date(2026, 3, 3))
        assert {piece.by for piece in pieces} == {"type3"}


class TestFetch:
    def test_asks_in_milliseconds_at_the_node(self) -> None:
        stub = Stub(orders=listed([order(BIG)]))
        rows = read(stub.client())
        assert rows[0]["orderInfo"]["orderBaseInfo"]["orderNo"] == str(BIG)
        assert stub.bodies["orders"][0] == {
            "pageNum": 1,
            "pageSize": 50,
            "queryParameter": {
                "queryTime": {"startTime": 1772380800000, "endTime": 1772467200000, "type": 1}
            },
            "basicInfo": {"vid": 6016},
        }

    @pytest.mark.parametrize("cap", [20, 1000])
    def test_reads_all_pages_also_when_the_vendor_caps_them(self, cap: int) -> None:
        rows = [order(BIG + n) for n in range(130)]
        stub = Stub(orders=listed(rows, cap))
        assert len(read(stub.client())) == 130

    def test_a_vendor_that_ignores_the_page_number_is_an_error(self) -> None:
        stub = Stub(orders=lambda body: ok(pageList=[order(n + 1) for n in range(50)]))
        with pytest.raises(MalformedResponse):
            read(stub.client())

    def test_more_than_fits_asks_for_halves(self) -> None:
        rows = [order(n + 1) for n in range(5_001)]
        with pytest.raises(TooManyRows):
            read(Stub(orders=listed(rows)).client(calls_per_minute="10000"))

    @pytest.mark.parametrize("data", [{}, {"pageList": None}, {"pageList": [{}]}, {"pageList": [1]}])
    def test_a_changed_list_is_no_empty_list(self, data: Body) -> None:
        with pytest.raises(MalformedResponse):
            read(Stub(orders=lambda body: ok(**data)).client())

    def test_an_error_beside_an_empty_list_is_an_error(self) -> None:
        with pytest.raises(VendorError):
            read(Stub(orders=lambda body: refusal("80003")).client())

    def test_after_sales_by_their_own_number(self) -> None:
        row = {"rightsOrder": {"rightsId": BIG, "rightsStatus": 1}}
        assert read(Stub(rights=listed([row])).client(), RIGHTS)[0]["rightsOrder"]["rightsId"] == str(BIG)

    def test_throttling_waits_and_goes_on(self) -> None:
        answers = iter([refusal("1041"), ok(pageList=[])])
        stub = Stub(orders=lambda body: next(answers))
        assert read(stub.client(throttle_errcodes="1041")) == []
        assert stub.clock.slept == [60.0]


class TestCustomers:
    def test_each_order_carries_its_buyers_record(self) -> None:
        people = [{"wid": BIG, "phone": PHONE}]
        stub = Stub(
            orders=listed([order(1, BIG), order(2, 8), order(3), order(4, BIG)]),
            customers=lambda body: ok(userBaseInfoList=people),
        )
        rows = read(stub.client())
        assert [row.get("customer", {}).get("phone") for row in rows] == [PHONE, None, None, PHONE]
        assert [sorted(body["widList"]) for body in stub.bodies["customers"]] == [[8, BIG]]
        assert stub.bodies["customers"][0]["vid"] == 6016

    def test_off_asks_nothing(self) -> None:
        stub = Stub(orders=listed([order(1, BIG)]))
        assert "customer" not in read(stub.client(customers="off"))[0]
        assert stub.bodies["customers"] == []
