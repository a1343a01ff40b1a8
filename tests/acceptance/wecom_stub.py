"""A tiny WeCom server of its own: standard library only, loopback, a free port; shapes from the vendor's documentation.

It is unkind within the rules: pages are short, one page is empty but goes on, the token dies in the middle of a run,
the first tag catalogue call is busy, one member of staff has nobody (84061) and one cannot be found (60111).
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

CORP, SECRET = "ww_harbour", "stub-secret"
_PAGE = 7  # rows per page, whatever was asked for
_TOKEN_LIFE = 9  # calls a token lives for, the first token only
_GET = {"gettoken", "externalcontact/get_follow_user_list", "externalcontact/list", "externalcontact/get"}


class WeComStub:
    """State and answers. `calls`: every (path, body) that carried a good token; `now`: what the vendor's clock says."""

    def __init__(self, world: dict[str, Any]) -> None:
        self.world = world
        self.now = datetime(2026, 11, 3, 10, 30)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.unknown: list[str] = []
        self.down = False
        self.send_status: dict[
            str, int
        ] = {}  # external_userid → 0 waiting, 1 sent, 2 no friend, 3 had one already
        self.unreachable: set[str] = set()  # add_msg_template puts these into fail_list
        self.tags: dict[str, dict[str, Any]] = {}  # tag id → {name, group}
        self.edges: dict[tuple[str, str], set[str]] = {}
        self.messages: list[dict[str, Any]] = []
        self.tokens = 0
        self._token_calls = 0
        self._expired = False
        self._busy = 1
        self.broken: set[str] = set()  # paths that answer -1 for ever
        self._lock = threading.Lock()

    def count(self, path: str) -> int:
        return sum(1 for called, _ in self.calls if called == path)

    def writes(self) -> Counter[str]:
        """Calls that change something at the vendor, by path."""
        changing = ("externalcontact/mark_tag", "externalcontact/add_corp_tag", "externalcontact/add_msg_template",
                    "externalcontact/edit_corp_tag", "externalcontact/del_corp_tag", "externalcontact/remark")  # fmt: skip
        return Counter(path for path, _ in self.calls if path in changing)

    def contacted(self) -> set[str]:
        """Customers somebody marked or wrote to."""
        out: set[str] = set()
        for path, body in self.calls:
            if path == "externalcontact/add_msg_template":
                out.update(body.get("external_userid", []))
            elif path == "externalcontact/mark_tag" and body.get("add_tag"):
                out.add(body["external_userid"])
        return out

    # ---- answering ----------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            if path == "gettoken":
                if query.get("corpid") != CORP:
                    return _error(40013, "invalid corpid")
                if query.get("corpsecret") != SECRET:
                    return _error(40091, "secret is invalid")
                if (
                    self._expired or not self.tokens
                ):  # asked again while it lives, the vendor gives the same one
                    self.tokens += 1
                    self._expired = False
                return _ok(access_token=f"tok-{self.tokens}", expires_in=7200)
            if "access_token" not in query:
                return _error(41001, "access_token missing")
            if query["access_token"] != f"tok-{self.tokens}":
                return _error(40014, "invalid access_token")
            self._token_calls += 1
            if self.tokens == 1 and self._token_calls > _TOKEN_LIFE:
                self._expired = True
                return _error(42001, "access_token expired")
            if method != ("GET" if path in _GET else "POST"):
                self.unknown.append(f"{method} {path}")
                return _error(43001 if method == "POST" else 43002, "require the other method")
            handler = getattr(self, "_" + path.replace("/", "_"), None)
            if handler is None:
                self.unknown.append(f"{method} {path}")
                return _error(48002, "api forbidden")
            result = _error(-1, "system busy") if path in self.broken else handler(query, body)
            if result["errcode"] == 0:
                self.calls.append((path, body))
            return result

    def _externalcontact_get_follow_user_list(
        self, query: dict[str, str], body: dict[str, Any]
    ) -> dict[str, Any]:
        return _ok(follow_user=self.world["staff"])

    def _externalcontact_list(self, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        userid = query.get("userid", "")
        if problem := self._staff_problem([userid]):
            return problem
        return _ok(
            external_userid=[c["external_userid"] for c in self.world["contacts"] if c["userid"] == userid]
        )

    def _externalcontact_get(self, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        rows = [c for c in self.world["contacts"] if c["external_userid"] == query.get("external_userid")]
        if not rows:
            return _error(40096, "invalid external userid")
        follows = [
            {k: row[k] for k in ("userid", "remark", "remark_mobiles", "createtime", "add_way")}
            | {"tags": [{"tag_id": t, "type": 1} for t in sorted(self._edge(row))]}
            for row in rows
        ]
        return _ok(external_contact=_customer(rows[0]), follow_user=follows)

    def _externalcontact_batch_get_by_user(
        self, query: dict[str, str], body: dict[str, Any]
    ) -> dict[str, Any]:
        users = body.get("userid_list", [])
        if not users or len(users) > 100 or body.get("limit", 50) > 100:
            return _error(40058, "bad userid_list or limit")
        if problem := self._staff_problem(users):
            return problem
        rows = [c for c in self.world["contacts"] if c["userid"] in users]
        start = int(body.get("cursor") or 0)
        if start == _PAGE and len(rows) > _PAGE and body["cursor"] == str(_PAGE):
            return _ok(
                external_contact_list=[], next_cursor=f"0{_PAGE}"
            )  # an empty page in the middle is no end
        page = rows[start : start + _PAGE]
        following = str(start + _PAGE) if start + _PAGE < len(rows) else ""
        return _ok(
            external_contact_list=[
                {
                    "external_contact": _customer(row),
                    "follow_info": {
                        "userid": row["userid"], "remark": row["remark"], "description": "", "createtime": row["createtime"],
                        "tag_id": sorted(self._edge(row)), "remark_mobiles": row["remark_mobiles"],
                        "add_way": row["add_way"], "oper_userid": row["userid"],
                    },
                }
                for row in page
            ],
            next_cursor=following,
        )  # fmt: skip

    def _externalcontact_get_corp_tag_list(
        self, query: dict[str, str], body: dict[str, Any]
    ) -> dict[str, Any]:
        if self._busy:
            self._busy -= 1
            return _error(-1, "system busy")
        return _ok(tag_group=[self._group(name) for name in sorted({t["group"] for t in self.tags.values()})])

    def _externalcontact_add_corp_tag(self, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        group = body.get("group_name") or "默认"
        names = [tag["name"] for tag in body["tag"]]
        if any(t["name"] in names and t["group"] == group for t in self.tags.values()):
            return _error(40071, "tag name already exists")
        for name in names:
            self.tags[f"et{len(self.tags):04d}"] = {"name": name, "group": group}
        return _ok(tag_group=self._group(group, names))

    def _externalcontact_mark_tag(self, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        if not body.get("add_tag") and not body.get("remove_tag"):
            return _error(40058, "no tag")
        if not any(
            c["userid"] == body["userid"] and c["external_userid"] == body["external_userid"]
            for c in self.world["contacts"]
        ):
            return _error(84061, "not external contact")
        if any(tag not in self.tags for tag in [*body.get("add_tag", []), *body.get("remove_tag", [])]):
            return _error(40068, "invalid tag")
        edge = self.edges.setdefault((body["userid"], body["external_userid"]), set())
        edge.update(body.get("add_tag", []))
        edge.difference_update(body.get("remove_tag", []))
        return _ok()

    def _externalcontact_groupchat_list(self, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        chats = self.world["chats"]
        start = int(body.get("cursor") or 0)
        return _ok(
            group_chat_list=[
                {"chat_id": c["chat_id"], "status": c["status"]} for c in chats[start : start + 1]
            ],
            next_cursor=str(start + 1) if start + 1 < len(chats) else "",
        )

    def _externalcontact_groupchat_get(self, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        chat = next((c for c in self.world["chats"] if c["chat_id"] == body.get("chat_id")), None)
        if chat is None:
            return _error(40050, "invalid chat_id")
        members: list[dict[str, Any]] = [
            {"userid": chat["owner"], "type": 1, "join_time": chat["create_time"], "join_scene": 1}
        ]
        for row in self.world["group_members"]:
            if row["chat_id"] == chat["chat_id"]:
                member = {k: row[k] for k in ("userid", "type", "join_time", "join_scene", "state")}
                members.append(
                    member | {"invitor": {"userid": row["invitor"]}} | _maybe(unionid=row["unionid"])
                )
        detail = {k: chat[k] for k in ("chat_id", "name", "owner", "create_time")}
        return _ok(group_chat=detail | {"notice": "", "member_list": members, "admin_list": []})

    def _externalcontact_add_msg_template(
        self, query: dict[str, str], body: dict[str, Any]
    ) -> dict[str, Any]:
        known = {(c["userid"], c["external_userid"]) for c in self.world["contacts"]}
        wanted = body.get("external_userid", [])
        sender = body.get("sender", "")
        fail = [e for e in wanted if e in self.unreachable or (sender and (sender, e) not in known)]
        if not wanted or len(fail) == len(wanted):
            return _error(41048, "no customer to send") | {"fail_list": fail}
        message = {"msgid": f"msg{len(self.messages):04d}", "sender": sender, "to": [e for e in wanted if e not in fail],
                   "text": body.get("text", {}).get("content", ""), "at": int(self.now.timestamp())}  # fmt: skip
        self.messages.append(message)
        return _ok(fail_list=fail, msgid=message["msgid"])

    def _externalcontact_get_groupmsg_list_v2(
        self, query: dict[str, str], body: dict[str, Any]
    ) -> dict[str, Any]:
        found = [m for m in self.messages if body["start_time"] <= m["at"] <= body["end_time"]]
        return _ok(
            group_msg_list=[
                {"msgid": m["msgid"], "creator": m["sender"], "create_time": m["at"], "create_type": 1, "text": {"content": m["text"]}}
                for m in found
            ],
            next_cursor="",
        )  # fmt: skip

    def _externalcontact_get_groupmsg_task(
        self, query: dict[str, str], body: dict[str, Any]
    ) -> dict[str, Any]:
        message = next((m for m in self.messages if m["msgid"] == body.get("msgid")), None)
        if message is None:
            return _error(40058, "invalid msgid")
        waiting = all(self.send_status.get(e, 0) == 0 for e in message["to"])
        return _ok(task_list=[{"userid": message["sender"], "status": 0 if waiting else 2}], next_cursor="")

    def _externalcontact_get_groupmsg_send_result(
        self, query: dict[str, str], body: dict[str, Any]
    ) -> dict[str, Any]:
        message = next((m for m in self.messages if m["msgid"] == body.get("msgid")), None)
        if message is None or body.get("userid") != message["sender"]:
            return _error(40058, "invalid msgid or userid")
        start = int(body.get("cursor") or 0)
        page = message["to"][start : start + _PAGE]
        rows = []
        for external in page:
            status = self.send_status.get(external, 0)
            rows.append({"external_userid": external, "userid": message["sender"], "status": status}
                        | ({"send_time": message["at"] + 600} if status == 1 else {}))  # fmt: skip
        more = start + _PAGE < len(message["to"])
        return _ok(send_list=rows, next_cursor=str(start + _PAGE) if more else "")

    def _staff_problem(self, users: list[str]) -> dict[str, Any] | None:
        if self.world["failing_staff"] in users or any(u not in self.world["staff"] for u in users):
            return _error(60111, "userid not found")
        if users == [self.world["empty_staff"]]:
            return _error(84061, "not external contact") | {"external_userid": []}
        return None

    def _edge(self, row: dict[str, Any]) -> set[str]:
        return self.edges.get((row["userid"], row["external_userid"]), set())

    def _group(self, name: str, only: list[str] | None = None) -> dict[str, Any]:
        tags = [
            {"id": i, "name": t["name"], "create_time": 1_780_000_000, "order": 1, "deleted": False}
            for i, t in sorted(self.tags.items())
            if t["group"] == name and (only is None or t["name"] in only)
        ]
        return {
            "group_id": f"eg-{name}",
            "group_name": name,
            "create_time": 1_780_000_000,
            "order": 1,
            "deleted": False,
            "tag": tags,
        }


def _customer(row: dict[str, Any]) -> dict[str, Any]:
    who = {
        "external_userid": row["external_userid"],
        "name": f"微信{row['external_userid']}",
        "type": 1,
        "gender": 0,
    }
    return who | _maybe(unionid=row["unionid"])


def _maybe(**values: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}


def _ok(**payload: Any) -> dict[str, Any]:
    return {"errcode": 0, "errmsg": "ok", **payload}


def _error(code: int, text: str) -> dict[str, Any]:
    return {"errcode": code, "errmsg": f"{text}, hint: [1700000000_1], from ip: 127.0.0.1"}


@contextmanager
def serving(stub: WeComStub):  # type: ignore[no-untyped-def]
    """Serves until the block ends; gives the base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _reply(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            if stub.down:
                payload, status = b"<html>bad gateway</html>", 502
            else:
                path = parts.path.removeprefix("/cgi-bin/")
                payload = json.dumps(
                    stub.answer(self.command, path, query, json.loads(raw or b"{}")), ensure_ascii=False
                ).encode()
                status = 200
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = _reply  # noqa: N815

        def log_message(self, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
