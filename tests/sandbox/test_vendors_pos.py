"""The till vendors' sandboxes, called as the reference describes the vendors: raw HTTP, no client of ours."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from hashlib import md5, sha1, sha256
from typing import Any

import httpx
import pytest

from dagster_project.sandbox import SandboxError
from dagster_project.sandbox.vendors import VendorFault, make_world, running_vendor, vendor_names
from dagster_project.sandbox.vendors.base import SlidingLimits

END = date(2026, 11, 20)
POS = ("keruyun", "pospal", "twodfire")
FIRST, LAST = "2026-11-17 23:59:59", "2026-11-20 23:59:59"


class Pospal:
    """Signs and sends as the reference says; everything can be spoiled by a keyword."""

    def __init__(self, sandbox, *, signature="v1"):
        self.http = httpx.Client(base_url=sandbox.base_url, timeout=5)
        self.signature = signature

    def raw(self, api, *, key="linli-app-key", headers=None, body=None, app_id="LINLI-APP", **args):
        content = json.dumps({"appId": app_id, **args}, ensure_ascii=False).encode() if body is None else body
        stamp = str(int(time.time() * 1000))
        sign = {"data-signature": md5(key.encode() + content).hexdigest().upper()}
        if self.signature == "v3":
            text = f"{app_id}{key}{stamp}".encode() + content
            sign = {"data-signature-v3": md5(text).hexdigest()}
        sent = {
            "User-Agent": "openApi",
            "Content-Type": "application/json; charset=utf-8",
            "time-stamp": stamp,
        }
        path = f"/pospal-api2/openapi/v1/{api}"
        return self.http.post(path, content=content, headers={**sent, **sign, **(headers or {})})

    def __call__(self, api, **args) -> dict[str, Any]:
        answer = self.raw(api, **args)
        assert answer.status_code == 200
        return answer.json()

    def tickets(self, *, begin=FIRST, end=LAST, **more):
        return self("ticketOpenApi/queryTicketPages", startTime=begin, endTime=end, **more)

    def pages(self, api="ticketOpenApi/queryTicketPages", **args):
        if api.startswith("ticket"):
            args = {"startTime": FIRST, "endTime": LAST, **args}
        rows, position = [], None
        while True:
            data = self(api, postBackParameter=position, **args)["data"]
            rows.append(data["result"])
            position = data["postBackParameter"]
            if len(data["result"]) < data["pageSize"]:
                return rows


class Keruyun:
    def __init__(self, sandbox, *, style="tail", login=True):
        self.http = httpx.Client(base_url=sandbox.base_url, timeout=5)
        self.style = style
        self.token = ""
        if login:
            self.login()

    def login(self, **more):
        answer = self.token_answer(**more)
        self.token = answer["result"]["token"]
        assert self.token == answer["result"]["data"]["token"]

    def token_answer(self, *, secret="linli-secret", **more):
        query = self._query(**more)
        query["sign"] = _keruyun_sign(query, "", secret)
        return self.http.get("/open/v1/token/get", params=query).json()

    def _query(self, **more):
        seconds = str(int(time.time()))
        asked = {"appKey": "linli-app", "shopIdenty": "810094162", "timestamp": seconds, "version": "2.0"}
        return {name: value for name, value in {**asked, **more}.items() if value}

    def raw(self, path, body=None, *, sign=None, query=None):
        content = json.dumps(body or {}, ensure_ascii=False)
        asked = self._query(**(query or {}))
        if self.style == "sorted":
            asked["token"] = self.token
            text = "".join(name + asked[name] for name in sorted(asked)) + "body" + content
            asked["sign"] = sha256(text.encode()).hexdigest()
        else:
            asked["sign"] = _keruyun_sign(asked, content, self.token)
        if sign:
            asked["sign"] = sign
        headers = {"content-type": "application/json"}
        return self.http.post(path, params=asked, content=content.encode(), headers=headers)

    def __call__(self, path, body=None, **more) -> dict[str, Any]:
        answer = self.raw(path, body, **more)
        assert answer.status_code == 200
        return answer.json()

    def data(self, path, body=None):
        answer = self(path, body)
        assert answer["code"] == 0
        assert answer["result"]["success"] is True, answer
        return answer["result"]["data"]

    def page(self, number=1, size=50, **more):
        body = {"dateType": "1", "startDate": "2026-11-18", "endDate": "2026-11-20", **more}
        body["pageBean"] = {"pageNum": number, "pageSize": size}
        return self.data("/open/standard/order/queryList", body)

    def rows(self, size=50, **more):
        first = self.page(1, size, **more)
        rest = [self.page(number, size, **more) for number in range(2, int(first["totalPage"]) + 1)]
        return [row for page in (first, *rest) for row in page["list"]]

    def detail(self, order_id):
        return self.data("/open/standard/order/queryDetail", {"orderId": order_id})


def _keruyun_sign(query, content, tail):
    text = "".join(
        name + query[name]
        for name in ("appKey", "shopIdenty", "brandId", "timestamp", "version")
        if name in query
    )
    return sha256((text + ("body" + content if content else "") + tail).encode()).hexdigest()


class TwoDfire:
    def __init__(self, sandbox, *, gateway="router"):
        self.http = httpx.Client(base_url=sandbox.base_url, timeout=5)
        self.gateway = gateway

    def raw(self, method, *, secret="linli-secret", sign=None, **args):
        sent = {"method": method, "entityId": "99933001", "appKey": "linli-app", "v": "1.0"}
        form = {**sent, "timestamp": str(int(time.time() * 1000)), **args}
        form = {name: value for name, value in form.items() if value is not None}
        text = "".join(name + form[name] for name in sorted(form))
        form["sign"] = sign or sha1(f"{secret}{text}{secret}".encode()).hexdigest().upper()
        return self.http.post("/router" if self.gateway == "router" else "/", data=form)

    def __call__(self, method, **args) -> dict[str, Any]:
        answer = self.raw(method, **args)
        assert answer.status_code == 200
        return answer.json()

    def rows(self, method, **args):
        answer = self(method, **args)
        assert answer["success"], answer
        return answer["model"] if self.gateway == "router" else answer["data"]["data"]


CLIENTS = {"pospal": Pospal, "keruyun": Keruyun, "twodfire": TwoDfire}


def probe(vendor, sandbox):
    """The vendor's first list, as one raw response."""
    client = CLIENTS[vendor](sandbox)
    if vendor == "pospal":
        return client.raw("ticketOpenApi/queryTicketPages", startTime=FIRST, endTime=LAST)
    if vendor == "twodfire":
        return client.raw("dfire.shop.order.list", currDate="20261119")
    body = {"dateType": "1", "startDate": "2026-11-18", "endDate": "2026-11-20"}
    return client.raw("/open/standard/order/queryList", {**body, "pageBean": {"pageNum": 1, "pageSize": 50}})


