"""WeCom's (企业微信) customer-contact API: token, envelope, paging. Shapes as documented; never called live here.

Ids stay text. Names and remark texts never leave this module; of a remark only its mobile numbers and the one full
name in it do, on their way to the privacy door.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn

import httpx

from dagster_project.lang import tr
from dagster_project.sources.errors import (
    MalformedResponse,
    OutcomeUncertain,
    RateLimited,
    RowRejected,
    TokenRejected,
    VendorBusy,
    VendorConfigError,
    VendorError,
)
from dagster_project.sources.http import HttpCore, HttpOwner, SlidingWindow
from dagster_project.sources.remarks import remark_name, remark_phone
from dagster_project.sources.vendor import TokenKeeper

CONTACT = "/cgi-bin/externalcontact"
# Documented: 10,000 a minute and 150,000 an hour per API. One window over all APIs together stays below both.
CALL_LIMITS = ((9_000, 60.0), (140_000, 3_600.0))
MAX_PAGES = 10_000
CONTACT_PAGE, GROUP_PAGE, RESULT_PAGE, MESSAGE_PAGE = 100, 1_000, 500, 100
OWNERS_PER_CALL = 100
MAX_RECEIVERS, MAX_TEXT_BYTES, MAX_ATTACHMENTS = 10_000, 4_000, 9

NO_CUSTOMERS, NO_PERMISSION, TOO_MANY_OWNERS, TAG_EXISTS = 84061, 48002, 81017, 40071


class TagRejected(VendorError):  # noqa: N818
    """Our picture of the tag catalogue is old: a bad tag id (40068) or a name that exists (40071)."""


def _hint(code: int) -> str:
    """What a person can do about an error code."""
    return {
        40001: tr("：secret 不对，请核对环境变量", ": wrong secret; check the environment variable"),
        40091: tr("：secret 不对，请核对环境变量", ": wrong secret; check the environment variable"),
        40013: tr("：corp_id 不对，请改 chain.yml", ": wrong corp_id; mend chain.yml"),
        60020: tr(
            "：本机 IP 不在企业可信 IP 里，请在管理后台添加",
            ": this machine's IP is not a trusted IP; add it in the admin console",
        ),
        NO_PERMISSION: tr(
            "：应用没有此接口权限，请在「客户联系→可调用接口的应用」里勾选",
            ": the app may not call this API; list it under 客户联系 → 可调用接口的应用",
        ),
        60111: tr("：成员不存在", ": no such member"),
        60011: tr("：不在应用可见范围", ": outside the app's visible range"),
        40003: tr("：成员 userid 无效", ": bad userid"),
        40096: tr("：客户 external_userid 无效", ": bad external_userid"),
        40129: tr("：客户正在转接，明晚再试", ": the customer is being transferred, try tomorrow"),
        84061: tr("：没有客户关系", ": no relation"),
    }.get(code, "")


_CLASS_OF_CODE: dict[int, type[VendorError]] = {
    **dict.fromkeys((40001, 40013, 40091, 60020, NO_PERMISSION), VendorConfigError),
    **dict.fromkeys((40014, 41001, 42001), TokenRejected),
    **dict.fromkeys((-1, 45033), VendorBusy),
    45009: RateLimited,
    **dict.fromkeys((40003, 40096, 40129, 60011, 60111, NO_CUSTOMERS, 84074, 84084), RowRejected),
    **dict.fromkeys((40068, TAG_EXISTS), TagRejected),
}


@dataclass(frozen=True, slots=True)
class Contact:
    """One (member, customer) relation. `createtime` in Unix seconds; `phone` plain, 11 digits; `remark_name` plain.

    `remark_phone_count` is None when the app is not given remark numbers: unknown, not zero.
    """

    userid: str
    external_userid: str
    unionid: str | None
    type: int | None
    createtime: int | None
    add_way: int | None
    state: str | None
    oper_userid: str | None
    tag_ids: tuple[str, ...]
    remark_phone_count: int | None
    phone: str | None = field(repr=False)
    remark_name: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag of the corp's catalogue; deleted when it or its group is."""

    tag_id: str
    group_id: str | None
    tag_name: str | None
    group_name: str | None
    deleted: bool


