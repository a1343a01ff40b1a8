"""The push of the evening markdown: on the day itself, before it begins, and of nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest
from push_world import L2, D, FakeWecom, World, at

from dagster_project.activation import PushError, PushReport
from dagster_project.config import load_chain

Push = Callable[..., PushReport]
EVENING = "evening_markdown"


@pytest.fixture
def near(world: World) -> World:
    world.member("m1", followed_by=["mgr1"], openid="o1", campaign=EVENING)
    world.member("m2", followed_by=["mgr2"], campaign=EVENING)
    world.member("m3", followed_by=["mgr1"], openid="o3", campaign=L2)
    world.member("m4", openid="o4", campaign=EVENING)
    return world


def test_the_evening_is_pushed_on_its_own_day_without_coupons(near: World, push: Push) -> None:
    client = FakeWecom()
    report = push(client, is_evening=True)
    assert client.received() == {"wm_m1": 1, "wm_m2": 1}
    assert report.effects == {"tag": 2, "message": 2}
    assert report.outcomes == {"awaiting_staff": 2, "unreachable": 1}
    assert report.cost_fen == 0
    [evening] = [campaign for campaign in report.campaigns if campaign.campaign_id == EVENING]
    assert evening.at == datetime(D.year, D.month, D.day, 16, 30)
    assert not list((near.chain.root / "exports").glob("coupons/evening*"))
    push(client, is_evening=True)
    assert client.received() == {"wm_m1": 1, "wm_m2": 1}


def test_the_push_of_the_night_leaves_the_evening_alone(near: World, push: Push) -> None:
    client = FakeWecom()
    push(client)
    assert client.received() == {"wm_m3": 1}


@pytest.mark.parametrize(("hour", "minute"), [(17, 0), (17, 1)])
def test_an_evening_that_has_begun_is_not_told_of(near: World, push: Push, hour: int, minute: int) -> None:
    client = FakeWecom()
    for live in (True, False):
        with pytest.raises(PushError, match="17:00 已经开始"):
            push(client, live=live, is_evening=True, at=at(hour, minute, day=D))
    assert client.calls == []
    push(client, is_evening=True, at=at(16, 59, day=D))
    assert client.received() == {"wm_m1": 1, "wm_m2": 1}


def test_real_customers_are_told_by_the_clock_on_the_wall(near: World, push: Push) -> None:
    """A push planned for 16:30 that a person starts at 17:01 is refused where real people are behind the endpoint."""
    config = near.chain.root / "chain.yml"
    text = config.read_text("utf-8")
    config.write_text(text.replace("http://127.0.0.1", "https://wecom.example"), "utf-8")
    near.chain = load_chain(near.chain.root)
    client = FakeWecom()
    zone = near.chain.zone
    late = datetime(D.year, D.month, D.day, 17, 1, tzinfo=zone)
    with pytest.raises(PushError, match="17:00 已经开始"):
        push(client, is_evening=True, clock=lambda: late)
    assert client.calls == []
    push(client, is_evening=True, clock=lambda: late.replace(hour=16, minute=40))
    assert client.received() == {"wm_m1": 1, "wm_m2": 1}


def test_the_text_names_the_item(world: World, push: Push) -> None:
    """Customers of one staff member who are told of the same item are one task."""
    rules = world.chain.root / "rules" / "campaigns.yml"
    rules.parent.mkdir(exist_ok=True)
    rules.write_text(
        "campaigns:\n  - {campaign_id: after, name: 搭配, trigger: after_order, holdout_percent: 0,"
        " channels: [wecom], tag: 搭配, text: '{item}和您买的很搭'}\n",
        "utf-8",
    )
    world.chain = load_chain(world.chain.root)
    for name, item in (("m1", "汤料"), ("m2", "玉米"), ("m3", "汤料")):
        world.member(name, followed_by=["mgr1"], campaign=None)
        world.candidate(name, "after", subject=item)
    client = FakeWecom()
    push(client)
    told = {tuple(sorted(task["to"])): task["text"].split("〔")[0] for task in client.tasks}
    assert told == {("wm_m1", "wm_m3"): "汤料和您买的很搭", ("wm_m2",): "玉米和您买的很搭"}


def test_a_call_is_nothing_to_push(world: World, push: Push) -> None:
    world.member("m1", followed_by=["mgr1"], openid="o1", outcome="awaiting_staff")
    client = FakeWecom()
    assert push(client).effects == {}
    assert client.calls == []


def test_an_evening_campaign_may_be_missing(near: World, push: Push) -> None:
    rules = near.chain.rules.model_copy(update={"campaigns": ()})
    near.chain = replace(near.chain, rules=rules)
    assert push(FakeWecom(), is_evening=True).effects == {}
