"""Youzan, Kuaituantuan and Weimob as servers, called as their documents say, without any client of the project."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import httpx
import pytest

from dagster_project.sandbox.vendors import VendorFault, VendorSandbox, make_world, running_vendor

END = date(2026, 11, 20)
SHANGHAI = timezone(timedelta(hours=8))
DAY_MS = 86_400_000
FIRST_MS = int(datetime(2026, 11, 18, tzinfo=SHANGHAI).timestamp() * 1000)
VENDORS = ("youzan", "ktt", "weimob")
WORLDS: dict[str, dict[str, Any]] = {name: make_world(name, end=END) for name in VENDORS}
TRADES, REFUNDS = "youzan.trades.sold.get/4.0.4", "youzan.trade.refund.search/3.0.1"
CUSTOMERS, DECRYPT = "youzan.scrm.customer.list/1.0.0", "youzan.cloud.secret.decrypt.batch/1.0.0"


def truth(vendor: str) -> dict[str, int]:
    counts: dict[str, int] = WORLDS[vendor]["truth"]
    return counts


# every vendor


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_world_is_the_same_for_the_same_seed_and_plain_json(vendor):
    assert make_world(vendor, end=END) == WORLDS[vendor]
    assert make_world(vendor, seed=8, end=END) != WORLDS[vendor]
    assert json.loads(json.dumps(WORLDS[vendor])) == WORLDS[vendor]
    assert truth(vendor)["orders"] == 3 * 40
    assert make_world(vendor, days=1, per_day=5, end=END)["truth"]["orders"] == 5


def test_an_api_nobody_knows_is_an_error_inside_the_body():
    def asked(vendor: str, caller: type[Youzan] | type[Ktt] | type[Weimob]) -> Any:
        with running_vendor(vendor, WORLDS[vendor]) as sandbox:
            answer = caller(sandbox).unknown()
        assert answer.status_code == 200
        return answer.json()

    assert asked("youzan", Youzan)["gw_err_resp"]["err_code"] == 4005
    assert asked("ktt", Ktt)["error_response"]["error_code"] == 10001
    assert asked("weimob", Weimob)["code"]["errcode"] == "404"


# Youzan


class Youzan:
    def __init__(self, sandbox: VendorSandbox) -> None:
        self.http = httpx.Client(base_url=sandbox.base_url, timeout=2)
        self.token = ""
        self.login()

    def login(self, **changed: Any) -> dict[str, Any]:
        asked = {
            "authorize_type": "silent",
            "client_id": "youzan-client",
            "client_secret": "youzan-secret",
            "grant_id": "110001",
            "refresh": False,
            **changed,
        }
        answer: dict[str, Any] = self.http.post("/auth/token", json=asked).json()
        if answer["success"]:
            self.token = answer["data"]["access_token"]
        return answer

    def raw(self, api: str, **args: Any) -> dict[str, Any]:
        answer = self.http.post(f"/api/{api}", params={"access_token": self.token}, json=args)
        assert answer.status_code == 200
        body: dict[str, Any] = answer.json()
        return body

    def __call__(self, api: str, **args: Any) -> dict[str, Any]:
        body = self.raw(api, **args)
        assert body.get("success") is True, body
        data: dict[str, Any] = body["data"]
        return data

    def gateway(self, api: str, **args: Any) -> int:
        return int(self.raw(api, **args)["gw_err_resp"]["err_code"])

    def unknown(self) -> httpx.Response:
        return self.http.post("/api/youzan.nothing.get/9.9.9", params={"access_token": self.token}, json={})

    def tids(self, page: int, size: int, **args: Any) -> tuple[list[str], int]:
        data = self(TRADES, page_no=page, page_size=size, **args)
        infos = [row["full_order_info"]["order_info"] for row in data["full_order_info_list"]]
        return [info["tid"] for info in infos], data["total_results"]


@pytest.fixture
def youzan_sandbox():
    with running_vendor("youzan", WORLDS["youzan"]) as sandbox:
        yield sandbox


@pytest.fixture
def youzan(youzan_sandbox):
    return Youzan(youzan_sandbox)


def test_youzan_answers_in_four_envelopes_all_of_them_200(youzan):
    ok = youzan.raw(TRADES)
    assert set(ok) == {"trace_id", "code", "success", "data", "message"}
    assert (ok["code"], ok["success"], ok["message"]) == (200, True, "successful")
    assert youzan.raw(REFUNDS)["code"] == "200"  # the same, as a string

    failed = youzan.raw(TRADES, page_no=1, page_size=101)
    assert failed["success"] is False and failed["code"] == 5000
    assert failed["data"] == {"total_results": 0, "full_order_info_list": []}  # present, but empty

    gateway = youzan.raw("youzan.trades.sold.get/1.0.0")
    assert set(gateway) == {"gw_err_resp"}
    assert set(gateway["gw_err_resp"]) == {"trace_id", "err_code", "err_msg"}

    refused = youzan.login(client_id="somebody else")
    assert refused == {"success": False, "code": 1103, "data": None, "message": "Client 不存在"}


def test_youzan_token_reply(youzan):
    data = youzan.login()["data"]
    assert data["authority_id"] == "110001"
    week = 7 * 86_400_000
    assert abs(data["expires"] - (time.time() * 1000 + week)) < 60_000  # ms


@pytest.mark.parametrize("changed", [{"client_secret": "no"}, {"grant_id": "1"}, {"authorize_type": "code"}])
def test_youzan_refuses_other_credentials(youzan, changed):
    answer = youzan.login(**changed)
    assert (answer["success"], answer["data"]) == (False, None)


def test_youzan_gateway_codes(youzan):
    assert youzan.gateway("youzan.trades.sold.get/9.0.0") == 4005
    assert youzan.gateway(TRADES, page_no="first") == 5001
    assert youzan.http.post("/nowhere", json={}).json()["gw_err_resp"]["err_code"] == 4001
    query = {"access_token": youzan.token}
    assert youzan.http.get(f"/api/{TRADES}", params=query).json()["gw_err_resp"]["err_code"] == 4007
    form = youzan.http.post(f"/api/{TRADES}", params=query, data={"page_no": 1}).json()
    assert form["gw_err_resp"]["err_code"] == 4007
    body_only = youzan.http.post(f"/api/{TRADES}", json=query).json()
    assert body_only["gw_err_resp"]["err_code"] == 4201  # the token goes in the query only
    youzan.token = "made up"
    assert youzan.gateway(TRADES) == 4203


def test_youzan_tokens_expire_and_die():
    with running_vendor("youzan", WORLDS["youzan"], settings={"token_seconds": "1"}) as sandbox:
        youzan = Youzan(sandbox)
        youzan(TRADES)
        time.sleep(1.1)
        assert youzan.gateway(TRADES) == 4202
    with running_vendor("youzan", WORLDS["youzan"]) as sandbox:
        youzan = Youzan(sandbox)
        sandbox.add_fault(VendorFault("token_dies", api="youzan.trades.sold.get"))
        assert youzan.gateway(TRADES) == 4203
        youzan.login()
        assert youzan(TRADES)["total_results"] == 120


def test_youzan_pages_hold_every_order_once(youzan):
    assert len(youzan.tids(1, 20)[0]) == 20
    assert len(youzan(TRADES)["full_order_info_list"]) == 20  # the default
    pages = [youzan.tids(page, 50) for page in (1, 2, 3, 4)]
    assert [len(tids) for tids, _ in pages] == [50, 50, 20, 0]
    assert {total for _, total in pages} == {120}
    tids = [tid for found, _ in pages for tid in found]
    assert len(set(tids)) == 120
    assert all(len(tid) == 24 and tid.startswith("E2026") for tid in tids)


def test_youzan_windows_come_in_pairs_of_three_months_at_most(youzan):
    day = {"start_created": "2026-11-19 00:00:00", "end_created": "2026-11-19 23:59:59"}
    found, total = youzan.tids(1, 100, **day)
    assert total == len(found) == 40
    assert all(tid.startswith("E20261119") for tid in found)

    changed = youzan(
        TRADES, start_update="2026-11-20 00:00:00", end_update="2026-11-20 23:59:59", page_size=100
    )
    times = [row["full_order_info"]["order_info"] for row in changed["full_order_info_list"]]
    assert all(info["update_time"].startswith("2026-11-20") for info in times)
    assert any(info["created"] < "2026-11-20" for info in times)  # an older order that changed

    paid = youzan(TRADES, start_pay="2026-11-18 00:00:00", end_pay="2026-11-20 23:59:59")
    assert paid["total_results"] == truth("youzan")["paid_orders"]
    assert youzan.raw(TRADES, start_created="2026-11-19 00:00:00")["success"] is False
    assert youzan.raw(TRADES, start_created="2026-11-19", end_created="2026-11-20")["success"] is False
    three = {"start_created": "2026-08-20 00:00:00", "end_created": "2026-11-20 00:00:00"}
    assert youzan.raw(TRADES, **three)["success"] is True
    three["end_created"] = "2026-11-20 00:00:01"
    assert youzan.raw(TRADES, **three)["success"] is False


def test_youzan_shows_a_total_beyond_the_last_page_it_gives(youzan):
    tids, total = youzan.tids(100, 1)
    assert len(tids) == 1 and total == 120
    beyond = youzan.raw(TRADES, page_no=101, page_size=1)
    assert (beyond["success"], beyond["data"]["full_order_info_list"]) == (False, [])
    assert youzan.raw(REFUNDS, page_no=30, page_size=100)["success"] is True
    assert youzan.raw(REFUNDS, page_no=31, page_size=100)["success"] is False  # 3,000 rows
    assert youzan.raw(CUSTOMERS, page_no=200, page_size=50)["success"] is True
    assert youzan.raw(CUSTOMERS, page_no=201, page_size=50)["success"] is False  # 10,000 rows
    assert youzan.raw(CUSTOMERS, page_no=501, page_size=1)["success"] is False
    assert youzan.raw(CUSTOMERS, page_no=1, page_size=51)["success"] is False


def test_youzan_has_more_than_its_pages_can_show(youzan_sandbox, youzan):
    noon = datetime(2026, 11, 20, 12)
    day = {"start_created": "2026-11-20 00:00:00", "end_created": "2026-11-20 23:59:59"}

    def trade(number: int) -> dict[str, Any]:
        at = (noon + timedelta(seconds=number - 5000)).isoformat(sep=" ")
        return {
            "full_order_info": {"order_info": {"tid": f"E{number:023d}", "created": at, "update_time": at}}
        }

    youzan_sandbox.world["trades"] = [trade(number) for number in range(10_050)]
    last_page, total = youzan.tids(100, 100, **day)
    assert (len(last_page), total) == (100, 10_050)
    assert "E" + "0" * 23 not in last_page  # fifty orders are beyond the last page
    assert youzan.raw(TRADES, page_no=101, page_size=100, **day)["success"] is False
    morning = {**day, "end_created": "2026-11-20 11:59:59"}
    assert youzan.tids(50, 100, **morning)[1] == 5000  # half the window is under the cap


@pytest.mark.parametrize(
    "window",
    [
        {},
        {"start_update": "2026-11-18 00:00:00", "end_update": "2026-11-20 23:59:59"},
        {"start_created": "2026-11-18 00:00:00", "end_created": "2026-11-20 23:59:59"},
    ],
)
def test_youzan_rows_move_between_pages(youzan_sandbox, youzan, window):
    before = [tid for page in (1, 2, 3) for tid in youzan.tids(page, 50, **window)[0]]
    youzan_sandbox.add_fault(VendorFault("row_moves", api="youzan.trades.sold.get"))
    pages = [youzan.tids(page, 50, **window) for page in (1, 2, 3)]
    read = [tid for tids, _ in pages for tid in tids]
    assert {total for _, total in pages} == {120}  # the total does not tell
    assert Counter(read)[before[49]] == 2  # slid over the boundary
    assert set(before) - set(read) == {before[-1]}  # moved to a page already read
    again = [tid for page in (1, 2, 3) for tid in youzan.tids(page, 50, **window)[0]]
    assert set(again) == set(before) and again[0] == before[-1]


def test_youzan_totals_change_between_pages(youzan_sandbox, youzan):
    first, total = youzan.tids(1, 60)
    youzan_sandbox.add_fault(VendorFault("total_changes", api="youzan.trades.sold.get"))
    second, grown = youzan.tids(2, 60)
    assert (total, grown) == (120, 121)
    assert second[0] == first[-1]


def test_youzan_finds_an_order_half_a_minute_late():
    order = WORLDS["youzan"]["trades"][0]["full_order_info"]["order_info"]
    changed = datetime.fromisoformat(order["update_time"])
    with running_vendor("youzan", WORLDS["youzan"], now=changed + timedelta(seconds=20)) as sandbox:
        youzan = Youzan(sandbox)
        assert order["tid"] not in youzan.tids(1, 100)[0]
        sandbox.set_now(changed + timedelta(seconds=40))
        assert order["tid"] in youzan.tids(1, 100)[0]
        sandbox.set_now(datetime(2026, 11, 19))
        assert youzan.tids(1, 1)[1] == 40  # later days have not happened


def test_youzan_throttles_in_both_envelopes(youzan_sandbox):
    with running_vendor("youzan", WORLDS["youzan"], limits=[(4, 60.0)]) as sandbox:
        youzan = Youzan(sandbox)
        codes = [youzan.raw(TRADES, page_size=1).get("gw_err_resp", {}).get("err_code") for _ in range(5)]
    assert codes == [None, None, None, 4101, 4101]
    youzan_sandbox.add_fault(VendorFault("throttled", code=141500203, api="youzan.scrm.customer.list"))
    busy = Youzan(youzan_sandbox).raw(CUSTOMERS)
    assert (busy["code"], busy["success"]) == (141500203, False)


def test_youzan_loses_an_answer_after_the_work_is_done(youzan_sandbox, youzan):
    youzan_sandbox.add_fault(VendorFault("timeout", api="youzan.trades*", after=True, seconds=30))
    started = time.monotonic()
    with pytest.raises(httpx.ReadTimeout):
        youzan.http.post(
            f"/api/{TRADES}", params={"access_token": youzan.token}, json={"page_size": 1}, timeout=0.3
        )
    assert time.monotonic() - started < 5
    youzan_sandbox.add_fault(VendorFault("reset", api="youzan.trades*", after=True))
    with pytest.raises(httpx.TransportError):
        youzan.raw(TRADES)
    assert youzan.tids(1, 50)[1] == 120
    lost = [call for call in youzan_sandbox.calls if call.fault]
    assert [(call.api, call.code, call.fault) for call in lost] == [
        ("youzan.trades.sold.get", None, "timeout"),
        ("youzan.trades.sold.get", None, "reset"),
    ]
    assert not any(
        "access_token" in call.args or "client_secret" in call.args for call in youzan_sandbox.calls
    )


def test_youzan_fails_inside_200_with_empty_lists(youzan_sandbox, youzan):
    for api, data in ((TRADES, "full_order_info_list"), (REFUNDS, "refunds"), (CUSTOMERS, "record_list")):
        youzan_sandbox.add_fault(VendorFault("business_error", api=api.partition("/")[0]))
        body = youzan.raw(api)
        assert (body["success"], body["code"], body["data"][data]) == (False, 5000, [])


def test_youzan_refunds_are_asked_in_seconds(youzan):
    start, end = FIRST_MS // 1000, FIRST_MS // 1000 + 3 * 86_400
    data = youzan(REFUNDS, update_time_start=start, update_time_end=end, page_no=1, page_size=100)
    assert data["total"] == len(data["refunds"]) == truth("youzan")["refunds"]
    done = [row for row in data["refunds"] if row["status"] == "SUCCESS"]
    fen = sum(int(Decimal(row["refund_fee"]) * 100) for row in done)
    assert (len(done), fen) == (truth("youzan")["refunds_done"], truth("youzan")["refunded_fen"])
    assert truth("youzan")["refunds_later_day"] > 0
    in_ms = youzan(REFUNDS, update_time_start=start * 1000, update_time_end=end * 1000)
    assert in_ms["total"] == 0
    last_day = youzan(REFUNDS, update_time_start=end - 86_400, update_time_end=end)
    assert 0 < last_day["total"] < data["total"]


def test_youzan_refunds_without_a_window_are_those_of_three_months(youzan_sandbox, youzan):
    youzan_sandbox.set_now(datetime(2026, 12, 1))
    assert youzan(REFUNDS)["total"] == truth("youzan")["refunds"]
    youzan_sandbox.set_now(datetime(2027, 6, 1))
    assert youzan(REFUNDS)["total"] == 0


def test_youzan_decrypts_phones(youzan):
    trades = youzan(TRADES, page_size=100)["full_order_info_list"]
    infos = [row["full_order_info"] for row in trades]
    ciphers = {
        phone
        for info in infos
        for phone in (info["buyer_info"].get("buyer_phone"), info["address_info"]["receiver_tel"])
        if phone and phone.startswith("$")
    }
    assert len(ciphers) > 20 and all(phone.endswith("$1$") for phone in ciphers)
    plain = youzan(DECRYPT, sources=sorted(ciphers))
    assert set(plain) == ciphers
    mobiles = [phone for phone in plain.values() if phone.isdigit()]
    assert all(len(phone) == 11 and phone.startswith("1") for phone in mobiles)
    assert any(phone.startswith("021-") for phone in plain.values())
    mixed = youzan(DECRYPT, sources=["13800138000", "$of another shop$1$"])
    assert mixed == {"13800138000": "13800138000"}
    assert youzan.gateway(DECRYPT, sources="$x$1$") == 5001


def test_youzan_customers_share_phones(youzan):
    rows = [row for page in (1, 2) for row in youzan(CUSTOMERS, page_no=page, page_size=20)["record_list"]]
    assert len({row["yz_open_id"] for row in rows}) == len(rows) == truth("youzan")["customers"]
    mobiles = Counter(row["mobile"] for row in rows if row["mobile"])
    assert max(mobiles.values()) == 2  # a family
    assert any(not row["mobile"] for row in rows)
    newer = youzan(CUSTOMERS, created_at_start=max(row["created_at"] for row in rows))
    assert 1 <= newer["total"] < len(rows)


def test_youzan_money_adds_up_in_yuan_and_fen():
    for row in WORLDS["youzan"]["trades"]:
        info, promotion = row["full_order_info"], row["order_promotion"]
        pay = {name: Decimal(info["pay_info"][name]) for name in ("total_fee", "post_fee", "payment")}
        discounts = Decimal(promotion["order_discount_fee"]) + Decimal(promotion["item_discount_fee"])
        assert pay["payment"] == (
            pay["total_fee"] - discounts + Decimal(promotion["adjust_fee"]) + pay["post_fee"]
        )
        assert sum(Decimal(line["payment"]) for line in info["orders"]) == pay["payment"] - pay["post_fee"]
        deducted = info["pay_info"]["deduct_value_card_pay"] + info["pay_info"]["deduct_gift_card_pay"]
        assert deducted == info["pay_info"]["deduction_pay"] and isinstance(deducted, int)
        if info["order_info"]["pay_time"]:
            assert Decimal(info["pay_info"]["real_payment"]) * 100 == pay["payment"] * 100 - deducted
        refunded = sum(Decimal(refund["refund_fee"]) for refund in row["refund_order"])
        assert 0 <= refunded <= pay["payment"]


def test_youzan_world_holds_the_trouble_it_counts():
    counts, infos = truth("youzan"), [row["full_order_info"] for row in WORLDS["youzan"]["trades"]]
    phones = [info["buyer_info"].get("buyer_phone", "missing") for info in infos]
    assert counts["buyer_phone_missing"] == phones.count("missing") > 0
    assert counts["buyer_phone_null"] == phones.count(None) > 0
    assert counts["buyer_phone_empty"] == phones.count("") > 0
    assert counts["buyer_phone_masked"] == sum("*" in (phone or "") for phone in phones) > 0
    assert counts["buyer_phone_cipher"] == sum((phone or "").startswith("$") for phone in phones) > 0
    assert counts["zero_price"] == sum(info["pay_info"]["payment"] == "0.00" for info in infos) > 0
    states = Counter(info["order_info"]["refund_state"] for info in infos)
    assert states[2] == counts["partial_refund"] + counts["freight_refund"]
    assert (states[12], states[1]) == (counts["full_refund"], counts["refunding"])
    codes = [line["outer_item_id"] for info in infos for line in info["orders"]]
    assert any(code != code.strip() for code in codes)
    assert {info["order_info"]["status"] for info in infos} == {
        "WAIT_BUYER_PAY",
        "TRADE_PAID",
        "WAIT_CONFIRM",
        "WAIT_SELLER_SEND_GOODS",
        "WAIT_BUYER_CONFIRM_GOODS",
        "TRADE_SUCCESS",
        "TRADE_CLOSED",
    }
    place = json.loads(next(info["address_info"]["address_extra"] for info in infos))
    assert set(place) == {"lon", "lat", "areaCode"}


# Kuaituantuan


def pdd_sign(secret: str, params: dict[str, str]) -> str:
    text = "".join(name + params[name] for name in sorted(params))
    return hashlib.md5((secret + text + secret).encode()).hexdigest().upper()


class Ktt:
    def __init__(self, sandbox: VendorSandbox, token: str = "ktt-token") -> None:
        self.http = httpx.Client(base_url=sandbox.base_url, timeout=2)
        self.token = token
        self.secret = "ktt-secret"

    def params(self, api: str, **args: Any) -> dict[str, str]:
        common = {
            "type": api,
            "client_id": "ktt-client",
            "timestamp": str(int(time.time())),
            "data_type": "JSON",
            "access_token": self.token,
        }
        return {name: str(value) for name, value in {**common, **args}.items()}

    def post(self, params: dict[str, str], secret: str | None = None) -> httpx.Response:
        signed = {**params, "sign": pdd_sign(secret or self.secret, params)}
        return self.http.post("/api/router", data=signed)

    def raw(self, api: str, **args: Any) -> dict[str, Any]:
        answer = self.post(self.params(api, **args))
        assert answer.status_code == 200
        body: dict[str, Any] = answer.json()
        return body

    def __call__(self, api: str, **args: Any) -> dict[str, Any]:
        body = self.raw(api, **args)
        (key,) = body
        assert key.endswith("response") and key != "error_response", body
        found: dict[str, Any] = body[key]
        return found

    def error(self, api: str, **args: Any) -> int:
        return int(self.raw(api, **args)["error_response"]["error_code"])

    def unknown(self) -> httpx.Response:
        return self.post(self.params("pdd.ktt.nothing"))

    def orders(self, page: int, size: int, day: int = 0) -> tuple[list[dict[str, Any]], int]:
        start = FIRST_MS + day * DAY_MS
        found = self(
            "pdd.ktt.order.list",
            confirm_at_begin=start,
            confirm_at_end=start + DAY_MS,
            page_number=page,
            page_size=size,
        )
        return found["order_list"], found["total_count"]

    def all_orders(self) -> list[dict[str, Any]]:
        return [row for day in range(3) for row in self.orders(1, 100, day)[0]]


WINDOW = {"start_updated_at": FIRST_MS, "end_updated_at": FIRST_MS + DAY_MS}


@pytest.fixture
def ktt_sandbox():
    with running_vendor("ktt", WORLDS["ktt"]) as sandbox:
        yield sandbox


@pytest.fixture
def ktt(ktt_sandbox):
    return Ktt(ktt_sandbox)


VECTOR = {
    "access_token": "asd78172s8ds9a921j9qqwda12312w1w21211",
    "client_id": "1",
    "data_type": "XML",
    "order_status": "1",
    "page": "1",
    "page_size": "10",
    "timestamp": "1480411125",
    "type": "pdd.order.number.list.get",
}


def test_ktt_takes_the_official_signature():
    """The platform's own test vector: its signature passes, so that what is wrong is the data type."""
    settings = {"client_id": "1", "client_secret": "testSecret", "access_token": VECTOR["access_token"]}
    now = datetime.fromtimestamp(1480411125, SHANGHAI)
    official = "E4DE3ED21002510DED352819E7AE6775"
    assert pdd_sign("testSecret", VECTOR) == official
    with running_vendor("ktt", WORLDS["ktt"], settings=settings, now=now) as sandbox:
        http = httpx.Client(base_url=sandbox.base_url)

        def code(sign: str) -> int:
            body = http.post("/api/router", data={**VECTOR, "sign": sign}).json()
            return int(body["error_response"]["error_code"])

        assert code(official) == 10001
        assert code(official.lower()) == 20004
        assert code("E4DE3ED21002510DED352819E7AE6776") == 20004


