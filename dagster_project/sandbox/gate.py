"""What every call passes before its handler: path, fault, limit, token. Pure of HTTP: arguments in, verdict out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dagster_project.sandbox import contacts, messages
from dagster_project.sandbox.clock import Clock
from dagster_project.sandbox.corp import Ask, Corp
from dagster_project.sandbox.errors import ApiError
from dagster_project.sandbox.faults import Fault, FaultPlan
from dagster_project.sandbox.limits import RateLimiter
from dagster_project.sandbox.paging import Moved

TOKEN_SECONDS = 7200
_SECRET_SHAPE = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True)
class Api:
    """One path of the vendor: its method and what answers it."""

    method: str
    handler: Callable[[Ask], dict[str, Any]]


APIS: Mapping[str, Api] = {
    "externalcontact/get_follow_user_list": Api("GET", contacts.get_follow_user_list),
    "externalcontact/list": Api("GET", contacts.list_external),
    "externalcontact/get": Api("GET", contacts.get_external),
    "externalcontact/batch/get_by_user": Api("POST", contacts.batch_get_by_user),
    "externalcontact/remark": Api("POST", contacts.remark),
    "externalcontact/get_corp_tag_list": Api("POST", contacts.get_corp_tag_list),
    "externalcontact/add_corp_tag": Api("POST", contacts.add_corp_tag),
    "externalcontact/mark_tag": Api("POST", contacts.mark_tag),
    "externalcontact/groupchat/list": Api("POST", messages.groupchat_list),
    "externalcontact/groupchat/get": Api("POST", messages.groupchat_get),
    "externalcontact/add_msg_template": Api("POST", messages.add_msg_template),
    "externalcontact/get_groupmsg_list_v2": Api("POST", messages.get_groupmsg_list_v2),
    "externalcontact/get_groupmsg_task": Api("POST", messages.get_groupmsg_task),
    "externalcontact/get_groupmsg_send_result": Api("POST", messages.get_groupmsg_send_result),
}


@dataclass
class Tokens:
    """The app's access token: the same one while it lives, dead after two hours or when a fault kills it."""

    corp_id: str
    secret: str
    _issued: int = 0
    _current: str = ""
    _expires_at: int = 0
    _past: set[str] = field(default_factory=set)

    def get(self, corp_id: str, secret: str, now: int) -> dict[str, Any]:
        if not corp_id:
            raise ApiError(41002, "missing corpid")
        if not secret:
            raise ApiError(41004, "missing corpsecret")
        if corp_id != self.corp_id:
            raise ApiError(40013, "invalid corpid")
        if secret != self.secret:
            # both codes are seen for a bad secret; which is which is not documented
            raise (
                ApiError(40001, "invalid credential")
                if _SECRET_SHAPE.fullmatch(secret)
                else ApiError(40091, "secret is invalid")
            )
        if not self._current or not self._alive(now):
            self.kill()
            self._issued += 1
            seed = f"{self.corp_id}|{self.secret}|{self._issued}|{now}"
            self._current = hashlib.sha512(seed.encode()).hexdigest()
            self._expires_at = now + TOKEN_SECONDS
        return {"access_token": self._current, "expires_in": self._expires_at - now}

    def _alive(self, now: int) -> bool:
        return self._expires_at - TOKEN_SECONDS <= now < self._expires_at  # the clock may be set back

    def kill(self) -> None:
        if self._current:
            self._past.add(self._current)
        self._current = ""

    def check(self, token: str, now: int) -> None:
        if not token:
            raise ApiError(41001, "access_token missing")
        if token in self._past or (token == self._current and not self._alive(now)):
            raise ApiError(42001, "access_token expired")
        if token != self._current:
            raise ApiError(40014, "invalid access_token")


@dataclass
class Gate:
    """Answers one call. `answer` never raises for what a caller sends."""

    corp: Corp
    clock: Clock
    tokens: Tokens
    limiter: RateLimiter
    faults: FaultPlan[Fault]

    def answer(
        self,
        api: str,
        method: str,
        args: Mapping[str, Any],
        token: str,
        fault: Fault | None,
        broken_json: bool,
    ) -> dict[str, Any]:
        """The JSON body, errcode included. `fault` is one of those that still answer in the vendor's envelope."""
        now = self.clock.now()
        try:
            if fault and fault.kind in ("busy", "rate_limited", "errcode"):
                code = {"busy": -1, "rate_limited": 45009}.get(fault.kind, fault.errcode)
                raise ApiError(code, {-1: "system busy", 45009: "api freq out of limit"}.get(code, "error"))
            if not self.limiter.allow(api):
                raise ApiError(45009, "api freq out of limit")
            if api == "gettoken":
                return _ok(self.tokens.get(_text(args, "corpid"), _text(args, "corpsecret"), now))
            if fault and fault.kind == "token_dies":
                self.tokens.kill()
            self.tokens.check(token, now)
            known = APIS[api]
            if broken_json or (known.method == "POST" and method != "POST"):
                raise ApiError(40058, "invalid Request Parameter")
            done = _ok(known.handler(Ask(self.corp, api, args, now, _moved(fault))))
        except ApiError as error:
            return self._refusal(error, api, now)
        if fault and fault.kind == "warning":
            done["errmsg"] = "Warning: wrong json format. ok"
        return done

    def _refusal(self, error: ApiError, api: str, now: int) -> dict[str, Any]:
        hint = f"{now}_{hashlib.sha256(api.encode()).hexdigest()[:12]}"
        more = f"more info at https://open.work.weixin.qq.com/devtool/query?e={error.errcode}"
        message = f"{error.message}, hint: [{hint}], from ip: 127.0.0.1, {more}"
        return {"errcode": error.errcode, "errmsg": message, **error.extra}


def _moved(fault: Fault | None) -> Moved | None:
    if fault is None or fault.kind != "row_moves":
        return None
    return "lost" if fault.lost else "again"


def _ok(body: dict[str, Any]) -> dict[str, Any]:
    return {"errcode": 0, "errmsg": "ok", **body}


def _text(args: Mapping[str, Any], name: str) -> str:
    value = args.get(name)
    return value if isinstance(value, str) else ""
