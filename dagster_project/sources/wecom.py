"""One night's full snapshot of a WeCom connection, as Arrow tables of the canonical feeds."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pyarrow as pa

from dagster_project.contracts import feed
from dagster_project.lang import tr
from dagster_project.sources.errors import (
    RateLimited,
    RowRejected,
    SourceError,
    SourceUnavailable,
    TokenRejected,
    TransientError,
    VendorConfigError,
    VendorError,
)
from dagster_project.sources.wecom_client import (
    NO_PERMISSION,
    TOO_MANY_OWNERS,
    Contact,
    GroupChat,
    SendResult,
    WecomClient,
)

__all__ = ["Night", "WecomClient", "local_time_text", "pull_night"]

T = TypeVar("T")

# 2010 to 2099: a value outside is milliseconds or a slip, not a moment in a shop's life.
EARLIEST_SECONDS, LATEST_SECONDS = 1_262_304_000, 4_102_444_800
GIVE_UP_AFTER = 3
SHOWN_IDS = 5


class Night(dict[str, pa.Table]):
    """feed name → table; every column a string, in contract order, rows in key order.

    A feed that could not be read at all is not a key: an absent feed is not an empty one. `notes` tell people
    what is missing. Columns `phone` and `remark_name` of contacts are plain and have to pass the privacy door before
    they are written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []


def pull_night(client: WecomClient, *, timezone: str, pending_messages: Sequence[str]) -> Night:
    """Reads staff, contacts, tags, group chats and the results of pending bulk messages.

    A member whose pages cannot be read completely is `complete = 'N'` in snapshot_staff and has no rows in
    contacts; the others are not affected. Tags, group chats and message results are optional: what fails there
    becomes a note.

    Args:
        timezone: the chain's; all times become its wall clock.
        pending_messages: msgids whose outcome is still open.

    Raises:
        SourceUnavailable: neither the member list nor any member's customers could be read.
        VendorConfigError: secret, corp id, permission or address list are wrong.
    """
    night = Night()
    clock = _WallClock(timezone)
    try:
        userids = client.follow_users()
    except VendorConfigError:
        raise
    except SourceError as error:
        raise SourceUnavailable(client.connection, str(error)) from error
    _read_contacts(client, userids, clock, night)
    _read_tags(client, night)
    _read_groups(client, userids, clock, night)
    _read_message_results(client, pending_messages, clock, night)
    if clock.implausible:
        night.notes.append(
            tr(
                f"{clock.implausible} 个时间值不在 2010–2099 年之间，已置空",
                f"{clock.implausible} times outside 2010–2099 were emptied",
            )
        )
    return night


def local_time_text(seconds: int, zone: ZoneInfo) -> str | None:
    """Unix seconds as 'YYYY-MM-DD HH:MM:SS' on a wall clock; None when not between 2010 and 2099."""
    if not EARLIEST_SECONDS <= seconds < LATEST_SECONDS:
        return None
    return datetime.fromtimestamp(seconds, zone).strftime("%Y-%m-%d %H:%M:%S")


class _WallClock:
    """Turns the vendor's seconds into the chain's wall clock and counts what cannot be a time."""

    def __init__(self, timezone: str) -> None:
        self._zone = ZoneInfo(timezone)
        self.implausible = 0

    def text(self, seconds: int | None) -> str | None:
        if not seconds:  # the vendor writes 0 for "never"
            return None
        text = local_time_text(seconds, self._zone)
        self.implausible += text is None
        return text


class _Reading:
    """Reads one endpoint item by item, keeps what failed, and stops where waiting on would not help.

    Args:
        what: what is read, for people.
        optional: a missing API permission is a failure of the items, not of the night.
    """

    def __init__(self, what: str, *, optional: bool) -> None:
        self._what, self._optional = what, optional
        self._failed: defaultdict[str, list[str]] = defaultdict(list)
        self._lost_in_a_row = 0
        self._given_up = False
        self.succeeded = 0
        self.first_fault: SourceError | None = None  # of the source, not of one row

    def item(self, name: str, read: Callable[[], T]) -> T | None:
        """What `read` returns, or None when it failed or reading was given up."""
        if self._given_up:
            self._failed[tr("前面连续失败，未再尝试", "not tried after the failures before")].append(name)
            return None
        try:
            result = read()
        except SourceError as error:
            if isinstance(error, VendorConfigError) and not (self._optional and error.code == NO_PERMISSION):
                raise
            self._note(name, error)
            return None
        self._lost_in_a_row = 0
        self.succeeded += 1
        return result

    def _note(self, name: str, error: SourceError) -> None:
        self._failed[str(error)].append(name)
        if not isinstance(error, RowRejected):
            self.first_fault = self.first_fault or error
        # Each lost call costs a minute of retries: thousands of members must not cost the night.
        self._lost_in_a_row = self._lost_in_a_row + 1 if isinstance(error, TransientError) else 0
        hopeless = isinstance(error, (RateLimited, TokenRejected, VendorConfigError))
        self._given_up = hopeless or self._lost_in_a_row >= GIVE_UP_AFTER

    def notes(self) -> list[str]:
        return [
            tr(
                f"{self._what} {_some(names)} 没有读全：{reason}",
                f"{self._what} {_some(names)} not read completely: {reason}",
            )
            for reason, names in self._failed.items()
        ]


def _some(names: list[str]) -> str:
    shown = "、".join(names[:SHOWN_IDS])
    return (
        shown if len(names) <= SHOWN_IDS else tr(f"{shown} 等 {len(names)} 个", f"{shown} … ({len(names)})")
    )