LISTS = {"pospal": "ticketOpenApi/*", "keruyun": "order/*", "twodfire": "dfire.*"}


def read_rows(vendor, answer):
    """The rows of a list's envelope, empty or not."""
    if vendor == "pospal":
        return answer["data"]["result"]
    return answer["result"]["data"]["list"] if vendor == "keruyun" else answer["model"]


def failed(vendor, answer):
    """Whether the envelope says failure, by the signs of the reference."""
    if vendor == "pospal":
        return answer["status"] == "error"
    if vendor == "keruyun":
        return answer["code"] != 0 or not answer["result"]["success"]
    return answer["success"] is False


@pytest.fixture(scope="module")
def worlds():
    return {vendor: make_world(vendor, end=END) for vendor in POS}


# what all share


def test_vendors_are_found_in_the_folder():
    assert set(POS) <= set(vendor_names())
    with pytest.raises(SandboxError, match="pospal"):
        make_world("no_such_vendor", end=END)
    with pytest.raises(SandboxError, match="app_ky"), running_vendor("pospal", settings={"app_ky": "x"}):
        pass


@pytest.mark.parametrize("vendor", POS)
def test_a_world_is_the_same_again_and_is_json(vendor, worlds):
    world = worlds[vendor]
    assert json.loads(json.dumps(world)) == world == make_world(vendor, seed=7, end=END)
    assert make_world(vendor, seed=8, end=END) != world
    assert min(world["truth"].values()) > 0, world["truth"]
    small = make_world(vendor, days=1, per_day=5, end=END)
    assert len(small["tickets" if vendor == "pospal" else "orders"]) == 5


@pytest.mark.parametrize("vendor", POS)
def test_loopback_only_and_unknown_paths(vendor, worlds):
    with running_vendor(vendor, worlds[vendor]) as sandbox:
        assert sandbox.base_url == f"http://127.0.0.1:{sandbox.port}"
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.2", sandbox.port), timeout=0.2)
        assert httpx.get(sandbox.base_url + "/").status_code == 404
        with pytest.raises(SandboxError, match=str(sandbox.port)), running_vendor(vendor, port=sandbox.port):
            pass


@pytest.mark.parametrize("vendor", POS)
def test_the_world_may_change_while_it_runs_and_is_a_copy(vendor, worlds):
    with running_vendor(vendor, worlds[vendor]) as sandbox:
        key = "tickets" if vendor == "pospal" else "orders"
        assert len(read_rows(vendor, probe(vendor, sandbox).json())) > 0
        sandbox.world[key].clear()
        assert read_rows(vendor, probe(vendor, sandbox).json()) == []
    assert len(worlds[vendor][key]) == 120


@pytest.mark.parametrize("vendor", POS)
def test_faults_that_answer_in_the_envelope(vendor, worlds):
    with running_vendor(vendor, worlds[vendor]) as sandbox:
        sandbox.add_fault(VendorFault("throttled", api=LISTS[vendor]))
        sandbox.add_fault(VendorFault("errcode", api=LISTS[vendor], code=4711))
        sandbox.add_fault(VendorFault("business_error", api=LISTS[vendor]))
        answers = [probe(vendor, sandbox) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200] * 4
        bodies = [answer.json() for answer in answers]
        assert [failed(vendor, body) for body in bodies] == [True, True, True, False]
        assert read_rows(vendor, bodies[2]) == []  # the trap: keys of a success, no rows, a failure
        assert len(read_rows(vendor, bodies[3])) > 0
        calls = [call for call in sandbox.calls if call.api != "token"]
        assert [call.fault for call in calls] == ["throttled", "errcode", "business_error", None]
        assert calls[1].code == 4711
        assert calls[3].code == 0


@pytest.mark.parametrize("vendor", POS)
def test_faults_without_an_envelope(vendor, worlds):
    with running_vendor(vendor, worlds[vendor]) as sandbox:
        for kind in ("html", "unknown_envelope", "server_error"):
            sandbox.add_fault(VendorFault(kind, api=LISTS[vendor]))
        page, unknown, broken = (probe(vendor, sandbox) for _ in range(3))
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert unknown.json() == {"Response": {"ok": 1}}
        assert broken.status_code == 500
        calls = [call for call in sandbox.calls if call.api != "token"]
        assert [call.code for call in calls] == [None, None, None]


