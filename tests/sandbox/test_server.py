"""Over HTTP: the transport, the faults, the limits and the command."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime

import httpx
import pytest

from dagster_project.sandbox import Fault, Limits, SandboxError, load_faults, running_sandbox
from dagster_project.sandbox.limits import RateLimiter

NOW = 1_760_000_400
PREFIX = "/cgi-bin/externalcontact"


class Client:
    """What any client does first: fetch a token."""

    def __init__(self, sandbox):
        self.http = httpx.Client(base_url=sandbox.base_url, timeout=5)
        self.login()

    def login(self):
        answer = self.http.get("/cgi-bin/gettoken", params={"corpid": "demo", "corpsecret": "demo"}).json()
        self.token = answer["access_token"]

    def get(self, api, **params):
        return self.http.get(f"{PREFIX}/{api}", params={"access_token": self.token, **params})

    def post(self, api, **body):
        return self.http.post(f"{PREFIX}/{api}", params={"access_token": self.token}, json=body)

    def code(self, api="get_follow_user_list"):
        return self.get(api).json()["errcode"]


@pytest.fixture
def sandbox(world_file):
    with running_sandbox(world_file, clock=NOW) as running:
        yield running


@pytest.fixture
def client(sandbox):
    return Client(sandbox)


def test_everything_is_200_except_what_does_not_exist(sandbox, client):
    answer = client.get("list", userid="amy")
    assert answer.status_code == 200
    assert len(answer.json()["external_userid"]) == 230
    refused = client.http.get("/cgi-bin/gettoken", params={"corpid": "demo", "corpsecret": "wrong"})
    assert (refused.status_code, refused.json()["errcode"]) == (200, 40001)
    assert client.get("no_such_api").status_code == 404
    assert client.http.get("/").status_code == 404
    page = client.post("batch/get_by_user", userid_list=["amy"], limit=2).json()
    assert (page["errcode"], len(page["external_contact_list"])) == (0, 2)


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b"\xff", b'{"userid":"\\ud800"}'])
def test_a_body_that_is_no_json_object(client, body):
    answer = client.http.post(f"{PREFIX}/mark_tag", params={"access_token": client.token}, content=body)
    assert (answer.status_code, answer.json()["errcode"]) == (200, 40058)


def test_the_token_goes_in_the_query_only(client):
    answer = client.http.post(f"{PREFIX}/get_corp_tag_list", json={"access_token": client.token})
    assert answer.json()["errcode"] == 41001


def test_loopback_only(sandbox):
    assert sandbox.base_url == f"http://127.0.0.1:{sandbox.port}"
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", sandbox.port), timeout=1).close()


def test_calls_are_logged_without_secrets(sandbox, client):
    client.post("batch/get_by_user", userid_list=["amy"])
    client.get("list", userid="cat")
    login, batch, listed = sandbox.calls
    assert (login.api, dict(login.args), login.errcode) == ("gettoken", {"corpid": "demo"}, 0)
    assert (batch.api, batch.args["userid_list"]) == ("externalcontact/batch/get_by_user", ["amy"])
    assert (listed.method, listed.errcode, listed.fault, listed.at) == ("GET", 84061, None, NOW)
    sandbox.forget_calls()
    assert sandbox.calls == []


def test_the_clock_moves_and_tokens_age_with_it(sandbox, client):
    sandbox.set_clock(datetime(2025, 10, 11, 2, 0))
    assert sandbox.now == NOW + 33 * 3600
    assert client.code() == 42001
    client.login()
    assert "wm-tomorrow" in client.get("list", userid="amy").json()["external_userid"]
    sandbox.set_clock(None)
    assert abs(sandbox.now - time.time()) < 5


def test_state_survives_and_the_port_can_be_taken_again(world_file):
    with running_sandbox(world_file, clock=NOW) as first:
        port = first.port
        edge = {"userid": "amy", "external_userid": "wm0005"}
        assert Client(first).post("mark_tag", **edge, add_tag=["et-active"]).json()["errcode"] == 0
        with (
            pytest.raises(SandboxError, match=str(port)),
            running_sandbox(world_file, port=port, state=world_file.parent / "other" / "state.json"),
        ):
            pass
    with running_sandbox(world_file, clock=NOW, port=port) as second:
        shown = Client(second).get("get", external_userid="wm0005").json()["follow_user"]
        assert [tag["tag_id"] for tag in shown[0]["tags"]] == ["et-active"]


# faults


def test_token_dies_early(sandbox, client):
    sandbox.add_fault(Fault("token_dies", skip=1))
    assert [client.code(), client.code(), client.code()] == [0, 42001, 42001]
    old = client.token
    client.login()
    assert client.token != old
    assert client.code() == 0


def test_busy_n_times_then_well(sandbox, client):
    sandbox.add_fault(Fault("busy", times=3, api="externalcontact/get_follow_user_list"))
    assert [client.code() for _ in range(4)] == [-1, -1, -1, 0]
    assert [call.fault for call in sandbox.calls[1:]] == ["busy", "busy", "busy", None]


def test_any_code_for_one_member(sandbox, client):
    sandbox.add_fault(Fault("errcode", errcode=60011, where={"userid": "amy"}))
    sandbox.add_fault(Fault("rate_limited", where={"userid_list": "ben"}))
    assert client.get("list", userid="ben").json()["errcode"] == 0
    assert client.get("list", userid="amy").json()["errcode"] == 60011
    assert client.get("list", userid="amy").json()["errcode"] == 0
    assert client.post("batch/get_by_user", userid_list=["amy"]).json()["errcode"] == 0
    assert client.post("batch/get_by_user", userid_list=["amy", "ben"]).json()["errcode"] == 45009


def test_done_but_never_answered(sandbox, client):
    sandbox.add_fault(Fault("timeout", api="*/add_msg_template"))
    message = {"sender": "amy", "external_userid": ["wm0001"], "text": {"content": "x"}}
    client.http.timeout = httpx.Timeout(0.3)
    with pytest.raises(httpx.ReadTimeout):
        client.post("add_msg_template", **message)
    client.http.timeout = httpx.Timeout(5)
    records = client.post("get_groupmsg_list_v2", start_time=NOW - 60, end_time=NOW + 60).json()[
        "group_msg_list"
    ]
    assert len(records) == 1  # the task exists although the caller never heard of it
    assert (sandbox.calls[1].errcode, sandbox.calls[1].fault) == (None, "timeout")


def test_silence_ends_when_the_sandbox_stops(world_file):
    with running_sandbox(world_file, clock=NOW, faults=[Fault("timeout", api="*/list")]) as sandbox:
        raw = socket.create_connection(("127.0.0.1", sandbox.port))
        raw.sendall(b"GET /cgi-bin/externalcontact/list HTTP/1.1\r\nHost: x\r\n\r\n")
        while not sandbox.calls:
            time.sleep(0.01)
        started = time.monotonic()
    assert time.monotonic() - started < 2
    raw.close()


def test_an_html_page_with_status_200(sandbox, client):
    sandbox.add_fault(Fault("html", api="*/list"))
    answer = client.get("list", userid="amy")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.text.startswith("<html>")
    assert client.get("list", userid="amy").json()["errcode"] == 0


@pytest.mark.parametrize("after", [False, True])
def test_connection_reset(sandbox, client, after):
    sandbox.add_fault(Fault("reset", api="*/mark_tag", after=after))
    edge = {"userid": "amy", "external_userid": "wm0005"}
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        client.post("mark_tag", **edge, add_tag=["et-active"])
    shown = client.get("get", external_userid="wm0005").json()["follow_user"][0]
    assert bool(shown["tags"]) is after


def page_through(client):
    got, cursor = [], ""
    while True:
        page = client.post("batch/get_by_user", userid_list=["amy"], limit=100, cursor=cursor).json()
        got += [row["external_contact"]["external_userid"] for row in page["external_contact_list"]]
        cursor = page["next_cursor"]
        if not cursor:
            return got


def test_a_row_moves_between_pages(sandbox, client):
    listed = client.get("list", userid="amy").json()["external_userid"]
    sandbox.add_fault(Fault("row_moves"))
    again = page_through(client)
    assert (len(again), sorted(set(again))) == (231, sorted(listed))
    assert again[99] == again[100]
    sandbox.add_fault(Fault("row_moves", lost=True))
    lost = page_through(client)
    assert (len(lost), len(set(lost))) == (229, 229)
    assert set(listed) - set(lost) == {listed[100]}  # the member's plain list still has it
    assert page_through(client) == listed


def test_success_with_a_warning(sandbox, client):
    sandbox.add_fault(Fault("warning"))
    answer = client.get("list", userid="amy").json()
    assert (answer["errcode"], answer["errmsg"]) == (0, "Warning: wrong json format. ok")


def test_faults_can_be_taken_back(sandbox, client):
    sandbox.add_fault(Fault("busy", times=99))
    assert client.code() == -1
    sandbox.clear_faults()
    assert client.code() == 0


def test_faults_from_a_file(tmp_path):
    path = tmp_path / "faults.json"
    path.write_text(json.dumps([{"kind": "busy", "times": 2}, {"kind": "row_moves", "lost": True}]))
    assert load_faults(path) == [Fault("busy", times=2), Fault("row_moves", lost=True)]
    for text, says in [
        ('[{"kind": "earthquake"}]', "第 1 项：.*earthquake"),
        ('[{"kind": "busy"}, {"kind": "busy", "time": 2}]', "第 2 项：.*time"),
        ("[{}]", "kind"),
        ("{}", "列表"),
        ("[", "JSON"),
        ('[{"kind": "busy", "times": 0}]', "times"),
    ]:
        path.write_text(text)
        with pytest.raises(SandboxError, match=says):
            load_faults(path)


# limits


def test_limits_are_per_api(world_file):
    with running_sandbox(world_file, clock=NOW, limits=Limits(per_minute=3)) as sandbox:
        client = Client(sandbox)
        assert [client.code() for _ in range(5)] == [0, 0, 0, 45009, 45009]
        assert client.get("list", userid="amy").json()["errcode"] == 0


def test_a_block_lasts_as_long_as_its_window():
    clock = [0.0]
    limiter = RateLimiter(Limits(per_minute=2, per_hour=5, gettoken_per_hour=1), monotonic=lambda: clock[0])
    assert [limiter.allow("a") for _ in range(3)] == [True, True, False]
    clock[0] = 59.9
    assert not limiter.allow("a")
    clock[0] = 60
    assert [limiter.allow("a") for _ in range(2)] == [True, True]
    clock[0] = 130
    assert [limiter.allow("a") for _ in range(2)] == [True, False]  # five in this hour
    clock[0] = 130 + 3599
    assert not limiter.allow("a")
    clock[0] = 130 + 3600
    assert limiter.allow("a")
    assert [limiter.allow("gettoken") for _ in range(2)] == [True, False]


# the command


def test_the_command_serves_until_it_is_stopped(world_file):
    chain = world_file.parent.parent
    code = "from dagster_project.cli.sandbox import sandbox; sandbox()"
    arguments = ["--chain", str(chain), "--port", "0", "--at", "2025-10-09 17:00", "--secret", "demo"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        line = process.stdout.readline()
        url = line.split("：")[1].split("（")[0]
        answer = httpx.get(f"{url}/cgi-bin/gettoken", params={"corpid": "demo", "corpsecret": "demo"}).json()
        assert answer["errcode"] == 0
        process.send_signal(signal.SIGINT)
        assert "共收到 1 次调用" in process.stdout.read()
    assert process.returncode == 0
    assert (world_file.parent / "state.json").exists()


def test_the_command_says_what_is_missing(tmp_path):
    from click.testing import CliRunner

    from dagster_project.cli.sandbox import sandbox as command

    result = CliRunner().invoke(command, ["--chain", str(tmp_path)])
    assert result.exit_code == 1
    assert "wecom_world.json" in result.output
