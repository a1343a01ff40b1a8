"""Youzan: four envelopes, windows, caps, paging by number, and ciphertext phones."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

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
from dagster_project.sources.youzan import YouzanClient, YouzanThrottled, decode_envelope

DAY = datetime(2026, 3, 2, tzinfo=SHANGHAI)
NEXT = DAY + timedelta(days=1)
TRADES = Slice("trades", DAY, NEXT, "updated")
REFUNDS = Slice("refunds", DAY, NEXT, "updated")
CUSTOMERS = Slice("customers", DAY, NEXT, "created")
SETTINGS = {
    "base_url": "http://youzan.test",
    "client_id": "app1",
    "client_secret": "s3cret-of-the-app",
    "kdt_id": "9001",
}
PHONE = "138" + "00138000"
CIPHER = "$MTM4MDAxMzgwMDA=$1$"
NOW = 1_772_400_000.0
Body = dict[str, Any]


class Stub(VendorStub[YouzanClient]):
    """A Youzan of a few lines: one handler per API, tokens T1, T2 … that live seven days."""

    def __init__(self, **handlers: Callable[[Body], Any]) -> None:
        super().__init__(YouzanClient, SETTINGS, epoch=NOW)
        self.handlers = handlers
        self.bodies: dict[str, list[Body]] = defaultdict(list)
        self.tokens = 0
        self.token_answers: list[Any] = []

    def handle(self, request: httpx.Request) -> Any:
        body = json.loads(request.content)
        if request.url.path == "/auth/token":
            self.bodies["token"].append(body)
            self.tokens += 1
            if self.token_answers:
                return self.token_answers.pop(0)
            expires = int((self.now + 7 * 86_400) * 1000)
            return ok(access_token=f"T{self.tokens}", expires=expires, authority_id="9001", scope="s")
        name = {
            "/api/youzan.trades.sold.get/4.0.4": "trades",
            "/api/youzan.trade.refund.search/3.0.1": "refunds",
            "/api/youzan.scrm.customer.list/1.0.0": "customers",
            "/api/youzan.cloud.secret.decrypt.batch/1.0.0": "decrypt",
        }[request.url.path]
        self.bodies[name].append(body)
        return self.handlers[name](body)


def ok(**data: Any) -> dict[str, Any]:
    return {"trace_id": "t", "code": 200, "success": True, "data": data, "message": "successful"}


def gateway(code: int) -> dict[str, Any]:
    return {"gw_err_resp": {"trace_id": "t", "err_code": code, "err_msg": "x"}}


def trade(tid: str, phone: str | None = None, receiver: str | None = None) -> dict[str, Any]:
    return {
        "full_order_info": {
            "order_info": {"tid": tid},
            "buyer_info": {"yz_open_id": "yz1", "buyer_phone": phone},
            "address_info": {"receiver_tel": receiver},
        }
    }


def listed(rows: list[Body], key: str = "full_order_info_list", total: str = "total_results") -> Any:
    def answer(body: Body) -> Any:
        start = (body["page_no"] - 1) * body["page_size"]
        return ok(**{total: len(rows), key: rows[start : start + body["page_size"]]})

    return answer


def read(client: YouzanClient, piece: Slice = TRADES) -> list[Body]:
    return [row for page in client.fetch(piece) for row in page]


def tids(rows: list[Body]) -> list[str]:
    return [row["full_order_info"]["order_info"]["tid"] for row in rows]


class TestEnvelope:
    @pytest.mark.parametrize("code", [200, "200"])
    def test_success_with_a_code_of_either_type(self, code: Any) -> None:
        content = json.dumps({**ok(n=9007199254740993), "code": code}).encode()
        assert decode_envelope("api", content) == {"n": "9007199254740993"}

    def test_a_business_error_with_empty_lists_is_an_error_and_not_zero_rows(self) -> None:
        answer = {
            "code": 5000,
            "success": False,
            "message": "trade not found",
            "data": {"total_results": 0, "full_order_info_list": []},
        }
        with pytest.raises(VendorError) as caught:
            decode_envelope("api", json.dumps(answer).encode())
        assert caught.value.code == 5000
        assert "trade not found" not in str(caught.value)

    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            (4001, VendorConfigError),
            (4005, VendorConfigError),
            (4007, VendorConfigError),
            (4009, VendorError),
            (4101, YouzanThrottled),
            (4201, VendorConfigError),
            (4202, TokenRejected),
            (4203, TokenRejected),
            (4204, VendorConfigError),
            (5001, VendorError),
            (500100004, YouzanThrottled),
            (123000042, YouzanThrottled),
            (141500203, YouzanThrottled),
        ],
    )
    def test_codes_mean_the_same_at_the_gateway_and_inside(self, code: int, kind: type[VendorError]) -> None:
        for answer in (gateway(code), {"success": False, "code": str(code), "data": None}):
            with pytest.raises(VendorError) as caught:
                decode_envelope("api", json.dumps(answer).encode())
            assert type(caught.value) is kind

    @pytest.mark.parametrize(
        "content",
        [
            *NO_ENVELOPE,
            b'{"full_order_info_list":[]}',
            b'{"success":"true","code":200,"data":{}}',
            b'{"success":true,"data":{}}',
            b'{"success":true,"code":200,"data":null}',
            b'{"success":true,"code":200,"data":[]}',
            b'{"success":true,"code":5000,"data":{}}',
            b'{"success":false}',
            b'{"success":false,"code":true}',
            b'{"gw_err_resp":null}',
            b'{"gw_err_resp":{}}',
        ],
    )
    def test_anything_undocumented_is_malformed(self, content: bytes) -> None:
        with pytest.raises(MalformedResponse):
            decode_envelope("api", content)

    @given(junk("gw_err_resp", "err_code", "success", "code", "data"))
    def test_never_crashes(self, content: bytes) -> None:
        with contextlib.suppress(MalformedResponse, VendorError):
            assert isinstance(decode_envelope("api", content), dict)


class TestSlices:
    @staticmethod
    def by_table(night: date, since: date) -> dict[tuple[str, str], list[Slice]]:
        found = defaultdict(list)
        for piece in Stub().client().slices(night, since):
            found[piece.table, piece.by].append(piece)
        return found

    def test_a_day_each_from_the_look_back_to_the_night(self) -> None:
        found = self.by_table(date(2026, 3, 3), date(2026, 3, 1))  # a Tuesday
        assert set(found) == {("trades", "updated"), ("refunds", "updated"), ("customers", "created")}
        for pieces in found.values():
            assert pieces[0].begin == datetime(2026, 3, 1, tzinfo=SHANGHAI)
            assert pieces[-1].end == datetime(2026, 3, 4, tzinfo=SHANGHAI)
            assert all(a.end == b.begin for a, b in itertools.pairwise(pieces))

    def test_mondays_read_thirty_days_again_by_creation(self) -> None:
        found = self.by_table(date(2026, 3, 2), date(2026, 2, 15))
        assert len(found["trades", "updated"]) == 16
        again = found["trades", "created"]
        assert (len(again), again[0].begin) == (30, datetime(2026, 2, 1, tzinfo=SHANGHAI))
        assert again[-1].end == datetime(2026, 3, 3, tzinfo=SHANGHAI)
        assert len(found["customers", "created"]) == 30


class TestTrades:
    def test_asks_by_shop_time_with_the_token_in_the_query_only(self) -> None:
        stub = Stub(trades=listed([trade("E1")]))
        utc = ZoneInfo("UTC")
        piece = Slice("trades", DAY.astimezone(utc), NEXT.astimezone(utc), "updated")
        assert tids(read(stub.client(), piece)) == ["E1"]
        assert stub.bodies["trades"] == [
            {
                "start_update": "2026-03-02 00:00:00",
                "end_update": "2026-03-03 00:00:00",
                "page_no": 1,
                "page_size": 100,
            }
        ]
        assert stub.urls[-1].params["access_token"] == "T1"
        assert stub.bodies["token"] == [
            {
                "authorize_type": "silent",
                "client_id": "app1",
                "client_secret": SETTINGS["client_secret"],
                "grant_id": "9001",
                "refresh": False,
            }
        ]

    def test_the_weekly_reading_asks_by_creation(self) -> None:
        stub = Stub(trades=listed([]))
        assert read(stub.client(), Slice("trades", DAY, NEXT, "created")) == []
        assert {"start_created", "end_created"} < stub.bodies["trades"][0].keys()

    def test_a_row_that_moved_between_pages_is_not_lost(self) -> None:
        rows = [trade(f"E{n:03}") for n in range(150)]

        def answer(body: Body) -> Any:
            if len(stub.bodies["trades"]) == 2:  # E000 was updated: it goes last, E100 slides to page 1
                rows.append(rows.pop(0))
            return listed(rows)(body)

        stub = Stub(trades=answer)
        client = stub.client()
        assert set(tids(read(client))) == {f"E{n:03}" for n in range(150)}
        assert client.notes == []

    def test_more_than_ten_thousand_ask_for_halves(self) -> None:
        stub = Stub(trades=lambda body: ok(total_results=10_001, full_order_info_list=[trade("E1")]))
        with pytest.raises(TooManyRows):
            next(stub.client().fetch(TRADES))

    def test_ten_thousand_are_read(self) -> None:
        rows = [trade(f"E{n}") for n in range(10_000)]
        assert len(read(Stub(trades=listed(rows)).client(calls_per_minute="100000"))) == 10_000

    @pytest.mark.parametrize(
        "data",
        [
            {"total_results": 0},
            {"full_order_info_list": []},
            {"total_results": 1, "full_order_info_list": [{}]},
            {"total_results": 1, "full_order_info_list": [None]},
        ],
    )
    def test_a_changed_list_is_no_empty_list(self, data: Body) -> None:
        with pytest.raises(MalformedResponse):
            read(Stub(trades=lambda body: ok(**data)).client())


class TestToken:
    @pytest.mark.parametrize("code", [4202, 4203])
    def test_a_dead_token_is_renewed_once_and_the_call_repeated(self, code: int) -> None:
        answers = iter([gateway(code), ok(total_results=0, full_order_info_list=[])])
        stub = Stub(trades=lambda body: next(answers))
        assert read(stub.client()) == []
        assert stub.tokens == 2
        assert stub.urls[-1].params["access_token"] == "T2"

    def test_twice_dead_is_told(self) -> None:
        stub = Stub(trades=lambda body: gateway(4203))
        with pytest.raises(TokenRejected):
            read(stub.client())
        assert stub.tokens == 2

    @pytest.mark.parametrize("code", [1103, 7777])
    def test_refused_credentials_need_a_person(self, code: int) -> None:
        stub = Stub()
        stub.token_answers = [{"success": False, "code": code, "data": None, "message": "Client 不存在"}]
        with pytest.raises(VendorConfigError) as caught:
            read(stub.client())
        assert "client_id" in str(caught.value)
        assert SETTINGS["client_secret"] not in str(caught.value)

    def test_a_throttled_token_call_waits_too(self) -> None:
        stub = Stub(trades=listed([]))
        stub.token_answers = [gateway(4101)]
        assert read(stub.client()) == []
        assert stub.clock.slept == [3.0]

    def test_a_clock_that_is_off_does_not_ask_for_a_token_per_call(self) -> None:
        stub = Stub(trades=listed([trade(f"E{n}") for n in range(300)]))
        stub.token_answers = [ok(access_token="T0", expires=1_000_000)]
        assert len(read(stub.client())) == 300
        assert stub.tokens == 1

    def test_the_token_is_used_until_shortly_before_it_dies(self) -> None:
        stub = Stub(trades=listed([]))
        client = stub.client()
        read(client)
        stub.clock.now += 7 * 86_400 - 400
        read(client)
        assert stub.tokens == 1
        stub.clock.now += 200
        read(client)
        assert stub.tokens == 2


class TestThrottling:
    def test_backs_off_as_documented(self) -> None:
        answers = iter([gateway(4101)] * 5 + [ok(total_results=0, full_order_info_list=[])])
        stub = Stub(trades=lambda body: next(answers))
        assert read(stub.client()) == []
        assert stub.clock.slept == [3.0, 6.0, 12.0, 24.0, 48.0]

    def test_gives_up_after_the_last_wait(self) -> None:
        stub = Stub(trades=lambda body: gateway(4101))
        with pytest.raises(RateLimited):
            read(stub.client())
        assert len(stub.bodies["trades"]) == 6


class TestRefunds:
    def test_asks_in_seconds(self) -> None:
        row = {"refund_id": "R1", "tid": "E1", "status": "SUCCESS"}
        stub = Stub(refunds=listed([row], "refunds", "total"))
        assert read(stub.client(), REFUNDS) == [row]
        asked = stub.bodies["refunds"][0]
        assert (asked["update_time_start"], asked["update_time_end"]) == (1772380800, 1772467200)
        assert asked["page_no"] == 1

    def test_more_than_three_thousand_ask_for_halves(self) -> None:
        stub = Stub(refunds=lambda body: ok(total=3_001, refunds=[{"refund_id": "R1"}]))
        with pytest.raises(TooManyRows):
            next(stub.client().fetch(REFUNDS))

    def test_never_beyond_page_times_size_of_three_thousand(self) -> None:
        rows = [{"refund_id": f"R{n}"} for n in range(3_000)]
        stub = Stub(refunds=listed(rows, "refunds", "total"))
        assert len(read(stub.client(), REFUNDS)) == 3_000
        assert all(body["page_no"] * body["page_size"] <= 3_000 for body in stub.bodies["refunds"])


class TestCustomers:
    def test_reads_all_pages(self) -> None:
        rows = [{"yz_open_id": f"yz{n}", "mobile": None} for n in range(120)]
        stub = Stub(customers=listed(rows, "record_list", "ignored"))
        assert len(read(stub.client(), CUSTOMERS)) == 120
        assert all(body["page_size"] <= 50 for body in stub.bodies["customers"])


class TestDecrypt:
    @staticmethod
    def stub(**handlers: Any) -> Stub:
        rows = [trade("E1", CIPHER, "138****8000"), trade("E2", PHONE, CIPHER), trade("E3")]
        return Stub(
            trades=listed(rows),
            **{"decrypt": lambda body: ok(**dict.fromkeys(body["sources"], PHONE)), **handlers},
        )

    @staticmethod
    def phones(rows: list[Body]) -> list[tuple[Any, Any]]:
        infos = [row["full_order_info"] for row in rows]
        return [(i["buyer_info"]["buyer_phone"], i["address_info"]["receiver_tel"]) for i in infos]

    @pytest.mark.parametrize("settings", [{}, {"decrypt": "off"}])
    def test_off_leaves_ciphertext_as_it_is_and_asks_nothing(self, settings: dict[str, str]) -> None:
        stub = self.stub()
        found = self.phones(read(stub.client(**settings)))
        assert found == [(CIPHER, "138****8000"), (PHONE, CIPHER), (None, None)]
        assert stub.bodies["decrypt"] == []

    def test_on_hands_on_plain_phones_and_touches_nothing_else(self) -> None:
        stub = self.stub()
        found = self.phones(read(stub.client(decrypt="on")))
        assert found == [(PHONE, "138****8000"), (PHONE, PHONE), (None, None)]
        assert stub.bodies["decrypt"] == [{"sources": [CIPHER]}]

    def test_what_the_vendor_does_not_decrypt_stays_opaque_and_is_counted(self) -> None:
        client = self.stub(decrypt=lambda body: ok(**{CIPHER: None})).client(decrypt="on")
        assert self.phones(read(client))[0] == (CIPHER, "138****8000")
        assert len(client.notes) == 1
        assert CIPHER not in client.notes[0]

    def test_a_shop_without_the_permission_is_told(self) -> None:
        with pytest.raises(VendorConfigError):
            read(self.stub(decrypt=lambda body: gateway(4204)).client(decrypt="on"))

    def test_asks_for_a_page_of_values_at_a_time(self) -> None:
        rows = [{"yz_open_id": f"yz{n}", "mobile": f"$cipher{n}$1$"} for n in range(120)]
        stub = Stub(
            customers=listed(rows, "record_list", "ignored"),
            decrypt=lambda body: ok(**dict.fromkeys(body["sources"], PHONE)),
        )
        assert {row["mobile"] for row in read(stub.client(decrypt="on"), CUSTOMERS)} == {PHONE}
        assert max(len(body["sources"]) for body in stub.bodies["decrypt"]) <= 50
