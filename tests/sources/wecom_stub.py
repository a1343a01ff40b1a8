"""A few-line WeCom for tests: answers from Python data, keeps what it was asked."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import httpx
from vendor_stub import Clock, following, reply

from dagster_project.sources import WecomClient

SECRET = "s3cret-of-the-app"
Answer = dict[str, Any] | bytes | int | Exception


class Stub:
    """`on(api, …)` queues answers for one API; the last one repeats. A callable gets the request's body."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Any]] = defaultdict(list)
        self.asked: list[tuple[str, dict[str, Any], httpx.URL]] = []
        self.tokens = 0
        self.clock = Clock()

    def on(self, api: str, *answers: Answer | Callable[[dict[str, Any]], Answer]) -> Stub:
        self.answers[api] = list(answers)
        return self

    def client(self, **options: Any) -> WecomClient:
        return WecomClient(
            "http://wecom.test",
            "corp1",
            SECRET,
            httpx.MockTransport(self._handle),
            sleep=self.clock.sleep,
            clock=self.clock,
            **options,
        )

    def bodies(self, api: str) -> list[dict[str, Any]]:
        return [body for name, body, _ in self.asked if name == api]

    def _handle(self, request: httpx.Request) -> httpx.Response:
        api = request.url.path.removeprefix("/cgi-bin/").removeprefix("externalcontact/")
        body = json.loads(request.content) if request.content else {}
        self.asked.append((api, body, request.url))
        if api == "gettoken" and api not in self.answers:
            self.tokens += 1
            return httpx.Response(200, json=token(f"token-{self.tokens}"))
        queue = self.answers[api]
        if not queue:
            return httpx.Response(404, text="not found")
        return reply(following(queue, body))


def token(value: str = "token-1", lifetime: int = 7200) -> dict[str, Any]:
    return {"errcode": 0, "errmsg": "ok", "access_token": value, "expires_in": lifetime}


def ok(**fields: Any) -> dict[str, Any]:
    return {"errcode": 0, "errmsg": "ok", **fields}


def err(code: int) -> dict[str, Any]:
    return {"errcode": code, "errmsg": "refused, hint: [1], from ip: 10.0.0.1"}


def contact(userid: str, external: str, **relation: Any) -> dict[str, Any]:
    """One item of batch/get_by_user."""
    return {
        "external_contact": {
            "external_userid": external,
            "name": "张三",
            "type": 1,
            "unionid": f"u-{external}",
        },
        "follow_info": {
            "userid": userid,
            "remark": "张三 楼下",
            "createtime": 1_525_779_812,
            "tag_id": [],
            "remark_mobiles": [],
            "add_way": 1,
            "oper_userid": userid,
            "state": "store01",
            **relation,
        },
    }
