"""The HTTP core: limits, retries, time-outs, and that nothing secret is ever logged."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from vendor_stub import Clock
from wecom_stub import SECRET, Stub, ok

from dagster_project.sources import (
    HttpStatusError,
    MalformedResponse,
    OutcomeUncertain,
    Unreachable,
    WecomClient,
)
from dagster_project.sources import http as http_module
from dagster_project.sources.http import HttpCore, SlidingWindow


class TestSlidingWindow:
    def test_lets_a_burst_up_to_the_limit_through_without_waiting(self) -> None:
        clock = Clock()
        window = SlidingWindow([(3, 60.0)], clock=clock, sleep=clock.sleep)
        for _ in range(3):
            window.acquire()
        assert clock.slept == []

    def test_never_more_than_the_limit_in_any_window(self) -> None:
        clock = Clock()
        window = SlidingWindow([(3, 60.0)], clock=clock, sleep=clock.sleep)
        times = []
        for step in (0, 10, 10, 5, 5, 0, 30, 0, 0, 0):
            clock.now += step
            window.acquire()
            times.append(clock.now)
        assert all(later - earlier >= 60 for earlier, later in zip(times, times[3:], strict=False))

    def test_several_windows_all_hold(self) -> None:
        clock = Clock()
        window = SlidingWindow([(2, 1.0), (3, 100.0)], clock=clock, sleep=clock.sleep)
        times = []
        for _ in range(5):
            window.acquire()
            times.append(clock.now - 1000.0)
        assert times == [0.0, 0.0, 1.0, 100.0, 100.0]

    def test_the_clients_limit_stays_below_the_vendors(self) -> None:
        from dagster_project.sources.wecom_client import CALL_LIMITS

        assert all(
            limit < allowed for (limit, _), allowed in zip(CALL_LIMITS, (10_000, 150_000), strict=True)
        )


def core(handler: object, **options: object) -> tuple[HttpCore, Clock]:
    clock = Clock()
    transport = httpx.MockTransport(handler)  # type: ignore[arg-type]
    return HttpCore(
        "http://v.test/prefix", transport=transport, sleep=clock.sleep, clock=clock, **options
    ), clock  # type: ignore[arg-type]


class TestAttempt:
    def test_keeps_a_path_prefix_of_the_base_url(self) -> None:
        seen = []
        http, _ = core(lambda request: seen.append(str(request.url)) or httpx.Response(200, content=b"{}"))
        http.attempt("GET", "/cgi-bin/x", query={"a": "1"}, secret_query={"access_token": "t&="})
        assert seen == ["http://v.test/prefix/cgi-bin/x?a=1&access_token=t%26%3D"]

    @pytest.mark.parametrize("status", [301, 302, 400, 401, 404])
    def test_any_final_status_but_200_is_an_error(self, status: int) -> None:
        http, _ = core(lambda request: httpx.Response(status, headers={"location": "http://evil.test"}))
        with pytest.raises(HttpStatusError) as caught:
            http.attempt("GET", "/x")
        assert caught.value.status == status

    @pytest.mark.parametrize("status", [500, 502, 503, 429])
    def test_a_server_fault_may_be_tried_again(self, status: int) -> None:
        http, _ = core(lambda request: httpx.Response(status))
        with pytest.raises(Unreachable):
            http.attempt("GET", "/x")

    @pytest.mark.parametrize(
        "fault", [httpx.ReadTimeout("t"), httpx.ReadError("r"), httpx.RemoteProtocolError("p"), 502]
    )
    def test_an_unrepeatable_call_without_an_answer_is_uncertain_and_sent_once(self, fault: object) -> None:
        calls = []

        def handler(request: httpx.Request) -> httpx.Response:
            calls.append(1)
            if isinstance(fault, Exception):
                raise fault
            return httpx.Response(502)

        http, _ = core(handler)
        with pytest.raises(OutcomeUncertain):
            http.retrying(lambda: http.attempt("POST", "/x", body={}, repeatable=False))
        assert len(calls) == 1

    def test_an_unrepeatable_call_that_never_left_is_tried_again(self) -> None:
        calls = []

        def handler(request: httpx.Request) -> httpx.Response:
            calls.append(1)
            if len(calls) < 3:
                raise httpx.ConnectError("refused")
            return httpx.Response(200, content=b"done")

        http, clock = core(handler)
        assert http.retrying(lambda: http.attempt("POST", "/x", repeatable=False)) == b"done"
        assert clock.slept == [0.5, 1.0]

    def test_retries_are_bounded_and_back_off(self) -> None:
        calls = []

        def handler(request: httpx.Request) -> httpx.Response:
            calls.append(1)
            raise httpx.ConnectTimeout("t")

        http, clock = core(handler)
        with pytest.raises(Unreachable):
            http.retrying(lambda: http.attempt("GET", "/x"))
        assert len(calls) == 4
        assert clock.slept == [0.5, 1.0, 2.0]

    def test_an_answer_too_large_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http_module, "MAX_BODY_BYTES", 10)
        http, _ = core(lambda request: httpx.Response(200, content=b"x" * 11))
        with pytest.raises(MalformedResponse):
            http.attempt("GET", "/x")
        with pytest.raises(OutcomeUncertain):
            http.attempt("POST", "/x", repeatable=False)

    def test_a_dripping_answer_ends(self) -> None:
        clock = Clock()

        def drip() -> Iterator[bytes]:
            for _ in range(1000):
                clock.now += 1
                yield b" "

        transport = httpx.MockTransport(lambda request: httpx.Response(200, content=drip()))
        http = HttpCore("http://v.test", transport=transport, sleep=clock.sleep, clock=clock)
        with pytest.raises(Unreachable):
            http.attempt("GET", "/x")
        assert clock.now < 1000 + 130

    @pytest.mark.parametrize("url", ["", "qyapi.test", "ftp://x.test", "http://", None])
    def test_a_bad_base_url_is_named_at_once(self, url: str) -> None:
        with pytest.raises(ValueError, match="base_url"):
            HttpCore(url)


class TestSecrets:
    def test_no_log_and_no_error_holds_secret_token_or_phone(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        phone = "139" + "12345678"
        stub = Stub().on("get_follow_user_list", ok(follow_user=["a"]))
        stub.on("batch/get_by_user", httpx.ReadError(f"http://x?access_token=token-1&m={phone}"))
        client = stub.client()
        client.follow_users()
        with pytest.raises(Unreachable) as caught:
            client.contacts_of("a")
        secrets = (SECRET, "token-1", phone, "access_token=")
        text = caplog.text + str(caught.value) + repr(caught.value) + repr(client)
        assert "get_follow_user_list" in caplog.text  # httpx does log the address
        assert not [secret for secret in secrets if secret in text]
        assert stub.asked[0][2].params["corpsecret"] == SECRET  # but it is sent

    def test_errors_do_not_quote_the_vendors_text(self) -> None:
        stub = Stub().on("get_follow_user_list", {"errcode": 40058, "errmsg": f"bad {SECRET}"})
        with pytest.raises(Exception, match="40058") as caught:
            stub.client().follow_users()
        assert SECRET not in str(caught.value)


class _Handler(BaseHTTPRequestHandler):
    body = b""
    length: int | None = None

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(self.length or len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, type[_Handler]]]:
    handler = type("Handler", (_Handler,), {})
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}", handler
    httpd.shutdown()
    httpd.server_close()
    thread.join()


class TestRealSockets:
    def test_html_over_a_real_connection_is_no_answer(self, server: tuple[str, type[_Handler]]) -> None:
        url, handler = server
        handler.body = b"<html>login</html>"
        with WecomClient(url, "corp1", SECRET) as client, pytest.raises(MalformedResponse):
            client.follow_users()

    def test_an_answer_cut_short_is_not_read_as_whole(self, server: tuple[str, type[_Handler]]) -> None:
        url, handler = server
        handler.body, handler.length = b'{"errcode":0,"follow_user":[]}', 500
        clock = Clock()
        with WecomClient(url, "corp1", SECRET, sleep=clock.sleep) as client, pytest.raises(Unreachable):
            client.follow_users()

    def test_a_closed_port_is_unreachable(self) -> None:
        clock = Clock()
        client = WecomClient(f"http://127.0.0.1:{_closed_port()}", "corp1", SECRET, sleep=clock.sleep)
        with client, pytest.raises(Unreachable, match="ConnectError"):
            client.follow_users()
        assert len(clock.slept) == 3

    def test_the_machines_proxy_is_used_but_never_for_loopback(
        self, server: tuple[str, type[_Handler]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url, handler = server
        handler.body = b"by the proxy"
        for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", url)
        assert HttpCore("http://vendor.invalid").attempt("GET", "/x") == b"by the proxy"
        with pytest.raises(Unreachable):
            HttpCore(f"http://127.0.0.1:{_closed_port()}").attempt("GET", "/x")
        monkeypatch.setenv("no_proxy", "vendor.invalid")
        with pytest.raises(Unreachable):
            HttpCore("http://vendor.invalid").attempt("GET", "/x")


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