def test_ktt_refuses_before_it_reads(ktt):
    api = "pdd.ktt.user.site.pagequery"
    assert ktt.post(ktt.params(api), secret="other").json()["error_response"]["error_code"] == 20004
    assert ktt.error(api, timestamp=int(time.time()) - 700) == 10001
    assert ktt.error(api, timestamp=int(time.time() * 1000)) == 10001
    assert ktt.error(api, timestamp=int(time.time()) - 500, page_size=1, access_token="old") == 10019
    assert ktt.error(api, client_id="another") == 10001
    assert ktt.error(api, data_type="XML") == 10001
    assert ktt.error(api, sign_method="md5") == 20004
    assert ktt.http.post("/api/router", json={"type": api}).json()["error_response"]["error_code"] == 10001
    shown = ktt.raw(api, access_token="old")["error_response"]
    assert set(shown) == {"error_code", "error_msg", "sub_code", "sub_msg", "request_id"}


def test_ktt_reply_keys_are_not_always_the_name_of_the_api(ktt):
    def key(api: str, **args: Any) -> str:
        (found,) = ktt.raw(api, **args)
        return str(found)

    day = {"confirm_at_begin": FIRST_MS, "confirm_at_end": FIRST_MS + DAY_MS}
    assert key("pdd.ktt.order.list", **day) == "ktt_order_list_response"
    less = {**WINDOW, "end_updated_at": FIRST_MS + DAY_MS - 1}
    assert key("pdd.ktt.after.sales.increment.list", **less) == "ktt_after_sales_incermet_list_response"
    week = {"start_update_time": FIRST_MS, "end_update_time": FIRST_MS + 3 * DAY_MS}
    assert key("pdd.ktt.group.query.list", **week) == "ktt_group_query_list_response"
    assert key("pdd.ktt.user.site.pagequery") == "ktt_user_site_list_response"
    sn = next(iter(WORLDS["ktt"]["commissions"]))
    assert key("pdd.ktt.help.sell.query.commission", parent_order_sn_list=json.dumps([sn])) == "response"
    for api in ("pdd.ktt.increment.order.query", "pdd.ktt.order.get"):
        assert key(api, **WINDOW, order_sn=WORLDS["ktt"]["orders"][0]["order_sn"]).endswith("_response")


