"""The corp as one call sees it: the world and the changes of earlier calls, as of the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dagster_project.sandbox.delivery import Delivery
from dagster_project.sandbox.errors import ApiError
from dagster_project.sandbox.paging import Moved
from dagster_project.sandbox.state import State, edge_name
from dagster_project.sandbox.world import Contact, Follow, GroupChat, Tag, TagGroup, World


@dataclass(frozen=True)
class Corp:
    """What does not change from call to call: the world, the state behind it and how members behave."""

    world: World
    state: State
    delivery: Delivery = field(default_factory=Delivery)

    @cached_property
    def members(self) -> frozenset[str]:
        return frozenset(self.world.staff)

    def tag_groups(self, now: int) -> list[TagGroup]:
        """The tag catalogue: the world's groups, then those made by calls, tags in order of creation."""
        made = self.state.tag_groups
        groups = []
        for group in self.world.tag_groups:
            more = tuple(Tag(**tag) for tag in made.get(group.group_id, {}).get("tags", ()))
            groups.append(
                TagGroup(group.group_id, group.group_name, group.create_time, group.tags + more, group.order)
            )
        known = {group.group_id for group in groups}
        for group_id, group_made in made.items():
            if group_id not in known:
                tags = tuple(Tag(**tag) for tag in group_made["tags"])
                groups.append(
                    TagGroup(
                        group_id,
                        group_made["group_name"],
                        group_made["create_time"],
                        tags,
                        group_made["order"],
                    )
                )
        return [
            TagGroup(
                group.group_id,
                group.group_name,
                group.create_time,
                tuple(tag for tag in group.tags if tag.create_time <= now),
                group.order,
            )
            for group in groups
            if group.create_time <= now
        ]

    def tags(self, now: int) -> dict[str, tuple[Tag, TagGroup]]:
        return {tag.id: (tag, group) for group in self.tag_groups(now) for tag in group.tags}

    def tag_ids(self, contact: Contact, follow: Follow, known: Mapping[str, object], now: int) -> list[str]:
        """Tags on one relation: the world's, without those taken off, with those put on; only of the catalogue."""
        ids = dict.fromkeys(follow.tags(now))
        for at, tag, on in self.state.edge_tags.get(edge_name(follow.userid, contact.external_userid), ()):
            if at > now:
                break
            if on:
                ids[tag] = None
            else:
                ids.pop(tag, None)
        return [tag for tag in ids if tag in known]

    def remark(self, contact: Contact, follow: Follow, now: int) -> dict[str, Any]:
        """What the member wrote about the customer; remark_mobiles is the whole list."""
        written: dict[str, Any] = {
            "remark": follow.remark,
            "description": follow.description,
            "remark_mobiles": list(follow.remark_mobiles),
        }
        for at, fields in self.state.remarks.get(edge_name(follow.userid, contact.external_userid), ()):
            if at <= now:
                written |= fields
        return written


@dataclass(frozen=True)
class Ask:
    """One call: its arguments (query and body together), the clock, and whether a row moves under it.

    The getters raise `ApiError` 40058 for a wrong type or too many items and `missing` (40063) for what is absent.
    """

    corp: Corp
    api: str
    args: Mapping[str, Any]
    now: int
    moved: Moved | None = None

    def text(self, name: str, *, missing: int | None = 40063) -> str:
        value = self.args.get(name)
        if value is None or value == "":
            if missing is None:
                return ""
            raise ApiError(missing, f"missing {name}")
        if not isinstance(value, str):
            raise ApiError(40058, f"{name}: string is required")
        return value

    def texts(self, name: str, *, at_most: int) -> list[str]:
        value = self.args.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise ApiError(40058, f"{name}: array of string is required")
        if len(value) > at_most:
            raise ApiError(40058, f"{name}: exceed max length {at_most}")
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        value = self.args.get(name, default)
        if value is None:
            raise ApiError(40063, f"missing {name}")
        if isinstance(value, bool) or not isinstance(value, int):
            raise ApiError(40058, f"{name}: integer is required")
        return value

    def member(self, name: str = "userid") -> str:
        userid = self.text(name, missing=41009)
        if userid not in self.corp.members:
            raise ApiError(40003, "invalid userid")
        return userid

    def contact(self) -> Contact:
        contact = self.corp.world.contacts.get(self.text("external_userid", missing=41035))
        if contact is None or not any(follow.createtime <= self.now for follow in contact.follow):
            raise ApiError(40096, "invalid external userid")
        return contact

    def relation(self) -> tuple[Contact, Follow]:
        userid, contact = self.member(), self.contact()
        follow = contact.follow_of(userid, self.now)
        if follow is None:
            raise ApiError(84061, "not external contact")
        return contact, follow

    def chat(self, chat_id: str) -> GroupChat | None:
        chat = self.corp.world.group_chats.get(chat_id)
        return chat if chat and chat.create_time <= self.now else None