@pytest.mark.parametrize("vendor", POS)
@pytest.mark.parametrize("after", [False, True])
def test_silence_and_resets(vendor, after, worlds):
    api = "openApiLimitAccess/queryAccessTimes" if vendor == "pospal" else LISTS[vendor]
    with running_vendor(vendor, worlds[vendor]) as sandbox:
        sandbox.add_fault(VendorFault("timeout", api=api, seconds=0.3, after=after))
        sandbox.add_fault(VendorFault("reset", api=api, after=after))
        ask = (lambda: Pospal(sandbox).raw(api)) if vendor == "pospal" else (lambda: probe(vendor, sandbox))
        began = time.monotonic()
        for _ in range(2):
            with pytest.raises(httpx.TransportError):
                ask()
        assert time.monotonic() - began >= 0.3
        assert ask().status_code == 200
        assert [call.fault for call in sandbox.calls if call.api != "token"] == ["timeout", "reset", None]
        if vendor == "pospal":  # what was done before the line fell still counts
            served = Pospal(sandbox)(api)["data"][0]["accessTimes"]
            assert served == (4 if after else 2)


@pytest.mark.parametrize("vendor", POS)
def test_a_silent_call_ends_when_the_sandbox_stops(vendor, worlds):
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool, running_vendor(vendor, worlds[vendor]) as sandbox:
        sandbox.add_fault(VendorFault("timeout", api=LISTS[vendor], seconds=60))
        waiting = pool.submit(probe, vendor, sandbox)
        while not any(call.fault for call in sandbox.calls):
            time.sleep(0.01)
        sandbox.stop()
        with pytest.raises(httpx.TransportError):
            waiting.result(timeout=10)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("vendor", POS)
def test_limits_hold_in_any_sliding_window(vendor, worlds):
    with running_vendor(vendor, worlds[vendor], limits=[(4, 0.5), (6, 60)]) as sandbox:
        client = CLIENTS[vendor](sandbox)  # Keruyun's token is a call like any other
        own = 1 if vendor == "keruyun" else 0
        ask = {
            "pospal": lambda: client("userOpenApi/queryAllUser"),
            "keruyun": lambda: client("/x/MerchantOrgReadService.queryBrandStores"),
            "twodfire": lambda: client("dfire.total.menu.query"),
        }[vendor]
        began = [failed(vendor, ask()) for _ in range(6 - own)]
        assert began == [False] * (4 - own) + [True, True]
        time.sleep(0.55)
        assert [failed(vendor, ask()) for _ in range(3)] == [False, False, True]  # six within the minute
        assert sandbox.most_calls(0.5) == 6
        assert sandbox.most_calls(0.0001) >= 1
        codes = [call.code for call in sandbox.calls if call.code]
        assert set(codes) == {sandbox.vendor.throttle[0]}


def test_a_window_slides_and_does_not_start_afresh():
    limits = SlidingLimits([(2, 1.0)])
    assert [limits.allow(at) for at in (0.0, 0.5, 0.9, 1.0, 1.4, 1.5)] == [
        True,
        True,
        False,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("vendor", POS)
def test_calls_are_kept_without_secrets(vendor, worlds):
    with running_vendor(vendor, worlds[vendor]) as sandbox:
        probe(vendor, sandbox)
        call = sandbox.calls[-1]
        assert not {"sign", "token"} & set(call.args)
        assert call.at <= time.monotonic()
        assert sandbox.settings["base_url"] == sandbox.base_url
        sandbox.forget_calls()
        assert sandbox.calls == []


def test_impossible_faults_are_refused():
    for bad in ({"kind": "melts"}, {"kind": "errcode"}, {"kind": "html", "times": 0}):
        with pytest.raises(SandboxError):
            VendorFault(**bad)
    with running_vendor("pospal") as sandbox:
        for kind in ("token_dies", "total_changes"):
            with pytest.raises(SandboxError, match=kind):
                sandbox.add_fault(VendorFault(kind))


# 银豹


@pytest.fixture
def pospal_box(worlds):
    with running_vendor("pospal", worlds["pospal"]) as sandbox:
        yield sandbox


def test_pospal_pages_until_a_short_one(pospal_box, worlds):
    pages = Pospal(pospal_box).pages()
    assert [len(page) for page in pages] == [100, 20]
    got = {ticket["uid"] for page in pages for ticket in page}
    assert got == {ticket["uid"] for ticket in worlds["pospal"]["tickets"]}
    assert all(uid > 2**53 for uid in got)
    assert not any(key.startswith("_") for page in pages for ticket in page for key in ticket)
    assert (
        len(
            {
                each["customerUid"]
                for page in Pospal(pospal_box).pages("customerOpenApi/queryCustomerPages")
                for each in page
            }
        )
        == 130
    )


def test_long_answers_come_zipped_to_who_takes_it(pospal_box):
    client = Pospal(pospal_box)
    args = {"startTime": FIRST, "endTime": LAST}
    zipped = client.raw("ticketOpenApi/queryTicketPages", headers={"accept-encoding": "gzip,deflate"}, **args)
    plain = client.raw("ticketOpenApi/queryTicketPages", headers={"accept-encoding": "identity"}, **args)
    assert zipped.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert zipped.json() == plain.json()


def test_pospal_window_excludes_its_start_and_includes_its_end(pospal_box, worlds):
    moments = sorted(ticket["datetime"] for ticket in worlds["pospal"]["tickets"])
    got = Pospal(pospal_box).tickets(begin=moments[3], end=moments[7])["data"]["result"]
    assert sorted(ticket["datetime"] for ticket in got) == moments[4:8]


def test_pospal_exactly_full_last_page_is_followed_by_an_empty_one(pospal_box):
    del pospal_box.world["tickets"][100:]
    assert [len(page) for page in Pospal(pospal_box).pages()] == [100, 0]


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("2026-11-01 00:00:00", "2026-12-02 00:00:01"),
        ("2026-11-02 00:00:00", "2026-11-02 00:00:00"),
        ("2026-11-02", "2026-11-03 00:00:00"),
    ],
)
def test_pospal_refuses_windows(pospal_box, begin, end):
    answer = Pospal(pospal_box).tickets(begin=begin, end=end)
    assert (answer["status"], answer["errorCode"]) == ("error", 1001)
    longest = Pospal(pospal_box).tickets(begin="2026-11-01 00:00:00", end="2026-12-02 00:00:00")
    assert longest["status"] == "success"