@dataclass(frozen=True, slots=True)
class GroupMember:
    """One member of a group chat: member_type 1 staff, 2 customer. `join_time` in Unix seconds."""

    userid: str
    member_type: int | None
    unionid: str | None
    join_time: int | None
    join_scene: int | None
    state: str | None
    invitor_userid: str | None


@dataclass(frozen=True, slots=True)
class GroupChat:
    """One group chat with its members. `create_time` in Unix seconds."""

    chat_id: str
    owner: str | None
    create_time: int | None
    members: tuple[GroupMember, ...]


@dataclass(frozen=True, slots=True)
class GroupMessageTask:
    """One member's part of a bulk message: status 0 not sent yet, 2 sent."""

    userid: str
    status: int
    send_time: int | None


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of a bulk message at one receiver: 0 not sent, 1 sent, 2 no friend any more, 3 already got one.

    Exactly one of `external_userid` and `chat_id` is set.
    """

    userid: str
    external_userid: str | None
    chat_id: str | None
    status: int
    send_time: int | None


@dataclass(frozen=True, slots=True)
class GroupMessage:
    """A bulk-message task as the vendor keeps it: what tells whether an uncertain creation took effect."""

    msgid: str
    creator: str | None
    create_time: int | None
    text: str | None


@dataclass(frozen=True, slots=True)
class CreatedMessage:
    """A bulk-message task the member has yet to confirm; `failed` are customers it will not reach."""

    msgid: str
    failed: tuple[str, ...]


class WecomClient(HttpOwner):
    """One corp's customer-contact API.

    Args:
        base_url: e.g. https://qyapi.weixin.qq.com
        corp_id, secret: of the self-built app that may call the customer-contact API.
        transport: httpx transport for tests.
        connection: the chain's name for it, used in errors.
        sleep, clock: seconds, injectable.

    Raises (all methods): VendorConfigError at once; TokenRejected after one refresh; Unreachable, VendorBusy and
    RateLimited after bounded retries; RowRejected, TagRejected, other VendorError; HttpStatusError;
    MalformedResponse. Only add_msg_template raises OutcomeUncertain. Not safe for several threads at once.
    """

    def __init__(
        self,
        base_url: str,
        corp_id: str,
        secret: str,
        transport: httpx.BaseTransport | None = None,
        *,
        connection: str = "wecom",
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connection = connection
        self._corp_id, self._secret = corp_id, secret
        self._token = TokenKeeper(self._new_token, clock)
        limiter = SlidingWindow(CALL_LIMITS, clock=clock, sleep=sleep)
        self._http = HttpCore(base_url, transport=transport, limiter=limiter, sleep=sleep, clock=clock)

    # ---- reading

    def follow_users(self) -> list[str]:
        """Userids of the members that have customers, sorted."""
        api = f"{CONTACT}/get_follow_user_list"
        answer = self._call("GET", api)
        return sorted({_id(api, value, "follow_user") for value in _list(api, answer, "follow_user")})

    def contacts_of(self, userid: str) -> list[Contact]:
        """All customers of one member, each once, sorted by external_userid; [] when the member has none.

        One member per call: an error then is that member's, and no answer mixes several people's pages.
        """
        api = f"{CONTACT}/batch/get_by_user"
        contacts: dict[str, Contact] = {}
        first = True
        try:
            for page in self._pages(
                api, {"userid_list": [userid], "limit": CONTACT_PAGE}, "external_contact_list"
            ):
                first = False
                # A list that shifts while it is paged may show a customer twice; the later reading is newer.
                contacts.update(
                    (row.external_userid, row) for row in (_contact(api, i, userid) for i in page)
                )
        except RowRejected as error:
            if error.code != NO_CUSTOMERS or not first:
                raise
        return [contacts[key] for key in sorted(contacts)]

    def corp_tags(self) -> list[Tag]:
        """The corp's tag catalogue, sorted by tag_id."""
        api = f"{CONTACT}/get_corp_tag_list"
        answer = self._call("POST", api, body={})
        tags = {tag.tag_id: tag for group in _dicts(api, answer, "tag_group") for tag in _tags(api, group)}
        return [tags[key] for key in sorted(tags)]

    def group_chats(self, owners: Sequence[str] | None = None) -> dict[str, int | None]:
        """chat_id → status (0 normal … 3 inherited) of the group chats, sorted by chat_id.

        Args:
            owners: only chats of these members. Without it the vendor refuses corps with more than 1000 visible
                members (VendorError 81017).
        """
        api = f"{CONTACT}/groupchat/list"
        filters: list[dict[str, Any]] = [{}]
        if owners is not None:
            starts = range(0, len(owners), OWNERS_PER_CALL)
            filters = [
                {"owner_filter": {"userid_list": list(owners[at : at + OWNERS_PER_CALL])}} for at in starts
            ]
        chats: dict[str, int | None] = {}
        for chosen in filters:
            body = {"status_filter": 0, "limit": GROUP_PAGE, **chosen}
            for page in self._pages(api, body, "group_chat_list"):
                chats.update(
                    (_id(api, item.get("chat_id"), "chat_id"), _int(api, item, "status")) for item in page
                )
        return dict(sorted(chats.items()))

    def group_chat(self, chat_id: str) -> GroupChat:
        """One group chat and its members, sorted by userid, without names."""
        api = f"{CONTACT}/groupchat/get"
        answer = self._call("POST", api, body={"chat_id": chat_id, "need_name": 0})
        chat = _dict(api, answer.get("group_chat"), "group_chat")
        if _id(api, chat.get("chat_id"), "chat_id") != chat_id:
            _malformed(api, "group_chat.chat_id", tr("不是所问的群", "is another chat"))
        members = {row.userid: row for row in (_member(api, i) for i in _dicts(api, chat, "member_list"))}
        return GroupChat(
            chat_id=chat_id,
            owner=_text(api, chat, "owner"),
            create_time=_int(api, chat, "create_time"),
            members=tuple(members[key] for key in sorted(members)),
        )

    def groupmsg_task(self, msgid: str) -> list[GroupMessageTask]:
        """Per member, whether a bulk message was confirmed."""
        api = f"{CONTACT}/get_groupmsg_task"
        return [
            GroupMessageTask(
                _id(api, item.get("userid"), "userid"), _status(api, item), _int(api, item, "send_time")
            )
            for page in self._pages(api, {"msgid": msgid, "limit": RESULT_PAGE}, "task_list")
            for item in page
        ]

    def groupmsg_send_result(self, msgid: str, userid: str) -> list[SendResult]:
        """Per receiver, what became of one member's part of a bulk message."""
        api = f"{CONTACT}/get_groupmsg_send_result"
        body = {"msgid": msgid, "userid": userid, "limit": RESULT_PAGE}
        return [
            _send_result(api, item, userid) for page in self._pages(api, body, "send_list") for item in page
        ]

    def groupmsg_list(self, start: int, end: int, *, creator: str | None = None) -> list[GroupMessage]:
        """Bulk messages to single customers created in [start, end], Unix seconds, at most a month apart."""
        api = f"{CONTACT}/get_groupmsg_list_v2"
        body: dict[str, Any] = {"chat_type": "single", "start_time": start, "end_time": end}
        body |= {"limit": MESSAGE_PAGE} | ({"creator": creator} if creator else {})
        return [
            GroupMessage(
                msgid=_id(api, item.get("msgid"), "msgid"),
                creator=_text(api, item, "creator"),
                create_time=_int(api, item, "create_time"),
                text=_text(api, _dict(api, item.get("text") or {}, "text"), "content"),
            )
            for page in self._pages(api, body, "group_msg_list")
            for item in page
        ]

    # ---- writing

    def add_corp_tag(
        self, group_name: str, tag_names: Sequence[str], *, agent_id: int | None = None
    ) -> dict[str, str]:
        """Makes sure that a tag group has these tags. Safe to repeat: what exists is looked up by name.

        Returns: tag name → tag_id for every name asked.
        """
        try:
            found = self._create_tags(group_name, tag_names, agent_id)
        except TagRejected as error:
            if error.code != TAG_EXISTS:
                raise
            # One existing name refuses the whole call.
            found = self._tags_named(group_name)
            missing = [name for name in tag_names if name not in found]
            if missing:
                found |= self._create_tags(group_name, missing, agent_id)
        if not set(tag_names) <= found.keys():  # an answer may list only a part of its group
            found |= self._tags_named(group_name)
        lacking = [name for name in tag_names if name not in found]
        if lacking:
            _malformed(f"{CONTACT}/add_corp_tag", "tag_group", tr("缺少刚建的标签", "lacks the new tags"))
        return {name: found[name] for name in tag_names}

    def mark_tag(
        self, userid: str, external_userid: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> None:
        """Sets and removes tags of one (member, customer) relation; repeating it changes nothing."""
        if not add and not remove:
            raise ValueError("mark_tag needs a tag to add or to remove")
        body: dict[str, Any] = {"userid": userid, "external_userid": external_userid}
        body |= {"add_tag": list(add)} if add else {}
        body |= {"remove_tag": list(remove)} if remove else {}
        self._call("POST", f"{CONTACT}/mark_tag", body=body)

    def add_msg_template(
        self,
        sender: str,
        external_userids: Sequence[str],
        text: str,
        attachments: Sequence[dict[str, Any]] = (),
    ) -> CreatedMessage:
        """Creates a bulk-message task that `sender` still has to confirm: success here is not delivery.

        Raises:
            OutcomeUncertain: the task may exist; look it up before creating it again. Any VendorError: it does
                not. Unreachable: the request never left, or was turned away.
            ValueError: more than the vendor allows (10,000 receivers, 4,000 bytes, 9 attachments).
        """
        size = len(text.encode("utf-8"))
        if not 0 < len(external_userids) <= MAX_RECEIVERS or len(attachments) > MAX_ATTACHMENTS:
            raise ValueError(f"{len(external_userids)} receivers, {len(attachments)} attachments")
        if size > MAX_TEXT_BYTES or not (text or attachments):
            raise ValueError(f"message text of {size} bytes")
        body: dict[str, Any] = {
            "chat_type": "single",
            "external_userid": list(external_userids),
            "sender": sender,
        }
        body |= {"text": {"content": text}} if text else {}
        body |= {"attachments": list(attachments)} if attachments else {}
        api = f"{CONTACT}/add_msg_template"
        answer = self._call("POST", api, body=body, repeatable=False)
        try:
            failed = _list(api, answer, "fail_list") if answer.get("fail_list") else []
            return CreatedMessage(
                msgid=_id(api, answer.get("msgid"), "msgid"),
                failed=tuple(_id(api, value, "fail_list") for value in failed),
            )
        except MalformedResponse as error:
            raise OutcomeUncertain(str(error)) from None

    # ---- machinery

    def _create_tags(self, group_name: str, tag_names: Sequence[str], agent_id: int | None) -> dict[str, str]:
        api = f"{CONTACT}/add_corp_tag"
        body: dict[str, Any] = {"group_name": group_name, "tag": [{"name": name} for name in tag_names]}
        body |= {"agentid": agent_id} if agent_id is not None else {}
        group = _dict(api, self._call("POST", api, body=body).get("tag_group"), "tag_group")
        return {tag.tag_name: tag.tag_id for tag in _tags(api, group) if tag.tag_name and not tag.deleted}

    def _tags_named(self, group_name: str) -> dict[str, str]:
        return {
            tag.tag_name: tag.tag_id
            for tag in self.corp_tags()
            if tag.group_name == group_name and tag.tag_name and not tag.deleted
        }

    def _pages(self, api: str, body: dict[str, Any], key: str) -> Iterator[list[dict[str, Any]]]:
        """All pages of a cursor list. A cursor that comes back would never end, so it is an error."""
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(MAX_PAGES):
            answer = self._call("POST", api, body={**body, **({"cursor": cursor} if cursor else {})})
            page = _dicts(api, answer, key)
            cursor = _text(api, answer, "next_cursor")
            if cursor in seen:
                break
            yield page
            if cursor is None:
                return
            seen.add(cursor)
        _malformed(api, "next_cursor", tr("翻页没有尽头（游标重复或页数过多）", "never ends"))

    def _call(
        self, method: str, api: str, *, body: dict[str, Any] | None = None, repeatable: bool = True
    ) -> dict[str, Any]:
        """One API call with token: one refresh and replay when the vendor let the token die early."""

        # The token is fetched outside the retry loop: its own retries must not multiply with the call's.
        def send(token: str) -> dict[str, Any]:
            secret = {"access_token": token}
            return self._http.retrying(partial(self._attempt, method, api, secret, body, repeatable))

        return self._token.using(send)

    def _attempt(
        self, method: str, api: str, secret: dict[str, str], body: dict[str, Any] | None, repeatable: bool
    ) -> dict[str, Any]:
        content = self._http.attempt(method, api, secret_query=secret, body=body, repeatable=repeatable)
        try:
            return decode_envelope(api, content)
        except MalformedResponse as error:
            if repeatable:
                raise
            raise OutcomeUncertain(str(error)) from None

    def _new_token(self) -> tuple[str, float]:
        api = "/cgi-bin/gettoken"
        secret = {"corpid": self._corp_id, "corpsecret": self._secret}
        answer = self._http.retrying(partial(self._attempt, "GET", api, secret, None, True))
        token = _id(api, answer.get("access_token"), "access_token")
        lifetime = _int(api, answer, "expires_in")
        if lifetime is None or lifetime <= 0:
            _malformed(api, "expires_in", tr("应为正整数", "must be a positive integer"))
        return token, float(lifetime)


# ---- reading answers


def decode_envelope(api: str, content: bytes) -> dict[str, Any]:
    """The answer's object when its errcode is 0.

    Branches on `errcode` alone: `errmsg` may carry hints, or "Warning: wrong json format." on success.

    Raises:
        MalformedResponse: not JSON, not an object, or no integer errcode.
        VendorError: errcode is not 0; the subclass says what to do.
    """
    try:
        answer = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise MalformedResponse(api, tr("不是 JSON", "not JSON")) from None
    if not isinstance(answer, dict):
        raise MalformedResponse(api, tr("不是 JSON 对象", "not a JSON object"))
    code = answer.get("errcode")
    if type(code) is not int:
        _malformed(api, "errcode", tr("缺失或不是整数", "missing or no integer"))
    if code != 0:
        raise _CLASS_OF_CODE.get(code, VendorError)(api, code, _hint(code))
    return answer


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _malformed(api: str, key: str, problem: str) -> NoReturn:
    raise MalformedResponse(api, f"{key} {problem}")


def _list(api: str, answer: dict[str, Any], key: str) -> list[Any]:
    value = answer.get(key)
    if not isinstance(value, list):  # an absent list is not an empty one
        _malformed(api, key, tr("缺失或不是列表", "missing or no list"))
    return value


def _dicts(api: str, answer: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return [_dict(api, item, key) for item in _list(api, answer, key)]


def _dict(api: str, value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        _malformed(api, key, tr("缺失或不是对象", "missing or no object"))
    return value


def _id(api: str, value: Any, key: str) -> str:
    """A required id as text; an integer is written out exactly, a float has already lost digits."""
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or not text or not _encodable(text):
        _malformed(api, key, tr("缺失或不是文本", "missing or no text"))
    return text


def _text(api: str, item: dict[str, Any], key: str) -> str | None:
    """An optional text, untouched; empty is None."""
    value = item.get(key)
    return None if value is None or value == "" else _id(api, value, key)


def _encodable(text: str) -> bool:
    # JSON can spell half a surrogate pair, which no UTF-8 file can hold.
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _int(api: str, item: dict[str, Any], key: str) -> int | None:
    """An optional integer; digits in quotes are one too."""
    value = item.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    if type(value) is not int:
        _malformed(api, key, tr("不是整数", "is no integer"))
    return value


def _status(api: str, item: dict[str, Any]) -> int:
    status = _int(api, item, "status")
    if status is None:
        _malformed(api, "status", tr("缺失", "missing"))
    return status


def _contact(api: str, item: dict[str, Any], userid: str) -> Contact:
    person = _dict(api, item.get("external_contact"), "external_contact")
    relation = _relation(api, item, userid)
    count: int | None = None
    phone: str | None = None
    remark = relation.get("remark")  # a note for people: whatever else it is, the contact stands
    if relation.get("remark_mobiles") is not None:
        typed = relation["remark_mobiles"]
        typed = [typed] if isinstance(typed, str) else _list(api, relation, "remark_mobiles")
        phone, count = remark_phone(_id(api, value, "remark_mobiles") for value in typed if value)
    return Contact(
        userid=userid,
        external_userid=_id(api, person.get("external_userid"), "external_userid"),
        unionid=_text(api, person, "unionid"),
        type=_int(api, person, "type"),
        createtime=_int(api, relation, "createtime"),
        add_way=_int(api, relation, "add_way"),
        state=_text(api, relation, "state"),
        oper_userid=_text(api, relation, "oper_userid"),
        tag_ids=_tag_ids(api, relation),
        remark_phone_count=count,
        phone=phone,
        remark_name=remark_name(remark) if isinstance(remark, str) else None,
    )


def _relation(api: str, item: dict[str, Any], userid: str) -> dict[str, Any]:
    """The asked member's relation: one object in the batch call, a list as in the single-customer call."""
    value = item.get("follow_info", item.get("follow_user"))
    for relation in value if isinstance(value, list) else [value]:
        relation = _dict(api, relation, "follow_info")
        # Userids are case-insensitive at the vendor; the spelling of the member list is the one we keep.
        if (_text(api, relation, "userid") or userid).casefold() == userid.casefold():
            return relation
    _malformed(api, "follow_info.userid", tr("不是所问的成员", "is another member"))


def _tag_ids(api: str, relation: dict[str, Any]) -> tuple[str, ...]:
    """Corp tags of a relation, from `tag_id: [..]` (batch) or `tags: [{tag_id}]` (single; own tags have no id)."""
    ids: set[str] = set()
    if relation.get("tag_id") is not None:
        ids |= {_id(api, value, "tag_id") for value in _list(api, relation, "tag_id")}
    if relation.get("tags") is not None:
        own = (_text(api, tag, "tag_id") for tag in _dicts(api, relation, "tags"))
        ids |= {tag_id for tag_id in own if tag_id}
    return tuple(sorted(ids))


def _tags(api: str, group: dict[str, Any]) -> list[Tag]:
    group_id, group_name = _text(api, group, "group_id"), _text(api, group, "group_name")
    return [
        Tag(
            tag_id=_id(api, tag.get("id"), "tag.id"),
            group_id=group_id,
            tag_name=_text(api, tag, "name"),
            group_name=group_name,
            deleted=group.get("deleted") in (True, "true") or tag.get("deleted") in (True, "true"),
        )
        for tag in _dicts(api, group, "tag")
    ]


def _member(api: str, item: dict[str, Any]) -> GroupMember:
    invitor = item.get("invitor")
    return GroupMember(
        userid=_id(api, item.get("userid"), "userid"),
        member_type=_int(api, item, "type"),
        unionid=_text(api, item, "unionid"),
        join_time=_int(api, item, "join_time"),
        join_scene=_int(api, item, "join_scene"),
        state=_text(api, item, "state"),
        invitor_userid=_text(api, _dict(api, invitor, "invitor"), "userid") if invitor is not None else None,
    )


def _send_result(api: str, item: dict[str, Any], userid: str) -> SendResult:
    customer, chat = _text(api, item, "external_userid"), _text(api, item, "chat_id")
    if (customer is None) == (chat is None):
        _malformed(api, "send_list", tr("缺少接收方", "lacks its receiver"))
    return SendResult(
        userid=_text(api, item, "userid") or userid,
        external_userid=customer,
        chat_id=chat,
        status=_status(api, item),
        send_time=_int(api, item, "send_time"),
    )
