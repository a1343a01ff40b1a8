"""Reads `wecom_world.json`, the corp as the simulator made it: staff, contacts, tags, group chats.

The world never changes while the sandbox runs; what calls changed lives in `state.py`. Records are slotted
objects made while the JSON is parsed, so that 100,000 contacts neither start slowly nor fill the memory.
"""

from __future__ import annotations

import gc
import json
from binascii import crc32
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

from dagster_project.lang import tr
from dagster_project.sandbox.errors import SandboxError


class Follow(NamedTuple):
    """One (member, customer) relation. Times are Unix seconds; `deleted_at` None means it still stands.

    `tag_times`: tags that were not there from the beginning to the end, with since when and (None: still) until when.
    """

    userid: str
    createtime: int
    remark: str
    description: str
    tag_id: tuple[str, ...]
    remark_mobiles: tuple[str, ...]
    add_way: int
    oper_userid: str
    state: str
    deleted_at: int | None
    tag_times: tuple[tuple[str, int, int | None], ...] = ()

    def tags(self, now: int) -> list[str]:
        """The tags the member had put on the customer by then, as the world has it."""
        later = [
            tag for tag, since, until in self.tag_times if since <= now and (until is None or until > now)
        ]
        return [*self.tag_id, *later]

    def stands(self, now: int) -> bool:
        return self.createtime <= now and (self.deleted_at is None or self.deleted_at > now)


class Contact(NamedTuple):
    """A customer of the corp with all relations to members. `type` 1 WeChat, 2 WeCom."""

    external_userid: str
    name: str
    type: int
    gender: int
    unionid: str | None
    follow: tuple[Follow, ...]

    def follow_of(self, userid: str, now: int) -> Follow | None:
        for follow in self.follow:
            if follow.userid == userid and follow.stands(now):
                return follow
        return None


class ChatMember(NamedTuple):
    """A member of a group chat. `type` 1 staff, 2 external."""

    userid: str
    type: int
    join_time: int
    join_scene: int
    unionid: str | None
    invitor: str | None
    name: str
    state: str
    left_at: int | None

    def present(self, now: int) -> bool:
        return self.join_time <= now and (self.left_at is None or self.left_at > now)


@dataclass(slots=True, frozen=True)
class GroupChat:
    chat_id: str
    name: str
    owner: str
    status: int
    create_time: int
    members: tuple[ChatMember, ...]


@dataclass(slots=True, frozen=True)
class Tag:
    id: str
    name: str
    create_time: int
    order: int = 0


@dataclass(slots=True, frozen=True)
class TagGroup:
    group_id: str
    group_name: str
    create_time: int
    tags: tuple[Tag, ...]
    order: int = 0


EdgeKey = tuple[int, str]


def edge_key(external_userid: str) -> EdgeKey:
    """Place of a customer in a member's list: stable, and not the order of adding (the vendor promises none)."""
    return crc32(external_userid.encode()), external_userid


@dataclass(slots=True, frozen=True)
class World:
    """The corp. `edges[userid]` are that member's (key, contact, relation), ordered by `edge_key`."""

    corp_id: str
    staff: tuple[str, ...]
    contacts: dict[str, Contact]
    edges: dict[str, list[tuple[EdgeKey, Contact, Follow]]]
    tag_groups: tuple[TagGroup, ...]
    group_chats: dict[str, GroupChat]


def _time(value: Any) -> int | None:
    return None if value is None else int(value)