def test_pospal_wants_its_position_back_unchanged(pospal_box):
    client = Pospal(pospal_box)
    position = client.tickets()["data"]["postBackParameter"]
    assert client.tickets(postBackParameter=position)["status"] == "success"
    assert client.tickets(postBackParameter=position, end="2026-11-20 23:59:58")["status"] == "error"
    forged = {**position, "parameterValue": position["parameterValue"].replace("100-", "50-")}
    assert client.tickets(postBackParameter=forged)["status"] == "error"


@pytest.mark.parametrize(
    "spoiled",
    [
        {"key": "wrong"},
        {"app_id": "OTHER"},
        {"headers": {"User-Agent": "python"}},
        {"headers": {"time-stamp": "1"}},
        {"headers": {"time-stamp": "today"}},
        {"headers": {"Content-Type": "text/plain"}},
        {"headers": {"data-signature": "0" * 32}},
        {"body": b"[]"},
        {"body": b"{"},
    ],
)
def test_pospal_refuses_what_is_not_signed_and_shaped(pospal_box, spoiled):
    answer = Pospal(pospal_box).raw("userOpenApi/queryAllUser", **spoiled)
    assert answer.status_code == 200
    assert answer.json()["status"] == "error"
    assert answer.json()["messages"]


def test_pospal_signature_is_over_the_bytes_sent(pospal_box):
    client = Pospal(pospal_box)
    compact = b'{"appId":"LINLI-APP","note":"\xe9\x82\xbb"}'
    assert client("userOpenApi/queryAllUser", body=compact)["status"] == "success"
    lower = md5(b"linli-app-key" + compact).hexdigest()
    assert (
        client("userOpenApi/queryAllUser", body=compact, headers={"data-signature": lower})["status"]
        == "error"
    )


def test_pospal_newer_signature(worlds):
    with running_vendor("pospal", worlds["pospal"], settings={"signature": "v3"}) as sandbox:
        assert Pospal(sandbox, signature="v3")("userOpenApi/queryAllUser")["status"] == "success"
        assert Pospal(sandbox)("userOpenApi/queryAllUser")["status"] == "error"


def test_pospal_row_moves_between_pages_and_a_second_reading_finds_it(pospal_box, worlds):
    pospal_box.add_fault(VendorFault("row_moves", api="ticketOpenApi/queryTicketPages"))
    first, second = Pospal(pospal_box).pages()
    uids = [ticket["uid"] for ticket in first + second]
    assert len(uids) == 120
    assert len(set(uids)) == 119
    assert second[0] == first[-1]  # slid over the boundary
    (lost,) = {ticket["uid"] for ticket in worlds["pospal"]["tickets"]} - set(uids)
    again = [ticket for page in Pospal(pospal_box).pages() for ticket in page]
    assert again[0]["uid"] == lost
    assert len({ticket["uid"] for ticket in again}) == 120
    assert [call.fault for call in pospal_box.calls] == [None, "row_moves", None, None]


def test_pospal_shows_the_day_as_it_stood(pospal_box, worlds):
    client = Pospal(pospal_box)
    late = [ticket for ticket in worlds["pospal"]["tickets"] if ticket.get("_uploaded")]
    voided = next(ticket for ticket in worlds["pospal"]["tickets"] if ticket["invalid"])
    pospal_box.set_now(datetime.fromisoformat(voided["datetime"]) + timedelta(minutes=1))
    shown = {ticket["uid"]: ticket for page in client.pages() for ticket in page}
    assert shown[voided["uid"]]["invalid"] == 0
    pospal_box.set_now(datetime.fromisoformat(late[0]["datetime"]) + timedelta(days=1))
    assert late[0]["uid"] not in {ticket["uid"] for page in client.pages() for ticket in page}
    pospal_box.set_now(datetime.fromisoformat(late[0]["_uploaded"]))
    assert late[0]["uid"] in {ticket["uid"] for page in client.pages() for ticket in page}
    pospal_box.set_now(datetime(2026, 11, 30))
    shown = {ticket["uid"]: ticket for page in client.pages() for ticket in page}
    assert (shown[voided["uid"]]["invalid"], len(shown)) == (1, 120)


def test_pospal_tickets_balance(pospal_box):
    tickets = [ticket for page in Pospal(pospal_box).pages() for ticket in page]
    for ticket in tickets:
        paid = sum(payment["amount"] for payment in ticket["payments"])
        assert paid == pytest.approx(ticket["totalAmount"] + ticket["rounding"], abs=0.005), ticket
        assert sum(item["totalAmount"] for item in ticket["items"]) == pytest.approx(
            ticket["totalAmount"], abs=0.005
        )
    methods = {each["code"] for each in Pospal(pospal_box)("ticketOpenApi/queryAllPayMethod")["data"]}
    assert {payment["code"] for ticket in tickets for payment in ticket["payments"]} <= methods