def test_ktt_windows_are_milliseconds_and_short(ktt):
    def listed(milliseconds: int) -> bool:
        args = {"confirm_at_begin": FIRST_MS, "confirm_at_end": FIRST_MS + milliseconds}
        return "error_response" not in ktt.raw("pdd.ktt.order.list", **args)

    assert listed(DAY_MS) and not listed(DAY_MS + 1) and not listed(-1)
    seconds = {"confirm_at_begin": FIRST_MS // 1000, "confirm_at_end": FIRST_MS // 1000 + 3600}
    assert ktt.error("pdd.ktt.order.list", **seconds) == 10001
    assert ktt.error("pdd.ktt.order.list") == 10001
    assert ktt.error("pdd.ktt.after.sales.increment.list", **WINDOW) == 10001  # must be less than a day
    eight = {"start_update_time": FIRST_MS, "end_update_time": FIRST_MS + 7 * DAY_MS + 1}
    assert ktt.error("pdd.ktt.group.query.list", **eight) == 10001
    for size in (0, 101):
        assert ktt.error("pdd.ktt.increment.order.query", **WINDOW, page_size=size) == 10001


def test_ktt_pages_hold_every_order_once(ktt):
    pages = [ktt.orders(page, 15) for page in (1, 2, 3, 4)]
    assert [(len(rows), total) for rows, total in pages] == [(15, 40), (15, 40), (10, 40), (0, 40)]
    assert len({row["order_sn"] for rows, _ in pages for row in rows}) == 40
    assert len({row["order_sn"] for row in ktt.all_orders()}) == truth("ktt")["orders"]
    changed = ktt("pdd.ktt.increment.order.query", **WINDOW, page_size=100)["order_list"]
    assert 0 < len(changed) < 40  # the others have changed since
    cancelled = ktt("pdd.ktt.increment.order.query", **WINDOW, cancel_status=1)
    assert all(row["cancel_status"] == 1 for row in cancelled["order_list"])


def test_ktt_rows_move_between_pages(ktt_sandbox, ktt):
    def read() -> tuple[list[str], set[int]]:
        pages = [
            ktt("pdd.ktt.increment.order.query", **WINDOW, page_number=page, page_size=10)
            for page in (1, 2, 3, 4)
        ]
        rows = [row["order_sn"] for page in pages for row in page["order_list"]]
        return rows, {page["total_count"] for page in pages}

    before, totals = read()
    ktt_sandbox.add_fault(VendorFault("row_moves", api="pdd.ktt.increment.order.query"))
    during, same = read()
    assert same == totals
    assert set(before) - set(during) == {before[-1]} and Counter(during)[before[9]] == 2
    assert set(read()[0]) == set(before)


def test_ktt_after_sales_have_a_next_page_and_times_in_text(ktt):
    found: list[dict[str, Any]] = []
    for day in range(3):
        start = FIRST_MS + day * DAY_MS
        page, more = 1, True
        while more:
            answer = ktt(
                "pdd.ktt.after.sales.increment.list",
                start_updated_at=start,
                end_updated_at=start + DAY_MS - 1,
                page_number=page,
                page_size=4,
            )
            assert set(answer) == {"has_next", "list"}
            found, page, more = found + answer["list"], page + 1, answer["has_next"]
    assert len({row["after_sales_biz_sn"] for row in found}) == len(found) == truth("ktt")["after_sales"]
    assert all(datetime.strptime(row["updated_at"], "%Y-%m-%d %H:%M:%S") for row in found)
    first_day = {"start_updated_at": FIRST_MS, "end_updated_at": FIRST_MS + DAY_MS - 1}
    count = len(ktt("pdd.ktt.after.sales.increment.list", **first_day, page_size=100)["list"])
    full = ktt("pdd.ktt.after.sales.increment.list", **first_day, page_size=count)
    assert (len(full["list"]), full["has_next"]) == (count, False)  # a full last page has none after it
    done = [row["apply_extension"] for row in found if row["after_sales_status"] == 2]
    refunded = sum(row["refund_amount"] + row["refund_shipping_amount"] for row in done)
    assert refunded == truth("ktt")["refunded_fen"]
    for row in found:
        parts = sum(part["refund_amount"] for part in row["apply_extension"]["sub_extensions"])
        assert parts == row["apply_extension"]["refund_amount"]
    waiting = ktt(
        "pdd.ktt.after.sales.increment.list",
        start_updated_at=FIRST_MS + DAY_MS,
        end_updated_at=FIRST_MS + 2 * DAY_MS - 1,
        query_type=1,
    )
    assert {row["after_sales_status"] for row in waiting["list"]} <= {3, 7}


def test_ktt_one_sale_is_seen_by_two_leaders(ktt_sandbox):
    main = {row["order_sn"]: row for row in Ktt(ktt_sandbox).all_orders()}
    helper = {row["order_sn"]: row for row in Ktt(ktt_sandbox, "ktt-helper-token").all_orders()}
    both = main.keys() & helper.keys()
    assert len(both) == truth("ktt")["seen_from_both_roles"] == truth("ktt")["helper_orders"] > 0
    for sn in both:
        assert main[sn]["is_supplier"] and main[sn]["supply_activity_no"]
        assert not helper[sn]["is_supplier"] and not helper[sn]["supply_activity_no"]
        assert main[sn]["help_sell_open_id"] == helper[sn]["help_sell_open_id"] != ""
        assert sum(line["help_sell_amount"] for line in helper[sn]["sub_order_list"]) > 0
        assert main[sn]["order_amount"] == helper[sn]["order_amount"]
        assert main[sn]["activity_no"] != helper[sn]["activity_no"]
    alone = [row for sn, row in main.items() if row["is_supplier"] and sn not in both]
    assert len(alone) == truth("ktt")["sold_by_stranger"] > 0  # the helper is not ours
    numbers = Counter(row["participate_no"] for row in main.values())
    assert max(numbers.values()) > 1  # 跟团号 starts again in each group


def test_ktt_commissions_fail_inside_their_own_envelope(ktt_sandbox, ktt):
    api = "pdd.ktt.help.sell.query.commission"
    wanted = list(WORLDS["ktt"]["commissions"])[:2]
    answer = ktt(api, parent_order_sn_list=json.dumps([*wanted, "nobody's"]))
    assert answer["success"] is True
    rows = answer["result"]["parent_order_commission_list"]
    assert [row["parent_order_sn"] for row in rows] == wanted
    states = {line["goods_commission_status"] for row in rows for line in row["order_commission_list"]}
    assert states <= {1, 2, 3}
    ktt_sandbox.add_fault(VendorFault("business_error", api=api))
    failed = ktt(api, parent_order_sn_list=json.dumps(wanted))
    assert failed["success"] is False and failed["error_code"] == 50001
    assert failed["result"]["parent_order_commission_list"] == []


def test_ktt_tokens_die_for_good(ktt_sandbox, ktt):
    ktt_sandbox.add_fault(VendorFault("token_dies", skip=1))
    ktt("pdd.ktt.user.site.pagequery")
    assert ktt.error("pdd.ktt.user.site.pagequery") == 10019
    assert ktt.error("pdd.ktt.user.site.pagequery") == 10019
    ktt_sandbox.vendor.settings["access_token"] = ktt.token = "ktt-token-2"
    assert ktt("pdd.ktt.user.site.pagequery")["total"] == 3


def test_ktt_throttles(ktt_sandbox, ktt):
    with running_vendor("ktt", WORLDS["ktt"], limits=[(2, 1.0)]) as sandbox:
        caller = Ktt(sandbox)
        codes = [caller.raw("pdd.ktt.user.site.pagequery") for _ in range(3)]
        assert ["error_response" in body for body in codes] == [False, False, True]
        assert codes[2]["error_response"]["error_code"] == 70031
        time.sleep(1.1)
        assert caller("pdd.ktt.user.site.pagequery")["total"] == 3
        assert sandbox.most_calls(1.0) == 3
    ktt_sandbox.add_fault(VendorFault("throttled", code=52101))
    assert ktt.error("pdd.ktt.user.site.pagequery") == 52101


def test_ktt_loses_answers_and_breaks(ktt_sandbox, ktt):
    ktt_sandbox.add_fault(VendorFault("timeout", after=True, seconds=30))
    params = ktt.params("pdd.ktt.user.site.pagequery")
    with pytest.raises(httpx.ReadTimeout):
        ktt.http.post("/api/router", data={**params, "sign": pdd_sign("ktt-secret", params)}, timeout=0.3)
    ktt_sandbox.add_fault(VendorFault("html"))
    assert "502" in ktt.post(params).text
    ktt_sandbox.add_fault(VendorFault("unknown_envelope"))
    body = ktt.post(params).json()
    assert not any(key.endswith("response") for key in body)
    ktt_sandbox.add_fault(VendorFault("business_error"))
    assert ktt.error("pdd.ktt.user.site.pagequery") == 50001
    assert ktt("pdd.ktt.user.site.pagequery")["self_site_info_list"]


def test_ktt_one_order_and_groups_as_of_the_clock(ktt_sandbox, ktt):
    first, last = WORLDS["ktt"]["orders"][0], WORLDS["ktt"]["orders"][-1]
    assert ktt("pdd.ktt.order.get", order_sn=first["order_sn"]) == first
    week = {"start_update_time": FIRST_MS, "end_update_time": FIRST_MS + 7 * DAY_MS, "size": 4}
    assert ktt("pdd.ktt.group.query.list", **week)["total"] == 6
    assert len(ktt("pdd.ktt.group.query.list", **week, page=2)["activity_list"]) == 2
    ktt_sandbox.set_now(datetime(2026, 11, 19))
    assert ktt("pdd.ktt.order.get", order_sn=first["order_sn"])["order_sn"] == first["order_sn"]
    assert ktt.error("pdd.ktt.order.get", order_sn=last["order_sn"]) == 50001
    assert ktt("pdd.ktt.group.query.list", **week)["total"] == 2
    assert len(ktt.all_orders()) == 40


def test_ktt_world_holds_the_trouble_it_counts():
    counts, rows = truth("ktt"), WORLDS["ktt"]["orders"]
    phones = [row.get("receiver_mobile", "missing") for row in rows]
    assert counts["phone_missing"] == phones.count("missing") > 0
    assert counts["phone_null"] == phones.count(None) > 0
    assert counts["phone_empty"] == phones.count("") > 0
    assert counts["phone_masked"] == sum("*" in (phone or "") for phone in phones) > 0
    assert counts["phone_cipher"] == sum((phone or "").startswith("$") for phone in phones) > 0
    assert counts["phone_privacy"] == sum("-" in (phone or "") for phone in phones) > 0
    assert counts["cancelled"] == sum(row["cancel_status"] for row in rows) > 0
    assert counts["test"] == sum("测试" in row["buyer_memo"] for row in rows) > 0
    assert counts["zero_price"] == sum(row["order_amount"] == 0 for row in rows) > 0
    assert counts["order_fen"] == sum(row["order_amount"] for row in rows)
    assert {row["after_sales_status"] for row in rows} == {0, 2, 3, 4, 8}
    assert {row["mall_activity_type"] for row in rows} == {0, 1, 2}
    for row in rows:
        lines = row["sub_order_list"]
        assert (
            sum(line["real_goods_amount"] for line in lines) + row["shipping_amount"] == row["order_amount"]
        )
        assert isinstance(row["order_amount"], int) and row["confirm_at"] > 10**12
    vouchers = [
        line["voucher_list"] for row in rows for line in row["sub_order_list"] if line["voucher_list"]
    ]
    assert vouchers and all("voucher_sn" in voucher[0] for voucher in vouchers)
    assert any(row.get("custom_item_list") for row in rows)


# Weimob

W_ORDERS, W_RIGHTS = "weimob_shop/v2.0/order/list/search", "weimob_shop/v2.0/rights/list/search"
W_CUSTOMERS, W_ORGANISATIONS = "weimob_crm/v2.0/customer/getList", "bos/v2.0/organization/getList"
ROOT = 6_000_000_000_001


class Weimob:
    def __init__(self, sandbox: VendorSandbox) -> None:
        self.http = httpx.Client(base_url=sandbox.base_url, timeout=2)
        self.token = ""
        self.login()

    def login(self, **changed: str) -> dict[str, Any]:
        form = {
            "grant_type": "client_credentials",
            "client_id": "weimob-client",
            "client_secret": "weimob-secret",
            **changed,
        }
        body: dict[str, Any] = self.http.post("/fuwu/b/oauth2/token", data=form).json()
        self.token = body.get("access_token", "")
        return body

    def text(self, api: str, **args: Any) -> str:
        answer = self.http.post(f"/apigw/{api}", params={"accesstoken": self.token}, json=args)
        assert answer.status_code == 200
        return answer.text

    def raw(self, api: str, **args: Any) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.text(api, **args))
        return body

    def __call__(self, api: str, **args: Any) -> dict[str, Any]:
        body = self.raw(api, **args)
        assert body["code"] == {"errcode": "0", "errmsg": "success"}
        data: dict[str, Any] = body["data"]
        return data

    def error(self, api: str, **args: Any) -> str:
        code = self.raw(api, **args)["code"]["errcode"]
        assert isinstance(code, str) and code != "0"
        return code

    def unknown(self) -> httpx.Response:
        return self.http.post("/apigw/weimob_shop/v2.0/nothing", params={"accesstoken": self.token}, json={})

    def orders(self, page: int = 1, size: int = 100, **query_time: Any) -> dict[str, Any]:
        return self(W_ORDERS, **searched(page, size, **query_time))


