"""Kuaituantuan: signature, envelope, windows, has_next paging, codes."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vendor_stub import NO_ENVELOPE, SHANGHAI, VendorStub, junk

from dagster_project.sources.errors import (
    MalformedResponse,
    RateLimited,
    SourceError,
    TokenRejected,
    TooManyRows,
    VendorConfigError,
    VendorError,
)
from dagster_project.sources.ktt import KttClient, decode_envelope, sign
from dagster_project.sources.vendor import Slice

DAY = datetime(2026, 3, 2, tzinfo=SHANGHAI)
ORDERS = Slice("orders", DAY, DAY + timedelta(days=1), "updated")
SALES = Slice("after_sales", DAY, DAY + timedelta(hours=12), "updated")
SETTINGS = {
    "base_url": "http://ktt.test",
    "client_id": "app1",
    "client_secret": "s3cret-of-the-app",
    "access_token": "t0ken-of-the-leader",
}
Form = dict[str, str]


class Stub(VendorStub[KttClient]):
    """Answers each call by `answer(form)`; keeps the forms."""

    def __init__(self, answer: Callable[[Form], Any]) -> None:
        super().__init__(KttClient, SETTINGS, epoch=1_772_400_000.9)
        self.forms: list[Form] = []
        self._answer = answer

    def handle(self, request: httpx.Request) -> Any:
        form = {key: values[0] for key, values in parse_qs(request.content.decode()).items()}
        self.forms.append(form)
        return self._answer(form)


def orders(rows: list[dict[str, Any]], has_next: bool = False) -> dict[str, Any]:
    return {"ktt_order_list_response": {"order_list": rows, "has_next": has_next, "request_id": "r"}}


def refusal(code: int) -> dict[str, Any]:
    return {"error_response": {"error_code": code, "error_msg": "x", "request_id": "r"}}


def read(client: KttClient, piece: Slice = ORDERS) -> list[dict[str, Any]]:
    return [row for page in client.fetch(piece) for row in page]


class TestSign:
    def test_the_platforms_own_vector(self) -> None:
        parameters = {
            "type": "pdd.order.number.list.get",
            "data_type": "XML",
            "timestamp": "1480411125",
            "client_id": "1",
            "access_token": "asd78172s8ds9a921j9qqwda12312w1w21211",
            "order_status": "1",
            "page": "1",
            "page_size": "10",
        }
        assert sign("testSecret", parameters) == "E4DE3ED21002510DED352819E7AE6775"

    @given(st.dictionaries(st.text(min_size=1), st.text()))
    def test_order_of_parameters_does_not_matter(self, parameters: dict[str, str]) -> None:
        assert sign("s", parameters) == sign("s", dict(reversed(parameters.items())))


class TestEnvelope:
    @pytest.mark.parametrize(
        "key",
        [
            "ktt_order_list_response",
            "ktt_after_sales_incermet_list_response",
            "ktt_refund_get_response",
            "response",
        ],
    )
    def test_takes_the_single_key_that_ends_in_response(self, key: str) -> None:
        assert decode_envelope("api", json.dumps({key: {"n": 9007199254740993}}).encode()) == {
            "n": "9007199254740993"
        }

    @pytest.mark.parametrize(
        "content",
        [
            *NO_ENVELOPE,
            b'{"order_list":[]}',
            b'{"a_response":{},"b_response":{}}',
            b'{"a_response":[]}',
            b'{"a_response":null}',
            b'{"error_response":{}}',
            b'{"error_response":{"error_code":"?"}}',
            b'{"error_response":null}',
        ],
    )
    def test_anything_undocumented_is_malformed(self, content: bytes) -> None:
        with pytest.raises(MalformedResponse):
            decode_envelope("api", content)

    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            (10001, VendorError),
            (10019, TokenRejected),
            (20004, VendorConfigError),
            (20005, VendorConfigError),
            (20031, VendorConfigError),
            (52101, RateLimited),
            (70031, RateLimited),
            (70036, VendorConfigError),
            (99999, VendorError),
        ],
    )
    def test_codes(self, code: int, kind: type[VendorError]) -> None:
        with pytest.raises(VendorError) as caught:
            decode_envelope("api", json.dumps(refusal(code)).encode())
        assert type(caught.value) is kind

    def test_an_error_beside_empty_lists_is_an_error(self) -> None:
        content = b'{"response":{"success":false,"error_code":50001,"result":[]}}'
        with pytest.raises(VendorError):
            decode_envelope("api", content)
        with pytest.raises(VendorError):
            decode_envelope("api", b'{"x_response":{"error_code":50001,"order_list":[]}}')

    def test_a_success_that_carries_a_code_is_a_success(self) -> None:
        content = b'{"response":{"success":true,"error_code":1000000,"result":[]}}'
        assert decode_envelope("api", content)["result"] == []

    @given(junk("response", "error_response", "error_code", "success", "x"))
    def test_never_crashes(self, content: bytes) -> None:
        with contextlib.suppress(MalformedResponse, VendorError):
            assert isinstance(decode_envelope("api", content), dict)


class TestSlices:
    def test_windows_stay_under_the_caps_and_leave_no_gap(self) -> None:
        pieces = Stub(lambda form: orders([])).client().slices(date(2026, 3, 3), date(2026, 3, 1))
        for table, longest in (("orders", timedelta(hours=24)), ("after_sales", timedelta(hours=12))):
            windows = [(p.begin, p.end) for p in pieces if p.table == table]
            assert windows[0][0] == datetime(2026, 3, 1, tzinfo=SHANGHAI)
            assert windows[-1][1] == datetime(2026, 3, 4, tzinfo=SHANGHAI)
            assert all(a[1] == b[0] for a, b in itertools.pairwise(windows))
            assert all(end - begin <= longest for begin, end in windows if begin and end)
        assert len({piece.name for piece in pieces}) == len(pieces)


class TestFetch:
    def test_signs_what_it_sends_and_puts_no_secret_in_the_url(self) -> None:
        stub = Stub(lambda form: orders([{"order_sn": "O1"}]))
        assert read(stub.client()) == [{"order_sn": "O1"}]
        form = dict(stub.forms[0])
        assert form.pop("sign") == sign(SETTINGS["client_secret"], form)
        assert form == {
            "type": "pdd.ktt.increment.order.query",
            "client_id": "app1",
            "timestamp": "1772400000",
            "data_type": "JSON",
            "access_token": SETTINGS["access_token"],
            "start_updated_at": "1772380800000",
            "end_updated_at": "1772467200000",
            "page_number": "1",
            "page_size": "100",
        }
        assert [str(url) for url in stub.urls] == ["http://ktt.test/api/router"]

    def test_follows_has_next_and_not_the_length_of_a_page(self) -> None:
        def answer(form: Form) -> Any:
            number = int(form["page_number"])
            return orders([{"order_sn": f"O{number}"}], has_next=number < 3)

        assert [row["order_sn"] for row in read(Stub(answer).client())] == ["O1", "O2", "O3"]

    def test_an_order_list_without_has_next_goes_on_after_a_full_page(self) -> None:
        rows = [{"order_sn": f"O{n}"} for n in range(230)]

        def answer(form: Form) -> Any:
            start = (int(form["page_number"]) - 1) * 100
            return {"ktt_order_list_response": {"order_list": rows[start : start + 100]}}

        assert len(read(Stub(answer).client())) == 230

    def test_after_sales_without_has_next_are_an_error(self) -> None:
        body = {"x_response": {"list": []}}
        with pytest.raises(MalformedResponse):
            read(Stub(lambda form: body).client(), SALES)

    def test_after_sales_ask_by_their_own_list(self) -> None:
        answer = {
            "ktt_after_sales_incermet_list_response": {
                "list": [{"after_sales_biz_sn": "A1"}],
                "has_next": "false",
            }
        }
        stub = Stub(lambda form: answer)
        assert read(stub.client(), SALES) == [{"after_sales_biz_sn": "A1"}]
        assert stub.forms[0]["type"] == "pdd.ktt.after.sales.increment.list"
        assert "query_type" not in stub.forms[0]
        stub = Stub(lambda form: answer)
        read(stub.client(after_sales_query_type="2"), SALES)
        assert stub.forms[0]["query_type"] == "2"

    @pytest.mark.parametrize(
        "body",
        [
            {"order_list": [], "has_next": None},
            {"has_next": False},  # no list
            {"order_list": [], "other": [], "has_next": False},
            {"order_list": ["O1"], "has_next": False},
            {"order_list": [{"sn": "O1"}], "has_next": False},
            {"order_list": None, "has_next": False},
        ],
    )
    def test_a_changed_list_is_no_empty_list(self, body: dict[str, Any]) -> None:
        with pytest.raises(MalformedResponse):
            read(Stub(lambda form: {"ktt_order_list_response": body}).client())

    def test_more_than_fits_asks_for_halves(self) -> None:
        def answer(form: Form) -> Any:
            start = int(form["page_number"]) * 100
            return orders([{"order_sn": str(start + n)} for n in range(100)], has_next=True)

        with pytest.raises(TooManyRows):
            read(Stub(answer).client(calls_per_minute="100000"))

    def test_a_passing_refusal_of_the_token_is_replayed_once(self) -> None:
        answers = iter([refusal(10019), orders([{"order_sn": "O1"}])])
        assert read(Stub(lambda form: next(answers)).client()) == [{"order_sn": "O1"}]

    def test_a_dead_token_needs_a_person_and_is_not_named(self) -> None:
        stub = Stub(lambda form: refusal(10019))
        with pytest.raises(TokenRejected) as caught:
            read(stub.client())
        assert len(stub.forms) == 2
        assert SETTINGS["access_token"] not in str(caught.value)

    def test_throttling_waits_and_goes_on(self) -> None:
        answers = iter([refusal(70031), refusal(52101), orders([])])
        stub = Stub(lambda form: next(answers))
        assert read(stub.client()) == []
        assert stub.clock.slept == [60.0, 60.0]

    def test_never_above_the_calls_per_minute(self) -> None:
        def answer(form: Form) -> Any:
            number = int(form["page_number"])
            return orders([{"order_sn": f"O{number}"}], has_next=number < 4)

        stub = Stub(answer)
        read(stub.client(calls_per_minute="4"))  # 4 pages, read twice
        assert len(stub.forms) == 8
        assert sum(stub.clock.slept) >= 60

    def test_server_errors_are_tried_again(self) -> None:
        answers = iter([httpx.Response(502), orders([{"order_sn": "O1"}])])
        assert len(read(Stub(lambda form: next(answers)).client())) == 1

    def test_a_time_out_is_told_without_the_form(self) -> None:
        def answer(form: Form) -> Any:
            raise httpx.ReadTimeout("late")

        with pytest.raises(SourceError) as caught:
            read(Stub(answer).client())
        assert SETTINGS["access_token"] not in str(caught.value)