def test_pospal_troubles_are_in_the_data(pospal_box, worlds):
    truth = worlds["pospal"]["truth"]
    tickets = [ticket for page in Pospal(pospal_box).pages() for ticket in page]
    returns = [ticket for ticket in tickets if ticket["ticketType"] == "SELL_RETURN"]
    assert len(returns) == truth["returned"] + truth["returned_negative"] + truth["returned_part"]
    assert sum(ticket["totalAmount"] < 0 for ticket in returns) == truth["returned_negative"]
    assert sum(ticket["invalid"] for ticket in tickets) == truth["voided"]
    assert sum(ticket["ticketType"] == "sell" for ticket in tickets) == truth["lower_case"]
    assert sum(ticket["sn"] != ticket["sn"].strip() for ticket in tickets) >= truth["trailing_blank"]
    assert sum(len(ticket["payments"]) > 1 for ticket in tickets) == truth["split"]
    assert (
        sum(repr(ticket["totalAmount"]) != repr(round(ticket["totalAmount"], 2)) for ticket in tickets)
        >= truth["float_noise"]
    )
    assert sum(ticket["datetime"][11:13] == "00" for ticket in tickets) == truth["after_midnight"]
    keys = {ticket.get("customerUid", "missing") for ticket in tickets}
    assert {"missing", None, 0} <= keys
    customers = [
        each for page in Pospal(pospal_box).pages("customerOpenApi/queryCustomerPages") for each in page
    ]
    assert sum("phone" not in each for each in customers) == truth["customer_no_phone_key"]
    assert sum("*" in (each.get("phone") or "") for each in customers) == truth["customer_masked"]
    assert {each["enable"] for each in customers} == {-1, 0, 1}
    assert all("password" in each for each in customers)
    kinds = {wechat["openIdType"] for each in customers for wechat in each["weixinOpenIds"]}
    assert kinds == {0, 1, 1000}


def test_pospal_one_phone_of_two_members_and_the_way_back_of_a_return(pospal_box, worlds):
    client = Pospal(pospal_box)
    phones = [each.get("phone") for each in worlds["pospal"]["customers"]]
    shared = next(phone for phone in phones if phone and "1380013" not in phone and phones.count(phone) > 1)
    assert len(client("customerOpenApi/queryBytel", customerTel=shared)["data"]) > 1
    back = next(ticket for ticket in worlds["pospal"]["tickets"] if ticket.get("_days_later"))
    sale = client("ticketOpenApi/querySellTicketByRefunTicketUid", refundTicketUid=back["uid"])["data"]
    assert sale["uid"] == back["_origin"]
    again = client("ticketOpenApi/queryRefunTicketBySellTicketUid", sellTicketUid=sale["uid"])["data"]
    assert again["uid"] == back["uid"]
    found = client("ticketOpenApi/queryTicketBySn", sn=sale["sn"])["data"]
    assert found["uid"] == sale["uid"]
    assert {store["appId"] for store in client("userOpenApi/queryAllUser")["data"]} >= {"LINLI-APP"}


# 客如云


@pytest.fixture
def keruyun_box(worlds):
    with running_vendor("keruyun", worlds["keruyun"]) as sandbox:
        yield sandbox


def test_keruyun_list_pages_in_strings(keruyun_box, worlds):
    page = Keruyun(keruyun_box).page(2, 50)
    shown = {
        name: page[name] for name in ("totalCount", "pageNo", "pageSize", "totalPage", "prevPage", "nextPage")
    }
    assert shown == {
        "totalCount": "120",
        "pageNo": "2",
        "pageSize": "50",
        "totalPage": "3",
        "prevPage": "1",
        "nextPage": "3",
    }
    rows = Keruyun(keruyun_box).rows()
    assert len({row["orderId"] for row in rows}) == 120
    assert all(type(row[name]) is str for row in rows for name in ("orderId", "orderAmt", "orderReceivedAmt"))
    assert all(int(row["orderId"]) > 2**53 for row in rows)


def test_keruyun_both_bodies(worlds):
    flat = {"dateType": 1, "startDate": "2026-11-18", "endDate": "2026-11-20", "shopIds": ["810094162"]}
    flat |= {"pageNum": 1, "pageSize": 100}
    path = "/open/standard/order/queryList"
    with running_vendor("keruyun", worlds["keruyun"]) as sandbox:
        assert len(Keruyun(sandbox).data(path, flat)["list"]) == 100
        assert not Keruyun(sandbox)(path, {**flat, "shopIds": ["1"]})["result"]["success"]
    with running_vendor("keruyun", worlds["keruyun"], settings={"list_body": "go"}) as sandbox:
        assert not Keruyun(sandbox)(path, flat)["result"]["success"]
        assert len(Keruyun(sandbox).page()["list"]) == 50
    with running_vendor("keruyun", worlds["keruyun"], settings={"list_body": "python"}) as sandbox:
        assert len(Keruyun(sandbox).data(path, flat)["list"]) == 100


def test_keruyun_filters_and_kinds_of_date(keruyun_box, worlds):
    client, truth = Keruyun(keruyun_box), worlds["keruyun"]["truth"]
    assert len(client.rows(orderStatusList=[11])) == truth["voided"]
    assert len(client.rows(orderStatusList=["ANTI_SETTLED"])) == truth["voided"]
    assert (
        len(client.rows(orderTypeList=["MEMBER_STORE", "MEMBER_MANUAL_STORE"]))
        == truth["top_up"] + truth["top_up_by_hand"]
    )
    last = [row for row in client.rows(startDate="2026-11-20") if row["openTime"] > "2026-11-21"]
    opened = client.rows(dateType="2", startDate="2026-11-18 00:00:00", endDate="2026-11-20 23:59:59")
    assert len(opened) == 120 - len(last)  # an order after midnight belongs to the business day before
    assert len(last) > 0
    assert len(client.rows(dateType="4")) < 120  # what was never settled has no such time


