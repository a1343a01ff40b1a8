"""Cases 35 and 36 of the catalogue: what a vendor answers to a send, and what to do when it answers nothing."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "activation"))

from push_world import FakeWecom, World, make_chain, night_of, push_world

from dagster_project.activation import PushReport
from dagster_project.config import ConfigError, load_chain
from dagster_project.sandbox import Fault, running_sandbox
from dagster_project.sources import OutcomeUncertain, WecomClient

NOW = 1_763_686_400


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(make_chain(tmp_path / "chain"))
    monkeypatch.setattr("dagster_project.activation.run.read_inputs", night_of(made))
    return made


# ---- 35: SMS


@pytest.fixture
def sms_only(world: World) -> World:
    """A chain whose one target is SMS; `listener` below is its endpoint."""
    config = world.chain.root / "chain.yml"
    head = config.read_text("utf-8").split("targets:")[0]
    config.write_text(
        head + 'targets:\n  - {name: sms, kind: aliyun_sms, endpoint: "http://127.0.0.1:9", access_key_id: k,'
        " access_key_secret: s, sign_name: 邻里鲜}\n",
        "utf-8",
    )
    world.chain = load_chain(world.chain.root)
    return world


def test_case_35_an_sms_target_alone_is_no_usable_channel_and_sends_nothing(sms_only: World) -> None:
    """One code per call (Aliyun) and one result per number (Tencent) are read by senders, which this release lacks.

    What can be held today: the target is accepted in chain.yml, nobody is told to have been reached through it, no
    connection is opened to it, and a dry run says so before anything is sent.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = sms_only.chain.root / "chain.yml"
        config.write_text(config.read_text("utf-8").replace("http://127.0.0.1:9", endpoint), "utf-8")
        sms_only.chain = load_chain(sms_only.chain.root)
        target = sms_only.chain.target("aliyun_sms")
        assert target is not None and target.endpoint == endpoint
        for number in range(3):
            sms_only.member(f"m{number}", card=f"C{number}")
            sms_only.identifier(f"m{number}", "phone", f"token-{number}")
        for live in (False, True):
            report = push_world(sms_only, _no_client(), live=live)
            assert report.outcomes == {"unreachable": 3}
            assert report.effects.get("message", 0) == 0
        with pytest.raises(TimeoutError):
            listener.accept()
    assert sms_only.states("message") == {}


def _no_client() -> Any:
    class Never:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"asked a vendor: {name}")

    return Never()


def test_case_35_a_campaign_over_sms_is_refused_when_it_is_read(sms_only: World) -> None:
    rules = sms_only.chain.root / "rules"
    rules.mkdir(exist_ok=True)
    (rules / "campaigns.yml").write_text(
        "campaigns:\n  - campaign_id: x\n    name: 召回\n    trigger: churn_tier\n    tier: L2\n"
        "    offer: {template_id: A, kind: cash_off, amount_yuan: 8, threshold_yuan: 50, valid_hours: 24}\n"
        "    holdout_percent: 10\n    channels: [sms]\n    tag: 召回\n    text: 好久不见\n",
        "utf-8",
    )
    with pytest.raises(ConfigError) as refused:
        load_chain(sms_only.chain.root)
    assert "campaigns.yml" in str(refused.value) and "channels" in str(refused.value)


# ---- 36: a time-out on a send that would happen twice


def one_to_say(world: World, *steps: str, **plan: list[str]) -> FakeWecom:
    world.member("m1", followed_by=["mgr1"])
    return FakeWecom(plan={"add_msg_template": list(steps), **plan})


def pushed(world: World, client: FakeWecom) -> PushReport:
    client.calls.clear()
    return push_world(world, client)


def test_case_36_an_unknown_outcome_is_written_down_and_not_sent_again(world: World) -> None:
    client = one_to_say(world, "lost", groupmsg_list=["down"] * 6)
    for _ in range(3):
        report = pushed(world, client)
        assert report.outcomes == {"uncertain": 1}
        assert world.states("message") == {"m1": "uncertain"}
    assert client.received() == {"wm_m1": 1}
    assert "add_msg_template" not in client.calls  # the later pushes only asked


def test_case_36_a_query_finds_what_was_sent(world: World) -> None:
    client = one_to_say(world, "lost", groupmsg_list=["down"] * 6)
    pushed(world, client)
    client.plan.clear()
    assert pushed(world, client).outcomes == {"awaiting_staff": 1}
    assert client.received() == {"wm_m1": 1} and "add_msg_template" not in client.calls


def test_case_36_it_is_repeated_only_after_a_query_found_nothing(world: World) -> None:
    client = one_to_say(world, "silent", groupmsg_list=["down"] * 6)
    assert pushed(world, client).outcomes == {"uncertain": 1}
    client.plan.clear()
    for _ in range(5):  # it is looked up more than once before it is repeated
        outcomes = pushed(world, client).outcomes
        if outcomes != {"uncertain": 1}:
            break
        assert "groupmsg_list" in client.calls and client.received() == {}
    assert outcomes == {"awaiting_staff": 1}
    assert client.calls.index("groupmsg_list") < client.calls.index("add_msg_template")
    assert client.received() == {"wm_m1": 1}


def test_case_36_the_client_itself_never_repeats_a_send(tmp_path: Path) -> None:
    follow = {"userid": "amy", "createtime": NOW - 86_400, "add_way": 1, "oper_userid": "amy"}
    contact = {"external_userid": "wm1", "name": "邻居", "type": 1, "gender": 0, "follow": [follow]}
    path = tmp_path / "world.json"
    corp = {"corp_id": "demo", "staff": ["amy"], "contacts": [contact], "tag_groups": [], "group_chats": []}
    path.write_text(json.dumps(corp, ensure_ascii=False), "utf-8")
    lost = Fault("reset", api="externalcontact/add_msg_template", after=True)
    with (
        running_sandbox(path, clock=NOW, faults=[lost]) as sandbox,
        WecomClient(sandbox.base_url, "demo", "demo", sleep=lambda seconds: None) as client,
    ):
        with pytest.raises(OutcomeUncertain):
            client.add_msg_template("amy", ["wm1"], "今天的菜很新鲜")
        assert [call.api for call in sandbox.calls].count("externalcontact/add_msg_template") == 1
        assert len(client.groupmsg_list(NOW - 60, NOW + 60)) == 1  # it had been done