def _read_contacts(client: WecomClient, userids: list[str], clock: _WallClock, night: Night) -> None:
    reading = _Reading(tr("成员", "member"), optional=False)
    complete: dict[str, bool] = {}
    batches: list[pa.RecordBatch] = []
    for userid in userids:
        contacts = reading.item(userid, partial(client.contacts_of, userid))
        complete[userid] = contacts is not None
        # Arrow per member: only one member's Python rows are alive at a time.
        batches.append(_batch("contacts", (_contact_row(row, clock) for row in contacts or ())))
    if userids and not reading.succeeded and reading.first_fault:
        raise SourceUnavailable(client.connection, str(reading.first_fault)) from reading.first_fault
    night["staff"] = _table("staff", [_batch("staff", ({"userid": userid} for userid in userids))])
    snapshot = ({"userid": userid, "complete": "Y" if done else "N"} for userid, done in complete.items())
    night["snapshot_staff"] = _table("snapshot_staff", [_batch("snapshot_staff", snapshot)])
    night["contacts"] = _table("contacts", batches)
    night.notes += reading.notes()


def _read_tags(client: WecomClient, night: Night) -> None:
    reading = _Reading(tr("标签", "tags"), optional=True)
    tags = reading.item(tr("目录", "catalogue"), client.corp_tags)
    night.notes += reading.notes()
    if tags is not None:
        rows = (
            {
                "tag_id": tag.tag_id,
                "group_id": tag.group_id,
                "tag_name": tag.tag_name,
                "group_name": tag.group_name,
                "deleted": "Y" if tag.deleted else "N",
            }
            for tag in tags
        )
        night["tags"] = _table("tags", [_batch("tags", rows)])


def _read_groups(client: WecomClient, userids: list[str], clock: _WallClock, night: Night) -> None:
    listing = _Reading(tr("客户群", "group chats"), optional=True)
    statuses = listing.item(tr("列表", "list"), partial(_list_groups, client, userids))
    night.notes += listing.notes()
    if statuses is None:
        return
    reading = _Reading(tr("客户群", "group chat"), optional=True)
    chats: list[dict[str, str | None]] = []
    members: list[pa.RecordBatch] = []
    for chat_id, status in statuses.items():
        chat = reading.item(chat_id, partial(client.group_chat, chat_id))
        if chat is not None:
            chats.append(
                {
                    "chat_id": chat_id,
                    "owner": chat.owner,
                    "status": _number(status),
                    "create_time": clock.text(chat.create_time),
                }
            )
            members.append(_batch("group_members", _member_rows(chat, clock)))
    night.notes += reading.notes()
    if reading.succeeded or not statuses:
        night["group_chats"] = _table("group_chats", [_batch("group_chats", chats)])
        night["group_members"] = _table("group_members", members)


def _list_groups(client: WecomClient, userids: list[str]) -> dict[str, int | None]:
    try:
        return client.group_chats()
    except VendorError as error:
        if error.code != TOO_MANY_OWNERS:
            raise
        return client.group_chats(owners=userids)


def _read_message_results(
    client: WecomClient, pending: Sequence[str], clock: _WallClock, night: Night
) -> None:
    reading = _Reading(tr("群发消息", "bulk message"), optional=True)
    batches: list[pa.RecordBatch] = []
    msgids = sorted(set(pending))
    for msgid in msgids:
        results: dict[tuple[str, str], SendResult] = {}
        for task in reading.item(msgid, partial(client.groupmsg_task, msgid)) or ():
            read = partial(client.groupmsg_send_result, msgid, task.userid)
            # Results of messages to group chats name no customer, so they answer no candidate.
            for row in reading.item(f"{msgid}/{task.userid}", read) or ():
                if row.external_userid:
                    results[(row.userid, row.external_userid)] = row
        batches.append(
            _batch("message_results", (_result_row(msgid, results[key], clock) for key in sorted(results)))
        )
    night.notes += reading.notes()
    if reading.succeeded or not msgids:
        night["message_results"] = _table("message_results", batches)


def _contact_row(contact: Contact, clock: _WallClock) -> dict[str, str | None]:
    return {
        "userid": contact.userid,
        "external_userid": contact.external_userid,
        "unionid": contact.unionid,
        "type": _number(contact.type),
        "createtime": clock.text(contact.createtime),
        "add_way": _number(contact.add_way),
        "state": contact.state,
        "oper_userid": contact.oper_userid,
        "tag_ids": json.dumps(contact.tag_ids, ensure_ascii=False, separators=(",", ":")),
        "remark_phone_count": _number(contact.remark_phone_count),
        "remark_name": contact.remark_name,
        "phone": contact.phone,
    }


def _member_rows(chat: GroupChat, clock: _WallClock) -> Iterable[dict[str, str | None]]:
    for member in chat.members:
        yield {
            "chat_id": chat.chat_id,
            "userid": member.userid,
            "member_type": _number(member.member_type),
            "unionid": member.unionid,
            "join_time": clock.text(member.join_time),
            "join_scene": _number(member.join_scene),
            "state": member.state,
            "invitor_userid": member.invitor_userid,
        }


def _result_row(msgid: str, row: SendResult, clock: _WallClock) -> dict[str, str | None]:
    return {
        "msgid": msgid,
        "userid": row.userid,
        "external_userid": row.external_userid,
        "status": str(row.status),
        "send_time": clock.text(row.send_time),
    }


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)


def _schema(name: str) -> pa.Schema:
    return pa.schema([(column.name, pa.string()) for column in feed("wecom", name).columns])


def _batch(name: str, rows: Iterable[dict[str, Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(list(rows), schema=_schema(name))


def _table(name: str, batches: list[pa.RecordBatch]) -> pa.Table:
    return pa.Table.from_batches(batches, schema=_schema(name))
