"""Why identifiers are one member: shortest chains of followed links, and what a record names.

Plain functions on a member's own links; reading them is `dagster_project.reports.evidence`'s business.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

Node = tuple[str, str, str]
"""Namespace, identifier, and the owner's turn with a phone (empty for the first and for all else)."""

_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")

# What a row names its record's person by: namespace, column and, of an openid, the column of its app. The same list
# as the macro identity_feeds; a test holds the two together.
_CARD, _SAID = ("pos_member", "member_ref", ""), ("phone", "phone_token", "")
_ACCOUNT, _UNION = ("openid", "openid", "appid"), ("unionid", "unionid", "")
_NAMES: Mapping[tuple[str, str], tuple[tuple[str, str, str], ...]] = {
    ("pos", "tickets"): (
        _CARD,
        _SAID,
        ("openid", "pay_openid", "pay_appid"),
        ("alipay_user", "alipay_user_id", ""),
    ),
    ("pos", "members"): (_CARD, _SAID, ("openid", "wx_openid", "wx_appid"), _UNION),
    ("pos", "points"): (_CARD, _SAID),
    ("pos", "coupon_events"): (_CARD, _SAID),
    ("pos", "staff"): (_SAID,),
    ("groupbuy", "orders"): (_ACCOUNT, ("phone", "buyer_phone_token", ""), _UNION),
    ("groupbuy", "users"): (_ACCOUNT, _SAID, _UNION),
    ("groupbuy", "complaints"): (_ACCOUNT, _SAID),
    ("groupbuy", "shares"): (_ACCOUNT,),
    ("groupbuy", "leaders"): (_SAID,),
    ("groupbuy", "coupon_events"): (_ACCOUNT, _SAID),
    ("wecom", "contacts"): (("external_userid", "external_userid", ""), _UNION, _SAID),
    ("wecom", "group_members"): (("external_userid", "userid", ""), _UNION),
}
# a contact is one record, whoever of the staff has it; the other feeds are known by their contract's key
RECORD_KEYS: Mapping[tuple[str, str], tuple[str, ...]] = {("wecom", "contacts"): ("external_userid",)}


@dataclass(frozen=True)
class Link:
    """A claim that two identifiers are one person's; `left` is the stronger identifier.

    record: connection|feed|record_id of the earliest record that claims it; support: how many do; strength: the
    strongest lowest; first_seen_on: night on which that record arrived saying so; starts_at, ends_at: when it was so.
    """

    left: Node
    right: Node
    rule: str
    record: str
    strength: int
    support: int
    first_seen_on: date
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True)
class Step:
    """One link of a path, walked from `source` to `target`."""

    source: Node
    target: Node
    link: Link


def paths_from(links: Iterable[Link], starts: Collection[Node]) -> dict[Node, list[Step]]:
    """The shortest path from any of `starts` to every node that links reach, the starts themselves by no step.

    Of two equally short paths the one through the stronger, better supported links is taken; the order of `links`
    does not matter.
    """
    beside: dict[Node, list[Step]] = {}
    for link in links:
        for source, target in ((link.left, link.right), (link.right, link.left)):
            beside.setdefault(source, []).append(Step(source, target, link))
    for steps in beside.values():
        steps.sort(key=lambda step: (step.link.strength, -step.link.support, step.target, step.link.record))
    found: dict[Node, list[Step]] = {node: [] for node in sorted(starts)}
    waiting = deque(found)
    while waiting:
        node = waiting.popleft()
        for step in beside.get(node, ()):
            if step.target not in found:
                found[step.target] = [*found[node], step]
                waiting.append(step.target)
    return found


def shortest_path(
    links: Iterable[Link], starts: Collection[Node], goals: Collection[Node]
) -> list[Step] | None:
    """The fewest steps from any of `starts` to any of `goals`; empty when they meet, None when nothing joins them."""
    found = paths_from(links, starts)
    reached = [(len(found[goal]), goal) for goal in goals if goal in found]
    return found[min(reached)[1]] if reached else None


def minted_id(node: Node) -> str:
    """The member id that an identifier gives when it is its member's earliest (the models' identity_id)."""
    namespace, identifier, turn = node
    text = f"{namespace}:{identifier}" + (f"#{turn}" if turn else "")
    return "m" + hashlib.sha256(text.encode()).hexdigest()[:16].translate(_LETTERS)


def named_identifiers(kind: str, feed: str, connection: str, row: Mapping[str, Any]) -> set[tuple[str, str]]:
    """(namespace, identifier) by which a lake row names the person it is about; a phone as its token.

    A phone that is hidden, no mobile number, or typed and never proved names nobody.
    """
    named = set()
    for namespace, column, app in _NAMES.get((kind, feed), ()):
        value = row.get(column)
        if value is None or (namespace == "phone" and not _proves(feed, column, row)):
            continue
        if namespace == "pos_member":
            value = f"{connection}:{value}"
        elif namespace == "openid":
            value = f"{row.get(app) or connection}:{value}"
        named.add((namespace, str(value)))
    return named


def _proves(feed: str, column: str, row: Mapping[str, Any]) -> bool:
    if row.get(column.replace("_token", "_kind")) not in ("plain", "mvno", "placeholder"):
        return False
    if feed == "users":
        return row.get("phone_verified_at") is not None
    if feed == "orders":
        return row.get("phone_verified") == "Y"
    if feed == "contacts":
        return str(row.get("remark_phone_count")) == "1"
    return True