@pytest.mark.parametrize(
    "body",
    [
        {"startDate": "2026-10-01", "endDate": "2026-11-02"},
        {"startDate": "2026-11-20", "endDate": "2026-11-19"},
        {"startDate": "yesterday"},
        {"dateType": "9"},
        {"pageBean": {"pageNum": 1, "pageSize": 101}},
        {"pageBean": {"pageNum": 0, "pageSize": 10}},
        {"pageBean": None},
        {"pageNum": 1},
    ],
)
def test_keruyun_business_errors_are_inside_a_success(keruyun_box, body):
    good = {"dateType": "1", "startDate": "2026-11-18", "endDate": "2026-11-20"}
    good["pageBean"] = {"pageNum": 1, "pageSize": 10}
    answer = Keruyun(keruyun_box)("/open/standard/order/queryList", {**good, **body})
    assert answer["code"] == 0
    assert (answer["result"]["success"], answer["result"]["data"]) == (False, None)
    assert answer["result"]["msgInfo"]
    missing = Keruyun(keruyun_box)("/open/standard/order/queryDetail", {"orderId": "1"})
    assert (missing["code"], missing["result"]["success"]) == (0, False)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"appKey": "other"}, 101),
        ({"timestamp": "1"}, 102),
        ({"timestamp": str(int(time.time() * 1000))}, 102),
        ({"shopIdenty": "1"}, 105),
        ({"shopIdenty": ""}, 100),
        ({"version": "1.0"}, 100),
        ({"version": ""}, 100),
    ],
)
def test_keruyun_refuses_before_any_result(keruyun_box, query, code):
    answer = Keruyun(keruyun_box)("/x/MerchantOrgReadService.queryBrandStores", query=query)
    assert (answer["code"], answer["result"]) == (code, None)
    assert Keruyun(keruyun_box, login=False).token_answer(**query)["code"] == code


def test_keruyun_signature(keruyun_box):
    client = Keruyun(keruyun_box)
    assert client("/x/MerchantOrgReadService.queryBrandStores", sign="0" * 64)["code"] == 103
    assert client.token_answer(secret="wrong")["code"] == 103
    client.style = "sorted"
    assert client("/x/MerchantOrgReadService.queryBrandStores")["code"] == 103
    stranger = Keruyun(keruyun_box, login=False)
    stranger.token = "f" * 64
    assert stranger("/x/MerchantOrgReadService.queryBrandStores")["code"] == 103


def test_keruyun_token_in_the_sorted_signature(worlds):
    settings = {"token_in_sign": "sorted"}
    with running_vendor("keruyun", worlds["keruyun"], settings=settings) as sandbox:
        client = Keruyun(sandbox, style="sorted")
        assert len(client.page()["list"]) == 50
        client.style = "tail"
        assert client("/x/MerchantOrgReadService.queryBrandStores")["code"] == 103


def test_keruyun_brand_instead_of_shop(worlds):
    with running_vendor("keruyun", worlds["keruyun"], settings={"brand_id": "32296"}) as sandbox:
        client = Keruyun(sandbox)
        brand = {"shopIdenty": "", "brandId": "32296"}
        answer = client("/x/MerchantOrgReadService/queryBrandStores", query=brand)
        assert [shop["shopId"] for shop in answer["result"]["data"]["shops"]] == ["810094162", "810094163"]


def test_keruyun_token_dies_early_and_a_new_one_works(keruyun_box):
    keruyun_box.add_fault(VendorFault("token_dies"))
    client = Keruyun(keruyun_box)  # handing out a token is no use of one
    body = {"orderId": "1"}
    assert client("/open/standard/order/queryDetail", body)["code"] == 104
    assert client("/open/standard/order/queryDetail", body)["code"] == 104
    client.login()
    assert client("/open/standard/order/queryDetail", body)["code"] == 0


def test_keruyun_token_has_a_life(worlds):
    with running_vendor("keruyun", worlds["keruyun"], settings={"token_seconds": "0.3"}) as sandbox:
        client = Keruyun(sandbox)
        assert client("/x/MerchantOrgReadService.queryBrandStores")["code"] == 0
        time.sleep(0.35)
        assert client("/x/MerchantOrgReadService.queryBrandStores")["code"] == 104


def test_keruyun_row_moves_between_pages(keruyun_box):
    keruyun_box.add_fault(VendorFault("row_moves", api="order/queryList", skip=1))
    client = Keruyun(keruyun_box)
    ids = [row["orderId"] for row in client.rows()]
    assert (len(ids), len(set(ids))) == (120, 119)
    assert ids[100] == ids[99]
    again = [row["orderId"] for row in client.rows()]
    assert set(again) - set(ids) == {again[0]}
    assert len(set(again)) == 120


def test_keruyun_total_changes_between_pages(keruyun_box):
    keruyun_box.add_fault(VendorFault("total_changes", api="order/queryList"))
    client = Keruyun(keruyun_box)
    assert [client.page(number)["totalCount"] for number in (1, 2, 3, 1)] == ["120", "121", "121", "121"]
    new = client.page(1)["list"][0]["orderId"]
    assert client.detail(new)["orderBaseVO"]["orderId"] == new