def searched(page: int = 1, size: int = 100, vid: Any = ROOT, **query_time: Any) -> dict[str, Any]:
    asked = {"startTime": FIRST_MS, "endTime": FIRST_MS + 3 * DAY_MS, "type": 1, **query_time}
    query = {"queryTime": asked}
    return {"pageNum": page, "pageSize": size, "queryParameter": query, "basicInfo": {"vid": vid}}


def numbers(data: dict[str, Any]) -> list[int]:
    return [row["orderInfo"]["orderBaseInfo"]["orderNo"] for row in data["pageList"]]


@pytest.fixture
def weimob_sandbox():
    with running_vendor("weimob", WORLDS["weimob"]) as sandbox:
        yield sandbox


@pytest.fixture
def weimob(weimob_sandbox):
    return Weimob(weimob_sandbox)


def test_weimob_error_codes_are_text(weimob):
    assert weimob.raw(W_ORGANISATIONS)["code"]["errcode"] == "0"
    assert weimob.error(W_ORDERS) == "400"
    weimob.token = "made up"
    assert weimob.error(W_ORDERS, **searched()) == "80001001000119"


def test_weimob_token_is_a_form_and_dies(weimob_sandbox, weimob):
    assert weimob.login()["expires_in"] == 7200
    assert "access_token" not in weimob.login(client_secret="no")
    assert "access_token" not in weimob.login(grant_type="authorization_code")
    as_json = weimob.http.post("/fuwu/b/oauth2/token", json={"grant_type": "client_credentials"}).json()
    assert as_json["code"]["errcode"] == "400"
    weimob.login()
    weimob_sandbox.add_fault(VendorFault("token_dies", api=W_ORDERS))
    assert weimob.error(W_ORDERS, **searched()) == "80001001000119"
    weimob.login()
    assert weimob.orders()["totalCount"] == 120
    with running_vendor("weimob", WORLDS["weimob"], settings={"token_seconds": "0.2"}) as short:
        caller = Weimob(short)
        time.sleep(0.3)
        assert caller.error(W_ORDERS, **searched()) == "80001001000119"


