"""A small corp, and a caller that talks to the gate without HTTP (transport has its own tests)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dagster_project.sandbox.clock import Clock
from dagster_project.sandbox.corp import Corp
from dagster_project.sandbox.delivery import Delivery
from dagster_project.sandbox.faults import Fault, FaultPlan
from dagster_project.sandbox.gate import Gate, Tokens
from dagster_project.sandbox.limits import Limits, RateLimiter
from dagster_project.sandbox.state import State
from dagster_project.sandbox.world import load_world

NOW = 1_760_000_400  # 2025-10-09 17:00 in Beijing
DAY = 86_400


def follow(userid: str, createtime: int = NOW - 100 * DAY, **more: Any) -> dict[str, Any]:
    return {
        "userid": userid,
        "remark": "",
        "description": "",
        "createtime": createtime,
        "tag_id": [],
        "remark_mobiles": [],
        "add_way": 1,
        "oper_userid": userid,
        "state": "store01",
        **more,
    }


def contact(external_userid: str, *follows: dict[str, Any], **more: Any) -> dict[str, Any]:
    shown = {"external_userid": external_userid, "name": "邻居", "type": 1, "gender": 2, "unionid": None}
    return {**shown, "follow": list(follows), **more}


def a_world() -> dict[str, Any]:
    """amy has 230 customers, ben 40 (20 shared with amy), cat none."""
    contacts = [
        contact(f"wm{number:04d}", follow("amy", NOW - 90 * DAY + number), *shared)
        for number in range(230)
        for shared in [[follow("ben", NOW - 50 * DAY + number)] if number < 20 else []]
    ]
    contacts += [contact(f"wm9{number:03d}", follow("ben", NOW - 40 * DAY)) for number in range(20)]
    contacts[0] |= {"unionid": "o-first"}
    contacts[0]["follow"][0] |= {
        "tag_id": ["et-active", "et-later"],
        "remark": "3栋王阿姨",
        "remark_mobiles": ["13800138000"],
    }
    contacts.append(contact("wm-tomorrow", follow("amy", NOW + DAY)))
    contacts.append(contact("wm-gone", follow("amy", NOW - 10 * DAY, deleted_at=NOW - DAY)))
    return {
        "corp_id": "demo",
        "staff": ["amy", "ben", "cat"],
        "contacts": contacts,
        "tag_groups": [
            {
                "group_id": "et-group",
                "group_name": "活跃度",
                "tags": [
                    {"id": "et-active", "name": "活跃", "create_time": NOW - 200 * DAY},
                    {"id": "et-later", "name": "明天才有", "create_time": NOW + DAY},
                ],
            }
        ],
        "group_chats": [
            {
                "chat_id": f"wr{number}",
                "name": f"{number}号群",
                "owner": "amy" if number % 2 else "ben",
                "status": number % 4,
                "create_time": NOW - 30 * DAY + number,
                "members": [
                    {
                        "userid": "amy",
                        "type": 1,
                        "join_time": NOW - 30 * DAY,
                        "join_scene": 1,
                        "name": "amy",
                    },
                    {
                        "userid": "wm0000",
                        "type": 2,
                        "unionid": "o-first",
                        "join_time": NOW - 20 * DAY,
                        "join_scene": 1,
                        "invitor": {"userid": "amy"},
                        "name": "王阿姨",
                    },
                    {
                        "userid": "wm0001",
                        "type": 2,
                        "join_time": NOW + DAY,
                        "join_scene": 3,
                        "name": "明天来",
                    },
                ],
            }
            for number in range(7)
        ]
        + [
            {
                "chat_id": "wr-tomorrow",
                "name": "",
                "owner": "amy",
                "status": 0,
                "create_time": NOW + DAY,
                "members": [],
            }
        ],
    }


@pytest.fixture
def world_file(tmp_path: Path) -> Path:
    path = tmp_path / "sandbox" / "wecom_world.json"
    path.parent.mkdir()
    path.write_text(json.dumps(a_world(), ensure_ascii=False), encoding="utf-8")
    return path


class Caller:
    """Calls the gate as HTTP would: GET arguments and POST bodies are the same to it."""

    def __init__(self, world_file: Path, **settings: Any) -> None:
        world = load_world(world_file)
        self.state = State(world_file.with_name("state.json"), world.corp_id)
        self.gate = Gate(
            Corp(world, self.state, settings.get("delivery") or Delivery()),
            Clock(NOW),
            Tokens(world.corp_id, "demo"),
            settings.get("limiter") or RateLimiter(Limits()),
            FaultPlan(settings.get("faults") or ()),
        )
        self.token = self.raw("gettoken", corpid="demo", corpsecret="demo")["access_token"]

    def at(self, unix: int) -> None:
        self.gate.clock.set(unix)
        self.token = self.raw("gettoken", corpid="demo", corpsecret="demo")["access_token"]

    def raw(self, api: str, *, method: str = "POST", token: str = "", **args: Any) -> dict[str, Any]:
        fault = self.gate.faults.take(lambda fault: fault.matches(api, args))
        return self.gate.answer(api, method, args, token, fault, False)

    def __call__(self, api: str, **args: Any) -> dict[str, Any]:
        return self.raw(f"externalcontact/{api}", token=self.token, **args)

    def ok(self, api: str, **args: Any) -> dict[str, Any]:
        answer = self(api, **args)
        assert answer["errcode"] == 0, answer
        return answer

    def code(self, api: str, **args: Any) -> int:
        return int(self(api, **args)["errcode"])

    def pages(self, api: str, rows: str, **args: Any) -> list[dict[str, Any]]:
        """All rows, page after page; the reader every client has."""
        got: list[dict[str, Any]] = []
        cursor = ""
        while True:
            answer = self.ok(api, cursor=cursor, **args)
            got += answer[rows]
            cursor = answer["next_cursor"]
            if not cursor:
                return got


@pytest.fixture
def make_caller(world_file: Path) -> Iterator[Callable[..., Caller]]:
    made: list[Caller] = []

    def make(*, faults: list[Fault] | None = None, **settings: Any) -> Caller:
        for other in made:
            other.state.close()
        made.append(Caller(world_file, faults=faults, **settings))
        return made[-1]

    yield make
    for caller in made:
        caller.state.close()


@pytest.fixture
def call(make_caller: Callable[..., Caller]) -> Caller:
    return make_caller()