def test_keruyun_details_balance_and_hold_the_troubles(keruyun_box, worlds):
    client, truth = Keruyun(keruyun_box), worlds["keruyun"]["truth"]
    details = [client.detail(row["orderId"]) for row in client.rows()]
    for each in details:
        base = each["orderBaseVO"]
        received = int(base["orderReceivedAmt"])
        if each["openPaymentDetailVoList"]:
            assert sum(int(pay["payAmt"]) for pay in each["openPaymentDetailVoList"]) == received, base
        if each["orderItemVoList"]:
            sold = [item for item in each["orderItemVoList"] if item["saleStatusTypeCode"] == "NORMAL"]
            assert sum(int(item["itemReceivedAmt"]) for item in sold) == received, base
            assert (
                sum(int(item["itemSaleAmt"]) for item in sold)
                == int(base["orderAmt"])
                == received + int(base["promoAmt"])
            )
        assert not any(key.startswith("_") for key in (*each, *base))
    bases = [each["orderBaseVO"] for each in details]
    assert sum(type(base["orderId"]) is int for base in bases) == truth["order_id_as_number"]
    ids = {str(base["orderId"]) for base in bases}
    refunds = [base for base in bases if base["orderStatus"] == 6]
    assert len(refunds) == truth["refunded"] + truth["refunded_negative"] + truth["refunded_part"]
    assert all(base["relatedOrderId"] in ids for base in refunds)
    settled_again = [base for base in bases if base["relatedOrderId"] and base["orderStatus"] != 6]
    assert len(settled_again) == truth["resettled"]
    assert {type(base["orderReceivedAmt"]) for base in bases} == {int, str}
    assert {"missing", None, ""} <= {base.get("memberPhone", "missing") for base in bases}
    assert sum("*" in (base.get("memberPhone") or "") for base in bases) > 0
    assert (
        sum(item["saleStatusTypeCode"] == "DISCARD" for each in details for item in each["orderItemVoList"])
        >= truth["discarded_line"]
    )
    assert (
        sum(bool(item["children"]) for each in details for item in each["orderItemVoList"]) >= truth["combo"]
    )
    methods = {pay["payMethodId"] for each in details for pay in each["openPaymentDetailVoList"]}
    assert {0, -24, -1, -3, -5, -6, -127} <= methods


def test_keruyun_void_comes_later_and_statuses_may_be_names(worlds):
    with running_vendor("keruyun", worlds["keruyun"], settings={"status_style": "name"}) as sandbox:
        voided = next(order for order in worlds["keruyun"]["orders"] if order["_kind"] == "voided")[
            "orderBaseVO"
        ]
        client = Keruyun(sandbox)
        assert client.detail(voided["orderId"])["orderBaseVO"]["orderStatus"] == "ANTI_SETTLED"
        sandbox.set_now(datetime.fromisoformat(voided["settleTime"]))
        assert client.detail(voided["orderId"])["orderBaseVO"]["orderStatus"] == "SETTLED"
        sandbox.set_now(datetime.fromisoformat(voided["openTime"]) - timedelta(seconds=1))
        assert voided["orderId"] not in {row["orderId"] for row in client.rows()}


def test_keruyun_customers(keruyun_box, worlds):
    client = Keruyun(keruyun_box)
    ids = [each["customerId"] for each in worlds["keruyun"]["customers"]]
    path = "/open/standard/crm/CustomerQueryFacade/queryByCustomerIds"
    assert [each["customerId"] for each in client.data(path, {"customerIds": ids[:50]})] == ids[:50]
    assert not client(path, {"customerIds": ids[:51]})["result"]["success"]
    wanted = {"customerId": ids[3]}
    shown = client.data("/open/standard/crm/CustomerQueryFacade/queryCustomerProperty", wanted)
    assert shown == {"customerId": ids[3], "points": 30, "storedValue": 3000}
    phone = worlds["keruyun"]["customers"][0]["mobile"]
    found = client.data("/open/standard/crm/CustomerOpenFacade/queryByMobile", {"mobile": phone})
    assert found["customerId"] == ids[0]
    assert not any(key.startswith("_") for key in found)


# 二维火


@pytest.fixture(params=["router", "gateway"])
def twodfire(request, worlds):
    with running_vendor("twodfire", worlds["twodfire"], settings={"gateway": request.param}) as sandbox:
        yield TwoDfire(sandbox, gateway=request.param), sandbox


ORDER_METHOD = {"router": "dfire.shop.order.list", "gateway": "com.dfire.open.shop.order.query"}
ITEM_METHOD = "dfire.shop.order.instance.list"


def test_twodfire_one_business_day_per_call(twodfire, worlds):
    client, _ = twodfire
    method = ORDER_METHOD[client.gateway]
    days = [client.rows(method, currDate=f"202611{day}") for day in (18, 19, 20)]
    assert [len(day) for day in days] == [40, 40, 40]
    assert {order["totalPayVo"]["currDate"] for order in days[1]} == {"20261119"}
    late = [order for day in days for order in day if _hour(order) == 0]
    assert len(late) == worlds["twodfire"]["truth"]["after_midnight"]
    assert not any(key.startswith("_") for day in days for order in day for key in order)
    assert "phone" not in json.dumps(days).lower()
    assert client.rows(method, currDate="20261101") == []