def test_weimob_order_numbers_need_64_bits(weimob):
    text = weimob.text(W_ORDERS, **searched())
    exact, as_floats = json.loads(text), json.loads(text, parse_int=float)
    assert min(numbers(exact["data"])) > 2**53 and max(numbers(exact["data"])) < 2**63
    lost = sum(int(a) != b for a, b in zip(numbers(as_floats["data"]), numbers(exact["data"]), strict=True))
    assert lost > 90  # a reader that makes floats of them keeps hardly any


def test_weimob_pages_hold_every_order_once(weimob):
    pages = [weimob.orders(page, 50) for page in (1, 2, 3, 4)]
    assert [len(page["pageList"]) for page in pages] == [50, 50, 20, 0]
    assert {page["totalCount"] for page in pages} == {120}
    assert len({number for page in pages for number in numbers(page)}) == 120
    day = weimob.orders(endTime=FIRST_MS + DAY_MS - 1)
    assert day["totalCount"] == 40


def test_weimob_asks_for_a_vid_a_type_and_thirty_days(weimob):
    assert weimob.error(W_ORDERS, **searched(vid=None)) == "400"
    assert weimob.error(W_ORDERS, **searched(vid=1)) == "400"
    assert weimob.error(W_ORDERS, **searched(type=0)) == "400"  # read as null
    assert weimob.error(W_ORDERS, **searched(size=101)) == "400"
    thirty = FIRST_MS + 30 * DAY_MS
    assert weimob.orders(endTime=thirty)["totalCount"] == 120
    assert weimob.error(W_ORDERS, **searched(endTime=thirty + 1)) == "400"
    in_seconds = searched(startTime=FIRST_MS // 1000, endTime=FIRST_MS // 1000 + 86_400)
    assert weimob.error(W_ORDERS, **in_seconds) == "400"
    stores = [row for row in weimob(W_ORGANISATIONS)["data"] if row["vid"] != ROOT]
    shares = [weimob(W_ORDERS, **searched(vid=store["vid"]))["totalCount"] for store in stores]
    assert len(shares) == 3 and sum(shares) == 120 and min(shares) > 0
    done = WORLDS["weimob"]["enums"]["orderStatus"]["closed"]
    asked = searched()
    asked["queryParameter"]["statuses"] = [done]
    found = weimob(W_ORDERS, **asked)["pageList"]
    assert found and {row["orderInfo"]["orderBaseInfo"]["orderStatus"] for row in found} == {done}


def test_weimob_rows_move_between_pages(weimob_sandbox, weimob):
    before = [number for page in (1, 2, 3) for number in numbers(weimob.orders(page, 50))]
    weimob_sandbox.add_fault(VendorFault("row_moves", api=W_ORDERS))
    during = [number for page in (1, 2, 3) for number in numbers(weimob.orders(page, 50))]
    assert set(before) - set(during) == {before[-1]} and Counter(during)[before[49]] == 2
    weimob_sandbox.add_fault(VendorFault("total_changes", api=W_ORDERS))
    totals = [weimob.orders(page, 50)["totalCount"] for page in (1, 2, 3)]
    assert totals == [120, 121, 121]


def test_weimob_keys_have_a_tab_in_some_rows(weimob):
    rights = weimob(W_RIGHTS, **searched())["pageList"]
    assert len(rights) == truth("weimob")["rights"]
    with_tab = [row for row in rights if "orderNo\t" in row["originOrder"]]
    assert len(with_tab) == truth("weimob")["rights_with_tab_keys"] > 0
    assert all("applyAmountInfos\t" in row["refundDetail"] for row in with_tab)
    assert any("orderNo" in row["originOrder"] for row in rights)
    done = WORLDS["weimob"]["enums"]["rightsStatus"]["done"]
    paid = [row for row in rights if row["rightsOrder"]["rightsStatus"] == done]
    fen = sum(int(Decimal(row["refundDetail"]["refundAmount"]) * 100) for row in paid)
    assert fen == truth("weimob")["refunded_fen"]
    assert truth("weimob")["rights_later_day"] > 0
    without_window = weimob(W_RIGHTS, pageNum=1, pageSize=100, basicInfo={"vid": ROOT})
    assert without_window["totalCount"] == len(rights)


def test_weimob_customers_come_by_id(weimob):
    wids = {row["orderInfo"]["buyerInfo"]["wid"] for row in weimob.orders()["pageList"]}
    found = weimob(W_CUSTOMERS, vid=ROOT, widList=sorted(wids)[:20], resultType=1)["userBaseInfoList"]
    clean = [{key.strip(): value for key, value in row.items()} for row in found]
    assert {row["wid"] for row in clean} == set(sorted(wids)[:20])
    assert weimob(W_CUSTOMERS, vid=ROOT, widList=[1])["userBaseInfoList"] == []
    assert weimob.error(W_CUSTOMERS, vid=ROOT, widList=[]) == "400"
    assert weimob.error(W_CUSTOMERS, vid=ROOT, widList=list(range(101))) == "400"


def test_weimob_throttles_breaks_and_fails_inside_200(weimob_sandbox, weimob):
    with running_vendor(
        "weimob", WORLDS["weimob"], limits=[(2, 60.0)], settings={"throttle_errcode": "1234"}
    ) as sandbox:
        caller = Weimob(sandbox)
        caller(W_ORGANISATIONS)
        assert caller.error(W_ORGANISATIONS) == "1234"
        assert sandbox.calls[-1].code == "1234"
    weimob_sandbox.add_fault(VendorFault("business_error", api=W_ORDERS))
    body = weimob.raw(W_ORDERS, **searched())
    assert body["code"]["errcode"] == "500" and body["data"]["pageList"] == []
    weimob_sandbox.add_fault(VendorFault("errcode", api=W_ORDERS, code=777))
    assert weimob.error(W_ORDERS, **searched()) == "777"
    weimob_sandbox.add_fault(VendorFault("timeout", api="oauth2/token", after=True, seconds=30))
    with pytest.raises(httpx.ReadTimeout):
        weimob.http.post("/fuwu/b/oauth2/token", data={"grant_type": "client_credentials"}, timeout=0.3)
    weimob_sandbox.add_fault(VendorFault("reset", api=W_ORDERS))
    with pytest.raises(httpx.TransportError):
        weimob.orders()
    assert weimob.orders()["totalCount"] == 120
    weimob_sandbox.set_now(datetime(2026, 11, 19))
    assert weimob.orders()["totalCount"] == 40


def test_weimob_world_holds_the_trouble_it_counts():
    counts, rows = truth("weimob"), [row["orderInfo"] for row in WORLDS["weimob"]["orders"]]
    phones = [row["orderFulfill"]["receiverInfo"].get("phone", "missing") for row in rows]
    assert counts["phone_missing"] == phones.count("missing") > 0
    assert counts["phone_null"] == phones.count(None) > 0
    assert counts["phone_empty"] == phones.count("") > 0
    assert counts["phone_masked"] == sum("*" in (phone or "") for phone in phones) > 0
    assert counts["phone_cipher"] == sum((phone or "").startswith("$") for phone in phones) > 0
    items = [item for row in rows for item in row["items"]]
    assert all(isinstance(item["skuNum"], str) for item in items)
    assert counts["weighed_lines"] == sum("." in item["skuNum"] for item in items) > 0
    parents = [row["orderBaseInfo"].get("parentOrderNo", "missing") for row in rows]
    assert {"missing", None, 0} < set(parents)
    assert counts["deleted"] == sum(row["orderBaseInfo"]["isDeleted"] for row in rows) > 0
    assert counts["split_payment"] == sum(len(row["payInfo"]["payItems"]) == 2 for row in rows) > 0
    for row in rows:
        shares = sum(Decimal(item["payInfo"]["payAmount"]) for item in row["items"])
        freight = Decimal(row["payInfo"]["amountInfos"][1]["amount"])
        assert shares + freight == Decimal(row["payInfo"]["shouldPayAmount"])
        assert row["orderBaseInfo"]["createTime"] > 10**12
        if row["orderBaseInfo"]["payTime"]:
            parts = sum(Decimal(part["payAmount"]) for part in row["payInfo"]["payItems"])
            assert parts == Decimal(row["payInfo"]["payAmount"])
