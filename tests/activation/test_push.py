"""One push end to end, against a WeCom that counts."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from push_world import FIRST, L2, D, FakeWecom, World, at

from dagster_project.activation import PushError, PushReport, pending_message_ids
from dagster_project.config import load_chain
from dagster_project.lake.feedback import journal_path, load_push_events

Push = Callable[..., PushReport]


@pytest.fixture
def crowd(world: World) -> World:
    world.member("m1", followed_by=["mgr1", "anna"], openid="o1", card="0012")
    world.member("m2", followed_by=["mgr2", "anna"])
    world.member("m3", openid="o3")
    world.member("m4")
    world.member("m5", consent=None, openid="o5")
    world.member("m6", consent="N", openid="o6")
    world.member("m7", openid="o7", arm="holdout", outcome="held_out")
    world.member("m8", followed_by=["anna"], store="S002", campaign=FIRST)
    return world


def _files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_dry_run_tells_all_and_writes_nothing(crowd: World, push: Push) -> None:
    before = _files(crowd.chain.root)
    dry = push(live=False)
    assert _files(crowd.chain.root) == before
    assert dry.outcomes == {"awaiting_staff": 3, "sent": 1, "unreachable": 1, "no_consent": 1, "opted_out": 1}
    assert dry.effects == {"coupon": 4, "tag": 3, "message": 3}
    assert dry.cost_fen == 3 * 800 + 500
    text = dry.render()
    for words in (
        "预演",
        "待店员在企业微信确认发送 2",
        "已进发券名单 1",
        "对照组，不打扰 1",
        "¥29.00",
        "138****8000",
        "撤回",
    ):
        assert words in text, text


def test_live_does_what_the_dry_run_said_and_a_second_one_nothing(crowd: World, push: Push) -> None:
    dry, client = push(live=False), FakeWecom()
    live = push(client)
    assert (live.outcomes, live.effects, live.cost_fen) == (dry.outcomes, dry.effects, dry.cost_fen)
    assert client.received() == {"wm_m1": 1, "wm_m2": 1, "wm_m8": 1}
    assert {(t["sender"], *t["to"]) for t in client.tasks} == {
        ("mgr1", "wm_m1"),  # the manager of her shop
        ("anna", "wm_m2"),  # nobody of S001 but the manager is known as its staff: the lowest id
        ("anna", "wm_m8"),
    }
    assert client.marked == {("mgr1", "wm_m1", "et0"), ("anna", "wm_m2", "et0"), ("anna", "wm_m8", "et1")}
    files, calls = _files(crowd.chain.root), list(client.calls)
    again = push(client)
    assert not again.effects and again.outcomes == live.outcomes
    assert _files(crowd.chain.root) == files and client.calls == calls
    assert "本次没有新的发送" in again.render()


def test_what_the_models_made_of_it_changes_nothing(crowd: World, push: Push) -> None:
    client = FakeWecom()
    live = push(client)
    for row in crowd.rows["candidates"]:
        if row["outcome"] == "quiet_hours":
            row["outcome"] = "awaiting_staff"
    again = push(client)
    assert again.outcomes == live.outcomes and not again.effects
    assert max(client.received().values()) == 1


def test_coupon_list_is_what_a_person_can_upload(crowd: World, push: Push) -> None:
    push(FakeWecom())
    folder = crowd.chain.paths.exports / "coupons" / L2 / "2026-11-20"
    content = (folder / "coupons.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = {row["券码"]: row for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig")))}
    assert list(rows["CCm1"]) == [
        *(
            "活动",
            "券模板",
            "券码",
            "小程序appid",
            "openid",
            "收银卡号",
            "手机(脱敏)",
            "面额(元)",
            "门槛(元)",
        ),
        *("有效期起", "有效期止", "原因", "幂等号"),
    ]
    assert set(rows) == {"CCm1", "CCm2", "CCm3"}
    one = rows["CCm1"]
    assert (one["小程序appid"], one["openid"], one["收银卡号"]) == ("wxgroup", "o1", "0012")
    assert one["手机(脱敏)"] == "\t138****8000"
    assert content.decode().count("\t") == sum(bool(row["手机(脱敏)"]) for row in rows.values())
    assert (one["面额(元)"], one["门槛(元)"]) == ("8.00", "50.00")
    assert (one["有效期起"], one["有效期止"]) == ("2026-11-21 10:00:00", "2026-11-22 10:00:00")
    assert one["原因"] == "流失分层 L2，上次消费 2026-11-05"
    about = json.loads((folder / "coupons.json").read_text("utf-8"))
    assert (about["rows"], about["sha256"]) == (3, hashlib.sha256(content).hexdigest())
    assert list(about["columns"]) == list(one)
    assert "不要用 Excel" in about["for"] and "不是邻里会员号" in about["columns"]["收银卡号"]
    events = load_push_events(crowd.chain.paths.lake).to_pylist()
    assert {e["payload_sha256"] for e in events if e["action"] == "coupon" and e["state"] == "accepted"} > {
        about["sha256"]
    }


def test_late_candidates_get_a_list_of_their_own(crowd: World, push: Push) -> None:
    client = FakeWecom()
    push(client)
    first = (crowd.chain.paths.exports / "coupons" / L2 / "2026-11-20" / "coupons.csv").read_bytes()
    crowd.member("m9", followed_by=["mgr1"], openid="o9")
    more = push(client)
    folder = crowd.chain.paths.exports / "coupons" / L2 / "2026-11-20"
    assert more.effects == {"coupon": 1, "tag": 1, "message": 1}
    assert (folder / "coupons.csv").read_bytes() == first
    assert (
        b"CCm9" in (folder / "coupons-2.csv").read_bytes()
        and b"CCm1" not in (folder / "coupons-2.csv").read_bytes()
    )
    assert set(client.received().values()) == {1}


def test_every_line_of_the_ledger_is_complete(crowd: World, push: Push) -> None:
    push(FakeWecom(fails={"wm_m2"}))
    for event in load_push_events(crowd.chain.paths.lake).to_pylist():
        assert event["business_date"] == D and event["at"].date() == date(2026, 11, 21)
        assert len(event["message_id"]) == 24 and len(event["payload_sha256"]) == 64
    assert crowd.states("message") == {"m1": "accepted", "m2": "rejected", "m8": "accepted"}
    assert crowd.states("decide") == {
        "m4": "skipped:unreachable",
        "m5": "skipped:no_consent",
        "m6": "skipped:opted_out",
    }
    assert "m7" not in {e["member_id"] for e in load_push_events(crowd.chain.paths.lake).to_pylist()}
    assert not load_push_events(crowd.chain.paths.lake, date(2026, 11, 19)).num_rows


def test_quiet_hours_put_off_and_do_not_use_up(crowd: World, push: Push) -> None:
    client = FakeWecom()
    night = push(client, at=at(21))
    assert night.outcomes["quiet_hours"] == 5 and not client.calls
    lines = journal_path(crowd.chain.paths.lake, D, L2).read_bytes()
    push(client, at=at(20, 30))
    assert journal_path(crowd.chain.paths.lake, D, L2).read_bytes() == lines
    day = push(client, at=at(20, 29))
    assert day.effects["message"] == 3 and day.outcomes["quiet_hours"] == 0


@pytest.mark.parametrize(
    ("wall", "words"),
    [(at(20, 31), "发送时段"), (at(9, 0, D), "还没到"), (at(10, 0, D + timedelta(days=2)), "过期")],
)
def test_a_real_endpoint_wants_the_hour_on_the_wall(
    crowd: World, push: Push, wall: datetime, words: str
) -> None:
    config = crowd.chain.root / "chain.yml"
    config.write_text(
        config.read_text("utf-8").replace("http://127.0.0.1:8701", "https://wecom.example"), "utf-8"
    )
    crowd.chain = load_chain(crowd.chain.root)
    client = FakeWecom()
    with pytest.raises(PushError, match=words):
        push(client, clock=lambda: wall.replace(tzinfo=crowd.chain.zone))
    assert not client.calls and not (crowd.chain.paths.lake).exists()
    push(client, clock=lambda: at(12).replace(tzinfo=crowd.chain.zone))
    assert len(client.tasks) == 3


def test_two_pushes_never_run_together(crowd: World, push: Push) -> None:
    with (crowd.chain.root / ".push.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(PushError, match="另一个推送"):
            push(FakeWecom())
    push(FakeWecom())


def test_without_a_wecom_target_the_coupon_list_remains(crowd: World, push: Push) -> None:
    config = crowd.chain.root / "chain.yml"
    text = config.read_text("utf-8")
    config.write_text(text[: text.index("targets:")], "utf-8")
    crowd.chain = load_chain(crowd.chain.root)
    report = push(None)
    assert report.outcomes == {"sent": 2, "unreachable": 3, "no_consent": 1, "opted_out": 1}


def test_results_are_asked_for_three_days(crowd: World, push: Push) -> None:
    push(FakeWecom())
    assert pending_message_ids(crowd.chain, D - timedelta(days=1)) == []
    for days in (0, 1, 4):
        assert pending_message_ids(crowd.chain, D + timedelta(days=days)) == ["msg0", "msg1", "msg2"]
    assert pending_message_ids(crowd.chain, D + timedelta(days=5)) == []


def test_text_tells_the_task_apart(crowd: World, push: Push) -> None:
    client = FakeWecom()
    push(client)
    texts = [task["text"] for task in client.tasks]
    assert len(set(texts)) == 3
    assert all("活动号" in text and len(text.encode()) <= 4000 for text in texts)