def _hour(order):
    return (order["orderVo"]["endTime"] // 3_600_000 + 8) % 24


def test_twodfire_items_twenty_orders_at_a_time(twodfire):
    client, _ = twodfire
    orders = client.rows(ORDER_METHOD[client.gateway], currDate="20261119")
    ids = [order["orderVo"]["orderId"] for order in orders]
    items = client.rows(ITEM_METHOD, orderIds=",".join(ids[:20]))
    assert {item["orderId"] for item in items} == set(ids[:20])
    assert client.rows(ITEM_METHOD, orderIdList=json.dumps(ids[:20])) == items
    assert client(ITEM_METHOD, orderIds=",".join(ids[:21]))["success"] is False
    assert client(ITEM_METHOD, orderIds="[1")["success"] is False
    assert client(ITEM_METHOD)["success"] is False


def test_twodfire_money_balances_with_the_change_taken_off(twodfire, worlds):
    client, _ = twodfire
    truth = worlds["twodfire"]["truth"]
    orders = [
        order
        for day in (18, 19, 20)
        for order in client.rows(ORDER_METHOD[client.gateway], currDate=f"202611{day}")
    ]
    items = {}
    for begin in range(0, len(orders), 20):
        ids = ",".join(order["orderVo"]["orderId"] for order in orders[begin : begin + 20])
        for item in client.rows(ITEM_METHOD, orderIds=ids):
            items.setdefault(item["orderId"], []).append(item)
    for order in orders:
        total = order["totalPayVo"]
        paid = sum(pay["pay"] - (pay.get("charge") or 0) for pay in order["payVo"])
        own = items[order["orderVo"]["orderId"]]
        sold = sum(item["ratioFee"] for item in own if not item["canceled"])
        assert sold + total["outFee"] == pytest.approx(total["resultAmount"], abs=0.005)
        assert paid == pytest.approx(total["resultAmount"], abs=0.005), order
    pays = [pay for order in orders for pay in order["payVo"]]
    assert sum((pay.get("charge") or 0) > 0 for pay in pays) == truth["change_given"]
    assert sum("charge" not in pay for pay in pays) == truth["no_charge_key"]
    assert sum(pay.get("charge", 0) is None for pay in pays) == truth["null_charge"]
    assert sum(all(item["canceled"] for item in own) for own in items.values()) >= truth["voided"]
    assert sum(item["giveDish"] for own in items.values() for item in own) == truth["gift"]
    weighed = [item for own in items.values() for item in own if item["num"] != item["accountNum"]]
    assert len(weighed) >= truth["weighed"]


def test_twodfire_new_gateway_has_payments_and_the_shop(worlds):
    with running_vendor("twodfire", worlds["twodfire"], settings={"gateway": "gateway"}) as sandbox:
        client = TwoDfire(sandbox, gateway="gateway")
        pays = client.rows("com.dfire.open.shop.pay.query", currDate="20261118")
        orders = client.rows("com.dfire.open.shop.order.query", currDate="20261118")
        assert len(pays) == sum(len(order["payVo"]) for order in orders)
        some = orders[0]["orderVo"]["orderId"]
        assert {pay["orderId"] for pay in client.rows("com.dfire.open.shop.pay.query", orderIds=some)} <= {
            some
        }
        assert client.rows("com.dfire.open.shop.query")["entityId"] == "99933001"
        assert len(client.rows("com.dfire.open.item.menu.query")) == 20
    with running_vendor("twodfire", worlds["twodfire"]) as sandbox:
        old = TwoDfire(sandbox)
        assert old("com.dfire.open.shop.query")["resultCode"] == "ERR_METHOD"
        assert len(old.rows("dfire.total.menu.query")) == 20


@pytest.mark.parametrize(
    ("spoiled", "code"),
    [
        ({"secret": "wrong"}, "ERR_SIGN"),
        ({"sign": "0" * 40}, "ERR_SIGN"),
        ({"appKey": "other"}, "ERR_APPKEY"),
        ({"entityId": "1"}, "ERR_ENTITY"),
        ({"entityId": None}, "ERR_PARAM"),
        ({"timestamp": "1"}, "ERR_TIMESTAMP"),
        ({"timestamp": "1763600000"}, "ERR_TIMESTAMP"),
        ({"v": "2.0"}, "ERR_PARAM"),
        ({"currDate": None}, "ERR_PARAM"),
        ({"currDate": "2026-11-19"}, "ERR_PARAM"),
        ({"pageNo": "1", "pageSize": "501"}, "ERR_PARAM"),
        ({"pageNo": "x", "pageSize": "5"}, "ERR_PARAM"),
    ],
)
def test_twodfire_refusals(twodfire, spoiled, code):
    client, _ = twodfire
    answer = client(ORDER_METHOD[client.gateway], **{"currDate": "20261119", **spoiled})
    assert (answer["success"], answer["resultCode"]) == (False, code)
    assert answer["model" if client.gateway == "router" else "data"] is None


def test_twodfire_takes_only_forms(twodfire):
    client, sandbox = twodfire
    answer = client.http.post("/router", json={"method": ORDER_METHOD[client.gateway]})
    assert answer.json()["resultCode"] == "ERR_REQUEST"
    assert sandbox.calls[-1].code == "ERR_REQUEST"


def test_twodfire_row_moves_when_the_caller_pages(twodfire):
    client, sandbox = twodfire
    method = ORDER_METHOD[client.gateway]
    sandbox.add_fault(VendorFault("row_moves"))

    def read():
        pages = [
            client.rows(method, currDate="20261119", pageNo=str(number), pageSize="15")
            for number in (1, 2, 3)
        ]
        return [order["orderVo"]["orderId"] for page in pages for order in page]

    first = read()
    assert (len(first), len(set(first))) == (40, 39)
    assert first[14] == first[15]
    assert len(set(read())) == 40


def test_twodfire_shows_the_day_as_it_stood(twodfire):
    client, sandbox = twodfire
    method = ORDER_METHOD[client.gateway]
    sandbox.set_now(datetime(2026, 11, 19, 12))
    noon = len(client.rows(method, currDate="20261119"))
    assert 0 < noon < 40
    sandbox.set_now(None)
    assert len(client.rows(method, currDate="20261119")) == 40
