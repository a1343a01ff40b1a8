"""Group chats and bulk messages. A message call only makes a task: members send it, or do not (`delivery.py`)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from dagster_project.sandbox.corp import Ask
from dagster_project.sandbox.delivery import confirmed_at, outcome
from dagster_project.sandbox.errors import ApiError
from dagster_project.sandbox.paging import decode_cursor, scope_of, take_page
from dagster_project.sandbox.world import Contact, Follow

ATTACHMENTS = ("image", "link", "miniprogram", "video", "file")
MONTH = 31 * 86400
Answer = dict[str, Any]


# group chats


def groupchat_list(ask: Ask) -> Answer:
    status = ask.integer("status_filter", 0)
    if status not in (0, 1, 2, 3):
        raise ApiError(40058, "status_filter: invalid")
    limit = ask.integer("limit")
    if not 1 <= limit <= 1000:
        raise ApiError(40058, "limit: invalid")
    owner_filter = ask.args.get("owner_filter") or {}
    if not isinstance(owner_filter, dict):
        raise ApiError(40058, "owner_filter: object is required")
    owners = Ask(ask.corp, ask.api, owner_filter, ask.now).texts("userid_list", at_most=100)
    chats = sorted(
        ((chat.create_time, chat.chat_id), chat)
        for chat in ask.corp.world.group_chats.values()
        if chat.create_time <= ask.now and (not owners or chat.owner in owners) and status in (0, chat.status)
    )
    scope = scope_of(ask.api, status, owners)
    after = decode_cursor(scope, ask.text("cursor", missing=None))
    page, cursor = take_page(chats, scope=scope, after=after, limit=limit, moved=ask.moved)
    return {
        "group_chat_list": [{"chat_id": chat.chat_id, "status": chat.status} for chat in page],
        "next_cursor": cursor,
    }


def groupchat_get(ask: Ask) -> Answer:
    chat = ask.chat(ask.text("chat_id"))
    if chat is None:
        raise ApiError(40050, "chatid not exist")
    with_name = ask.integer("need_name", 0) == 1
    members = []
    for member in chat.members:
        if not member.present(ask.now):
            continue
        shown: Answer = {
            "userid": member.userid,
            "type": member.type,
            "join_time": member.join_time,
            "join_scene": member.join_scene,
            "group_nickname": "",
        }
        if member.type == 2 and member.unionid:
            shown["unionid"] = member.unionid
        if member.invitor:
            shown["invitor"] = {"userid": member.invitor}
        if member.state:
            shown["state"] = member.state
        if with_name:
            shown["name"] = member.name
        members.append(shown)
    version = hashlib.sha256("|".join(member["userid"] for member in members).encode()).hexdigest()[:32]
    return {
        "group_chat": {
            "chat_id": chat.chat_id,
            "name": chat.name,
            "owner": chat.owner,
            "create_time": chat.create_time,
            "notice": "",
            "member_list": members,
            "admin_list": [{"userid": chat.owner}],
            "member_version": version,
        }
    }


# making a task


def _check_content(ask: Ask) -> tuple[Answer, list[Answer]]:
    text = ask.args.get("text") or {}
    attachments = ask.args.get("attachments") or []
    if not isinstance(text, dict) or not isinstance(attachments, list):
        raise ApiError(40058, "text: object, attachments: array is required")
    content = text.get("content") or ""
    if not isinstance(content, str):
        raise ApiError(40058, "text.content: string is required")
    if len(content.encode()) > 4000:
        raise ApiError(45002, "content size out of limit")
    if not content and not attachments:
        raise ApiError(44004, "empty content")
    if len(attachments) > 9:
        raise ApiError(41064, "attachments count exceed limit")
    for attachment in attachments:
        kind = attachment.get("msgtype") if isinstance(attachment, dict) else None
        if kind not in ATTACHMENTS or not isinstance(attachment.get(kind), dict):
            raise ApiError(41065, "invalid attachment type")
    return ({"content": content} if content else {}), attachments


def _tag_filter(ask: Ask) -> list[set[str]]:
    """Groups of tag ids: a customer needs one of each group."""
    given = ask.args.get("tag_filter") or {}
    groups = given.get("group_list") or [] if isinstance(given, dict) else None
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        raise ApiError(40058, "tag_filter: invalid")
    wanted = [set(Ask(ask.corp, ask.api, group, ask.now).texts("tag_list", at_most=100)) for group in groups]
    if set().union(*wanted) - set(ask.corp.tags(ask.now)):
        raise ApiError(40068, "invalid tagid")
    return wanted


def _customers(ask: Ask, sender: str) -> tuple[dict[str, list[str]], list[str]]:
    """Who gets the task, by member, and the customers nobody can send to.

    Without `sender` a customer of several members goes to one of them; the vendor takes who talked last, which the
    world does not know, so it is who added last.
    """
    given = list(dict.fromkeys(ask.texts("external_userid", at_most=10_000)))
    if not given and not sender:
        raise ApiError(40063, "external_userid and sender can not be both empty")
    wanted = _tag_filter(ask)
    known = ask.corp.tags(ask.now)
    targets: dict[str, list[str]] = {}
    failed: list[str] = []

    def assign(contact: Contact, follow: Follow) -> None:
        held = set(ask.corp.tag_ids(contact, follow, known, ask.now))
        if all(held & group for group in wanted):
            targets.setdefault(follow.userid, []).append(contact.external_userid)

    if not given:
        for _, contact, follow in ask.corp.world.edges.get(sender, ()):
            if follow.stands(ask.now):
                assign(contact, follow)
    strangers = 0
    for external in given:
        customer = ask.corp.world.contacts.get(external)
        standing = [each for each in (customer.follow if customer else ()) if each.stands(ask.now)]
        strangers += not standing
        able = [each for each in standing if not sender or each.userid == sender]
        if customer is None or not able:
            failed.append(external)
            continue
        assign(customer, max(able, key=lambda each: (each.createtime, each.userid)))
    if given and strangers == len(given):
        raise ApiError(40096, "invalid external userid", {"fail_list": []})
    return targets, failed


def _chats(ask: Ask, sender: str) -> tuple[dict[str, list[str]], list[str]]:
    given = list(dict.fromkeys(ask.texts("chat_id_list", at_most=2000)))
    own = sorted(
        chat.chat_id
        for chat in ask.corp.world.group_chats.values()
        if chat.owner == sender and chat.create_time <= ask.now
    )
    failed = [chat_id for chat_id in given if chat_id not in own]
    chosen = [chat_id for chat_id in given if chat_id in own] if given else own
    return ({sender: chosen} if chosen else {}), failed


def add_msg_template(ask: Ask) -> Answer:
    """Makes a task. The same payload sent twice is two tasks, with two msgids: the vendor has no idempotency.

    msgid is a digest of corp, payload and how many tasks had this payload before.
    """
    chat_type = ask.text("chat_type", missing=None) or "single"
    if chat_type not in ("single", "group"):
        raise ApiError(40058, "chat_type: invalid")
    text, attachments = _check_content(ask)
    sender = ask.member("sender") if chat_type == "group" or ask.args.get("sender") else ""
    targets, failed = _customers(ask, sender) if chat_type == "single" else _chats(ask, sender)
    if not targets:
        raise ApiError(41048, "no customer to send", {"fail_list": failed})
    payload = json.dumps(
        {name: value for name, value in ask.args.items() if name != "access_token"},
        ensure_ascii=False,
        sort_keys=True,
    )
    digest = hashlib.sha256(f"{ask.corp.world.corp_id}|{payload}".encode()).hexdigest()
    before = sum(message["payload"] == digest for message in ask.corp.state.messages.values())
    msgid = "msg" + hashlib.sha256(f"{digest}|{before}".encode()).hexdigest()[:29]
    message = {
        "msgid": msgid,
        "payload": digest,
        "chat_type": chat_type,
        "creator": sender,
        "create_time": ask.now,
        "text": text,
        "attachments": attachments,
        "targets": targets,
    }
    ask.corp.state.commit({"kind": "message", "message": message})
    return {"fail_list": failed, "msgid": msgid}


# reading tasks back


def _message(ask: Ask) -> Answer:
    message = ask.corp.state.messages.get(ask.text("msgid", missing=41046))
    if message is None or message["create_time"] > ask.now:
        raise ApiError(41047, "invalid groupmsg id")
    return message


def _limit(ask: Ask, default: int, most: int) -> int:
    """Result lists read a limit that is too large as the default, as the vendor documents."""
    limit = ask.integer("limit", default)
    return limit if 1 <= limit <= most else default


def get_groupmsg_list_v2(ask: Ask) -> Answer:
    chat_type = ask.text("chat_type", missing=None) or "single"
    start, end = ask.integer("start_time"), ask.integer("end_time")
    if end < start or end - start > MONTH:
        raise ApiError(40058, "start_time and end_time: at most one month")
    creator = ask.text("creator", missing=None)
    filter_type = ask.integer("filter_type", 2)
    shown = sorted(
        ((message["create_time"], msgid), message)
        for msgid, message in ask.corp.state.messages.items()
        if message["chat_type"] == chat_type
        and start <= message["create_time"] <= min(end, ask.now)
        and creator in ("", message["creator"])
        and filter_type != 1  # 1: made by members themselves; calls only make the corp's
    )
    scope = scope_of(ask.api, chat_type, start, end, creator, filter_type)
    after = decode_cursor(scope, ask.text("cursor", missing=None))
    page, cursor = take_page(shown, scope=scope, after=after, limit=_limit(ask, 50, 100), moved=ask.moved)
    records = []
    for message in page:
        record = {
            "msgid": message["msgid"],
            "create_time": message["create_time"],
            "create_type": 0,
            "text": message["text"],
            "attachments": message["attachments"],
        }
        if message["creator"]:
            record["creator"] = message["creator"]
        records.append(record)
    return {"group_msg_list": records, "next_cursor": cursor}


def get_groupmsg_task(ask: Ask) -> Answer:
    message = _message(ask)
    tasks = []
    for sender in sorted(message["targets"]):
        at = confirmed_at(message, sender, ask.corp.delivery)
        sent = at is not None and at <= ask.now
        tasks.append(
            ((sender,), {"userid": sender, "status": 2 if sent else 0} | ({"send_time": at} if sent else {}))
        )
    scope = scope_of(ask.api, message["msgid"])
    after = decode_cursor(scope, ask.text("cursor", missing=None))
    page, cursor = take_page(tasks, scope=scope, after=after, limit=_limit(ask, 500, 1000), moved=ask.moved)
    return {"task_list": page, "next_cursor": cursor}


def get_groupmsg_send_result(ask: Ask) -> Answer:
    message, sender = _message(ask), ask.member()
    target_name = "external_userid" if message["chat_type"] == "single" else "chat_id"
    scope = scope_of(ask.api, message["msgid"], sender)
    after = decode_cursor(scope, ask.text("cursor", missing=None))
    page, cursor = take_page(
        (((target,), target) for target in sorted(message["targets"].get(sender, ()))),
        scope=scope,
        after=after,
        limit=_limit(ask, 500, 1000),
        moved=ask.moved,
    )
    rows = []
    for target in page:
        status, send_time = outcome(
            message,
            sender,
            target,
            now=ask.now,
            state=ask.corp.state,
            world=ask.corp.world,
            delivery=ask.corp.delivery,
        )
        row = {target_name: target, "userid": sender, "status": status}
        rows.append(row | ({"send_time": send_time} if send_time is not None else {}))
    return {"send_list": rows, "next_cursor": cursor}
