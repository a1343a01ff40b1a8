"""Members, customers, remarks and tags: the calls that read and mark relations."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from dagster_project.sandbox.corp import Ask
from dagster_project.sandbox.errors import ApiError
from dagster_project.sandbox.paging import Key, decode_cursor, scope_of, take_page
from dagster_project.sandbox.state import edge_name
from dagster_project.sandbox.world import Contact, Follow, Tag, TagGroup

MAX_TAGS = 3000
FOLLOWERS_PER_PAGE = 500
Answer = dict[str, Any]


def _external_contact(contact: Contact) -> Answer:
    shown = {
        "external_userid": contact.external_userid,
        "name": contact.name,
        "type": contact.type,
        "avatar": "",
        "gender": contact.gender,
    }
    if contact.unionid and contact.type == 1:  # absent, not empty, without a bound open account
        shown["unionid"] = contact.unionid
    return shown


def _follow(ask: Ask, contact: Contact, follow: Follow) -> Answer:
    written = ask.corp.remark(contact, follow, ask.now)
    return {
        "userid": follow.userid,
        **written,
        "createtime": follow.createtime,
        "add_way": follow.add_way,
        "oper_userid": follow.oper_userid,
        "state": follow.state,
    }


def get_follow_user_list(ask: Ask) -> Answer:
    return {"follow_user": list(ask.corp.world.staff)}


def list_external(ask: Ask) -> Answer:
    rows = ask.corp.world.edges.get(ask.member(), ())
    ids = [contact.external_userid for _, contact, follow in rows if follow.stands(ask.now)]
    if not ids:
        raise ApiError(84061, "not external contact", {"external_userid": []})
    return {"external_userid": ids}


def get_external(ask: Ask) -> Answer:
    contact = ask.contact()
    known = ask.corp.tags(ask.now)
    standing = sorted(
        ((follow.createtime, follow.userid), follow) for follow in contact.follow if follow.stands(ask.now)
    )
    if not standing:
        raise ApiError(84061, "not external contact")
    scope = scope_of(ask.api, contact.external_userid)
    after = decode_cursor(scope, ask.text("cursor", missing=None))
    page, cursor = take_page(standing, scope=scope, after=after, limit=FOLLOWERS_PER_PAGE, moved=ask.moved)
    answer: Answer = {
        "external_contact": _external_contact(contact),
        "follow_user": [
            _follow(ask, contact, follow)
            | {
                "tags": [
                    {
                        "group_name": known[tag][1].group_name,
                        "tag_name": known[tag][0].name,
                        "tag_id": tag,
                        "type": 1,
                    }
                    for tag in ask.corp.tag_ids(contact, follow, known, ask.now)
                ]
            }
            for follow in page
        ],
    }
    if cursor:
        answer["next_cursor"] = cursor
    return answer


def batch_get_by_user(ask: Ask) -> Answer:
    """Note the shape: `follow_info` is one object with `tag_id`, where `get` has a list with `tags`."""
    userids = ask.texts("userid_list", at_most=100)
    if not userids:
        raise ApiError(40063, "missing userid_list")
    if any(userid not in ask.corp.members for userid in userids):
        raise ApiError(40003, "invalid userid")
    limit = ask.integer("limit", 50)
    if limit < 1:
        raise ApiError(40058, "limit: invalid")
    scope = scope_of(ask.api, userids)
    after = decode_cursor(scope, ask.text("cursor", missing=None))
    known = ask.corp.tags(ask.now)

    def rows() -> Iterator[tuple[Key, tuple[Contact, Follow]]]:
        first = after[0] if after else 0
        for place in range(first, len(userids)):
            edges = ask.corp.world.edges.get(userids[place], [])
            start = (
                bisect_left(edges, tuple(after[1:]), key=lambda edge: edge[0])
                if after and place == first
                else 0
            )
            for index in range(start, len(edges)):
                key, contact, follow = edges[index]
                if follow.stands(ask.now):
                    yield (place, *key), (contact, follow)

    # more than 100 is read as 100, as the vendor documents
    page, cursor = take_page(rows(), scope=scope, after=after, limit=min(limit, 100), moved=ask.moved)
    return {
        "external_contact_list": [
            {
                "external_contact": _external_contact(contact),
                "follow_info": _follow(ask, contact, follow)
                | {"tag_id": ask.corp.tag_ids(contact, follow, known, ask.now)},
            }
            for contact, follow in page
        ],
        "next_cursor": cursor,
    }


def remark(ask: Ask) -> Answer:
    contact, follow = ask.relation()
    fields: Answer = {}
    for given, stored, longest in (
        ("remark", "remark", 20),
        ("description", "description", 150),
        ("remark_company", "remark_corp_name", 20),
    ):
        if given in ask.args:
            value = ask.text(given, missing=None)
            if len(value) > longest:
                raise ApiError(40058, f"{given}: exceed max length {longest}")
            fields[stored] = value
    if "remark_mobiles" in ask.args:  # overwrites the whole list; [""] clears it
        fields["remark_mobiles"] = [mobile for mobile in ask.texts("remark_mobiles", at_most=5) if mobile]
    if not fields and not ask.args.get("remark_pic_mediaid"):
        raise ApiError(40063, "some parameters are empty")
    if contact.type != 1:
        fields.pop("remark_corp_name", None)  # only WeChat customers carry it
    if fields:
        edge = edge_name(follow.userid, contact.external_userid)
        ask.corp.state.commit({"kind": "remark", "at": ask.now, "edge": edge, "fields": fields})
    return {}


# tags


def _shown_tag(tag: Tag) -> Answer:
    return {
        "id": tag.id,
        "name": tag.name,
        "create_time": tag.create_time,
        "order": tag.order,
        "deleted": False,
    }


def _shown_group(group: TagGroup, tags: list[Tag]) -> Answer:
    return {
        "group_id": group.group_id,
        "group_name": group.group_name,
        "create_time": group.create_time,
        "order": group.order,
        "deleted": False,
        "tag": [_shown_tag(tag) for tag in tags],
    }


def get_corp_tag_list(ask: Ask) -> Answer:
    groups = set(ask.texts("group_id", at_most=MAX_TAGS))
    tags = set() if groups else set(ask.texts("tag_id", at_most=MAX_TAGS))  # with both, group_id wins
    shown = []
    for group in ask.corp.tag_groups(ask.now):
        if groups and group.group_id not in groups:
            continue
        chosen = [tag for tag in group.tags if not tags or tag.id in tags]
        if chosen or not tags:
            shown.append(_shown_group(group, chosen))
    return {"tag_group": shown}


def _new_id(*parts: str) -> str:
    return "et" + hashlib.sha256("|".join(parts).encode()).hexdigest()[:30]


def add_corp_tag(ask: Ask) -> Answer:
    """Adds tags to a group (by id, or by name, then the group is made if absent). All or none of them."""
    wanted = ask.args.get("tag")
    if not isinstance(wanted, list) or not wanted or not all(isinstance(tag, dict) for tag in wanted):
        raise ApiError(40063, "missing tag")
    names = [Ask(ask.corp, ask.api, tag, ask.now).text("name", missing=40072) for tag in wanted]
    if not all(name.strip() and len(name) <= 30 for name in names):
        raise ApiError(40072, "invalid tag name length")
    orders = [Ask(ask.corp, ask.api, tag, ask.now).integer("order", 0) for tag in wanted]
    catalogue = ask.corp.tag_groups(ask.now)
    group_id = ask.text("group_id", missing=None)
    group_name = ask.text("group_name", missing=None)
    if group_id:
        group = next((group for group in catalogue if group.group_id == group_id), None)
        if group is None:
            raise ApiError(40068, "invalid tagid")
    elif group_name:
        if len(group_name) > 30:
            raise ApiError(40072, "invalid tag name length")
        group = next((group for group in catalogue if group.group_name == group_name), None)
        if group is None:
            made = _new_id(ask.corp.world.corp_id, group_name)
            group = TagGroup(made, group_name, ask.now, (), ask.integer("order", 0))
    else:
        raise ApiError(40063, "missing group_id or group_name")
    if len(set(names)) < len(names) or {tag.name for tag in group.tags} & set(names):
        raise ApiError(40071, "invalid tag name, the name is existed")
    if sum(len(each.tags) for each in catalogue) + len(names) > MAX_TAGS:
        raise ApiError(40126, "corp tag count exceed limit")
    tags = [
        Tag(_new_id(ask.corp.world.corp_id, group.group_id, name), name, ask.now, order)
        for name, order in zip(names, orders, strict=True)
    ]
    ask.corp.state.commit(
        {
            "kind": "tag_group",
            "group_id": group.group_id,
            "group_name": group.group_name,
            "create_time": group.create_time,
            "order": group.order,
            "tags": [
                {"id": tag.id, "name": tag.name, "create_time": tag.create_time, "order": tag.order}
                for tag in tags
            ],
        }
    )
    return {"tag_group": _shown_group(group, tags)}


def mark_tag(ask: Ask) -> Answer:
    contact, follow = ask.relation()
    add = ask.texts("add_tag", at_most=MAX_TAGS)
    remove = ask.texts("remove_tag", at_most=MAX_TAGS)
    if not add and not remove:
        raise ApiError(40063, "add_tag and remove_tag can not be both empty")
    known = ask.corp.tags(ask.now)
    if any(tag not in known for tag in [*add, *remove]):
        raise ApiError(40068, "invalid tagid")
    held = set(ask.corp.tag_ids(contact, follow, known, ask.now))
    add = [tag for tag in dict.fromkeys(add) if tag not in held]
    remove = [tag for tag in dict.fromkeys(remove) if tag in held]
    if add or remove:
        edge = edge_name(follow.userid, contact.external_userid)
        ask.corp.state.commit(
            {"kind": "edge_tags", "at": ask.now, "edge": edge, "add": add, "remove": remove}
        )
    return {}