def _record(raw: dict[str, Any]) -> Any:
    """Turns each JSON object into its record as soon as it is parsed; other objects stay dicts."""
    if "createtime" in raw and "userid" in raw:
        return Follow(
            userid=intern(raw["userid"]),
            createtime=int(raw["createtime"]),
            remark=raw.get("remark") or "",
            description=raw.get("description") or "",
            tag_id=tuple(map(intern, raw.get("tag_id") or ())),
            remark_mobiles=tuple(raw.get("remark_mobiles") or ()),
            add_way=int(raw.get("add_way") or 0),
            oper_userid=intern(raw.get("oper_userid") or ""),
            state=intern(raw.get("state") or ""),
            deleted_at=_time(raw.get("deleted_at")),
            tag_times=tuple(
                (intern(tag), int(since), _time(until)) for tag, since, until in raw.get("tag_times") or ()
            ),
        )
    if "external_userid" in raw:
        return Contact(
            external_userid=raw["external_userid"],
            name=raw.get("name") or "",
            type=int(raw.get("type", 1)),
            gender=int(raw.get("gender") or 0),
            unionid=raw.get("unionid") or None,
            follow=tuple(raw.get("follow") or ()),
        )
    if "join_time" in raw:
        return ChatMember(
            userid=raw["userid"],
            type=int(raw["type"]),
            join_time=int(raw["join_time"]),
            join_scene=int(raw.get("join_scene") or 0),
            unionid=raw.get("unionid") or None,
            invitor=(raw.get("invitor") or {}).get("userid"),
            name=raw.get("name") or "",
            state=raw.get("state") or "",
            left_at=_time(raw.get("left_at")),
        )
    return raw


def _tag_group(raw: dict[str, Any]) -> TagGroup:
    tags = tuple(
        Tag(tag["id"], tag["name"], int(tag["create_time"]), int(tag.get("order") or 0))
        for tag in raw["tags"]
    )
    created = raw.get("create_time")
    if created is None:  # a group is as old as its oldest tag when the file does not say
        created = min((tag.create_time for tag in tags), default=0)
    return TagGroup(raw["group_id"], raw["group_name"], int(created), tags, int(raw.get("order") or 0))


def _group_chat(raw: dict[str, Any]) -> GroupChat:
    return GroupChat(
        chat_id=raw["chat_id"],
        name=raw.get("name") or "",
        owner=raw["owner"],
        status=int(raw.get("status") or 0),
        create_time=int(raw["create_time"]),
        members=tuple(raw.get("members") or ()),
    )


def _edges(contacts: list[Contact]) -> dict[str, list[tuple[EdgeKey, Contact, Follow]]]:
    edges: dict[str, list[tuple[EdgeKey, Contact, Follow]]] = {}
    for contact in contacts:
        key = edge_key(contact.external_userid)
        for follow in contact.follow:
            if not isinstance(follow, Follow):
                raise ValueError(f"contact {contact.external_userid}: a follow lacks userid or createtime")
            edges.setdefault(follow.userid, []).append((key, contact, follow))
    for rows in edges.values():
        rows.sort(key=lambda row: (row[0], row[2].createtime))
    return edges


def load_world(path: Path) -> World:
    """The world in a JSON file (shape: docs of the simulator). `SandboxError` names file and what is wrong."""
    collecting = gc.isenabled()
    gc.disable()  # nothing here is garbage, and the collector would walk every record again and again
    try:
        raw = json.loads(path.read_bytes(), object_hook=_record)
        contacts: list[Contact] = raw.get("contacts") or []
        strays = [contact for contact in contacts if not isinstance(contact, Contact)]
        if strays:
            raise ValueError("a contact lacks external_userid")
        return World(
            corp_id=raw["corp_id"],
            staff=tuple(map(intern, raw["staff"])),
            contacts={contact.external_userid: contact for contact in contacts},
            edges=_edges(contacts),
            tag_groups=tuple(_tag_group(group) for group in raw.get("tag_groups") or ()),
            group_chats={chat["chat_id"]: _group_chat(chat) for chat in raw.get("group_chats") or ()},
        )
    except FileNotFoundError as error:
        raise SandboxError(
            tr(
                f"{path}：没有这个文件，先用 linli simulate 或 linli demo 生成",
                f"{path}: no such file; make it with linli simulate",
            )
        ) from error
    except json.JSONDecodeError as error:
        raise SandboxError(
            tr(
                f"{path} 第 {error.lineno} 行第 {error.colno} 列：不是有效的 JSON（{error.msg}）",
                f"{path} line {error.lineno} column {error.colno}: not JSON ({error.msg})",
            )
        ) from error
    except KeyError as error:
        raise SandboxError(tr(f"{path}：缺少字段 {error}", f"{path}: field {error} is missing")) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise SandboxError(tr(f"{path}：内容不合规（{error}）", f"{path}: {error}")) from error
    finally:
        if collecting:
            gc.enable()
