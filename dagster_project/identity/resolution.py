"""Members from links: who belongs together today, and what became of every member night by night.

Nodes are numbered 0 … n−1 in order of arrival, so the smallest node of a group is the one its member id is minted
from and the survivor of a merge is the earlier minted. Within an island (nodes that any link connects) links are
followed from the strongest to the weakest; one that would give a person more at one time than a person has (two
unionids, two openids of one app, too many cards or phones), or that somebody has decided against, is refused.

History is replayed: on each night on which a link of an island came or went, the island is put together from the
links of that night. Islands are independent of each other, so a changed link costs its island only.

Nothing here reads configuration, Dagster or dbt. The loops are sequential by nature; numba compiles them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from dagster_project.identity.components import find_root

FOREVER = np.iinfo(np.int64).max
ALWAYS = np.iinfo(np.int64).min
EVENTS = ("created", "merged", "split", "reassigned")
_CREATED, _MERGED, _SPLIT, _REASSIGNED = range(4)
# refusals from here on are for nodes that are known to be two people's; others name the class that would be broken
_APART = 1_000_000


class Nodes(NamedTuple):
    """One int64 entry per node, in order of arrival.

    since, until: nights on which some statement names it, until excluded. group_class: what a person has few of (−1:
    any number); group: nodes of one group are one thing (ids of one WeChat account). starts_at, ends_at: when the node was in use.
    """

    since: NDArray[np.int64]
    until: NDArray[np.int64]
    group_class: NDArray[np.int64]
    group: NDArray[np.int64]
    starts_at: NDArray[np.int64]
    ends_at: NDArray[np.int64]


class Links(NamedTuple):
    """One int64 entry per link, strongest first. Followed on the nights since ≤ night < until."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    since: NDArray[np.int64]
    until: NDArray[np.int64]


class Resolution(NamedTuple):
    """root: per node, smallest node of its member, −1 when no statement names it any more.

    refused_by: per link, −1 when followed, else the class that it would break, or _APART + why two nodes are known to
    be two people's; refused_a, refused_b: the two nodes that cannot be one person's. The other arrays have one entry
    per event: night, kind (see EVENTS), member (root), other (root or −1), node and link that it is about (−1: none).
    """

    root: NDArray[np.int64]
    refused_by: NDArray[np.int64]
    refused_a: NDArray[np.int64]
    refused_b: NDArray[np.int64]
    event_night: NDArray[np.int64]
    event_kind: NDArray[np.int64]
    event_member: NDArray[np.int64]
    event_other: NDArray[np.int64]
    event_node: NDArray[np.int64]
    event_link: NDArray[np.int64]


def resolve(
    nodes: Nodes, links: Links, limits: NDArray[np.int64], apart: NDArray[np.int64] | None = None
) -> Resolution:
    """Groups nodes into members and replays how they came about.

    Args:
        limits: per class, how many groups of it a person may have at one time.
        apart: shape (n, 4): pairs of nodes that are known to be different people, the night since which (ALWAYS: on
            every night), and why (a number of the caller's, ≥ 0).

    Raises:
        ValueError: arrays of unequal length, or a link that names no node; the kernels check no bounds.
    """
    count = len(nodes.since)
    nodes = Nodes(*(np.ascontiguousarray(array, dtype=np.int64) for array in nodes))
    links = Links(*(np.ascontiguousarray(array, dtype=np.int64) for array in links))
    if len({len(array) for array in nodes}) > 1 or len({len(array) for array in links}) > 1:
        raise ValueError("nodes or links of unequal length")
    apart = np.empty((0, 4), np.int64) if apart is None else np.ascontiguousarray(apart, dtype=np.int64)
    for array in (links.left, links.right, apart[:, :2]):
        if array.size and not 0 <= array.min() <= array.max() < count:
            raise ValueError(f"a link names a node outside 0 … {count - 1}")
    if nodes.group_class.size and nodes.group_class.max() >= len(limits):
        raise ValueError("a class without a limit")
    return Resolution(*_resolve(*nodes, *links, np.ascontiguousarray(limits, dtype=np.int64), apart))


@njit(cache=True)
def _by_key(key, count):
    """Stable counting sort: positions by key, and where each key begins."""
    begin = np.zeros(count + 1, dtype=np.int64)
    for value in key:
        begin[value + 1] += 1
    for i in range(count):
        begin[i + 1] += begin[i]
    order = np.empty(len(key), dtype=np.int64)
    place = begin[:count].copy()
    for i in range(len(key)):
        order[place[key[i]]] = i
        place[key[i]] += 1
    return order, begin


@njit(cache=True)
def _gather(first, second, nexts):
    """The nodes of two chains, and how many of them are of the first."""
    length, of_first = 0, 0
    for head in (first, second):
        node = head
        while node != -1:
            length += 1
            node = nexts[node]
        if head == first:
            of_first = length
    found = np.empty(length, dtype=np.int64)
    i = 0
    for head in (first, second):
        node = head
        while node != -1:
            found[i] = node
            i += 1
            node = nexts[node]
    return found, of_first


@njit(cache=True)
def _in_use(node, kind, moment, group_class, starts, ends):
    return group_class[node] == kind and starts[node] <= moment < ends[node]


@njit(cache=True)
def _conflict(found, of_first, group_class, group, starts, ends, limits):
    """Whether two sets of nodes may be one person's: the class that they would break or −1, and two nodes that do.

    Most is in use at some moment when something comes into use: each of those is looked at. Either set alone keeps
    the limits, so what breaks one stands on both sides.
    """
    things = np.empty(len(found), dtype=np.int64)
    for u in found:
        kind = group_class[u]
        if kind < 0:
            continue
        used = 0
        for v in found:
            if not _in_use(v, kind, starts[u], group_class, starts, ends):
                continue
            for i in range(used):
                if things[i] == group[v]:
                    break
            else:
                things[used] = group[v]
                used += 1
                if used > limits[kind]:
                    break
        if used <= limits[kind]:
            continue
        for a in found[:of_first]:
            for b in found[of_first:]:
                if (
                    group[a] != group[b]
                    and _in_use(a, kind, starts[u], group_class, starts, ends)
                    and _in_use(b, kind, starts[u], group_class, starts, ends)
                ):
                    return kind, a, b
    return -1, -1, -1


@njit(cache=True)
def _are_apart(found, of_first, other_root, parent, night, apart_begin, apart_other, apart_since, apart_why):
    """Whether two sets of nodes, the second under `other_root`, are known by that night to be different people: why or
    −1, and two nodes that are."""
    for i in range(of_first):
        u = found[i]
        for j in range(apart_begin[u], apart_begin[u + 1]):
            if apart_since[j] <= night and find_root(parent, apart_other[j]) == other_root:
                return _APART + apart_why[j], u, apart_other[j]
    return -1, -1, -1


@njit(cache=True)
def _put(found, used, night):
    """Adds a night to the first `used` of a sorted array, which are few; returns how many there are then."""
    if night in (FOREVER, ALWAYS):
        return used
    place = used
    while place > 0 and found[place - 1] > night:
        place -= 1
    if place > 0 and found[place - 1] == night:
        return used
    for i in range(used, place, -1):
        found[i] = found[i - 1]
    found[place] = night
    return used + 1


@njit(cache=True)
def _nights(members, its_links, since, until, on, off, apart_begin, apart_since):
    """The nights on which a node, link or decision of an island came or went, in order."""
    decisions = 0
    for node in members:
        decisions += apart_begin[node + 1] - apart_begin[node]
    found = np.empty(2 * (len(members) + len(its_links)) + decisions, dtype=np.int64)
    used = 0
    for node in members:
        used = _put(found, used, since[node])
        used = _put(found, used, until[node])
        for i in range(apart_begin[node], apart_begin[node + 1]):
            used = _put(found, used, apart_since[i])
    for link in its_links:
        used = _put(found, used, on[link])
        used = _put(found, used, off[link])
    return found[:used]


@njit(cache=True)
def _grow(table, used):
    if used < len(table):
        return table
    wider = np.empty((2 * len(table), 6), dtype=np.int64)
    wider[:used] = table[:used]
    return wider


@njit(cache=True)
def _resolve(since, until, group_class, group, starts, ends, left, right, on, off, limits, apart):
    count, link_count = len(since), len(left)
    parent = np.arange(count)
    for i in range(link_count):
        a, b = find_root(parent, left[i]), find_root(parent, right[i])
        if a != b:
            parent[max(a, b)] = min(a, b)
    island = np.empty(count, dtype=np.int64)
    for node in range(count):
        island[node] = find_root(parent, node)
    link_order, link_begin = _by_key(island[left], count)
    node_order, node_begin = _by_key(island, count)
    both = np.empty(2 * len(apart), dtype=np.int64)
    for i in range(len(apart)):
        both[2 * i], both[2 * i + 1] = apart[i, 0], apart[i, 1]
    apart_order, apart_begin = _by_key(both, count)
    apart_other = np.empty(len(both), dtype=np.int64)
    apart_since = np.empty(len(both), dtype=np.int64)
    apart_why = np.empty(len(both), dtype=np.int64)
    for i in range(len(both)):
        apart_other[i] = both[apart_order[i] ^ 1]
        apart_since[i], apart_why[i] = apart[apart_order[i] // 2, 2], apart[apart_order[i] // 2, 3]

    root = np.full(count, -1)
    before = np.full(count, -1)
    # chains of the nodes that may stand against a merge; all others need not be walked
    counts = np.empty(count, dtype=np.bool_)
    for node in range(count):
        counts[node] = group_class[node] >= 0 or apart_begin[node + 1] > apart_begin[node]
    heads = np.full(count, -1)
    nexts = np.full(count, -1)
    tails = np.full(count, -1)
    lost = np.full(count, -1)
    refused_by = np.full(link_count, -1)
    refused_a = np.full(link_count, -1)
    refused_b = np.full(link_count, -1)
    events = np.empty((count + 16, 6), dtype=np.int64)
    used = 0

    for head in range(count):
        if island[head] != head:
            continue
        members = node_order[node_begin[head] : node_begin[head + 1]]
        its_links = link_order[link_begin[head] : link_begin[head + 1]]
        if len(members) == 1 and until[head] == FOREVER:
            root[head] = head
            events = _grow(events, used)
            events[used, 0], events[used, 1], events[used, 2] = since[head], _CREATED, head
            events[used, 3], events[used, 4], events[used, 5] = -1, head, -1
            used += 1
            continue
        for night in _nights(members, its_links, since, until, on, off, apart_begin, apart_since):
            for node in members:
                before[node] = root[node]
                parent[node] = node
                heads[node] = node if counts[node] else -1
                tails[node] = heads[node]
                nexts[node] = -1
                lost[node] = -1
            for link in its_links:
                if not on[link] <= night < off[link]:
                    refused_by[link] = -1
                    continue
                a, b = find_root(parent, left[link]), find_root(parent, right[link])
                refused_by[link] = -1
                if a == b:
                    continue
                kept, gone = min(a, b), max(a, b)
                if heads[kept] != -1 and heads[gone] != -1:
                    found, of_first = _gather(heads[kept], heads[gone], nexts)
                    kind, x, y = _are_apart(
                        found, of_first, gone, parent, night, apart_begin, apart_other, apart_since, apart_why
                    )
                    if kind == -1:
                        kind, x, y = _conflict(found, of_first, group_class, group, starts, ends, limits)
                    if kind != -1:
                        refused_by[link], refused_a[link], refused_b[link] = kind, x, y
                        continue
                parent[gone] = kept
                lost[gone] = link
                if heads[gone] != -1:
                    if heads[kept] == -1:
                        heads[kept] = heads[gone]
                    else:
                        nexts[tails[kept]] = heads[gone]
                    tails[kept] = tails[gone]
            for node in members:
                root[node] = find_root(parent, node) if since[node] <= night < until[node] else -1
            for node in members:
                was, now = before[node], root[node]
                kind, member, other, link = -1, now, -1, -1
                if now == was or now == -1:
                    continue
                if was == -1:
                    if now == node:
                        kind = _CREATED
                elif was == node:
                    kind, other, link = _MERGED, node, lost[node]
                elif root[was] == -1:
                    kind, other = _REASSIGNED, was  # what the id was minted from is gone
                elif now == node:
                    kind, member, other = _SPLIT, was, node
                elif root[was] != now and before[now] != was:
                    # neither followed its member into another nor left with a part of it
                    kind, other = _REASSIGNED, was
                if kind != -1:
                    events = _grow(events, used)
                    events[used, 0], events[used, 1], events[used, 2] = night, kind, member
                    events[used, 3], events[used, 4], events[used, 5] = other, node, link
                    used += 1
    done = events[:used]
    return (
        root, refused_by, refused_a, refused_b,
        done[:, 0].copy(), done[:, 1].copy(), done[:, 2].copy(), done[:, 3].copy(), done[:, 4].copy(), done[:, 5].copy(),
    )  # fmt: skip


def resolve_tables(
    nodes: pa.Table, links: pa.Table, apart: pa.Table, *, max_accounts: int, max_cards: int, max_phones: int
) -> pa.Table:
    """The same on Arrow.

    Args:
        nodes: ordered by node_no: first_seen_on, id_kind (text; null: a person may have any number), thing (uint64:
            ids of one WeChat account are one), starts_at, ends_at (seconds or null), until_on (may be absent; null:
            still named).
        links: strongest first: link_no, node_a, node_b, first_seen_on, until_on (may be absent; null: still followed).
        apart: node_a, node_b: nodes that are known to be different people, since (may be absent; null: always), reason
            (text; may be absent: decision). In order, since of several reasons the first is named.
        max_accounts: ids of one kind of WeChat id at one time; max_cards: of cards of one system; max_phones.

    Returns:
        what ('node', 'refusal', 'event') and node_no, member_no, other_no, link_no (bigint), night (date), kind (text).
        A node has its member's smallest node, or null when no statement names it any more; a refused link the kind
        that it would break and two nodes that stand against each other; an event its night, kind, member, other
        member, node and link.
    """
    kinds = nodes.column("id_kind").combine_chunks().dictionary_encode()
    classes = kinds.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    names = kinds.dictionary.to_pylist()
    limits = np.array(
        [
            max_phones if name == "phone" else max_cards if name.startswith("pos_member ") else max_accounts
            for name in names
        ],
        dtype=np.int64,
    )

    def seconds(table: pa.Table, name: str, missing: int) -> NDArray[np.int64]:
        return table.column(name).fill_null(missing).to_numpy().astype(np.int64)

    def days(table: pa.Table) -> NDArray[np.int64]:
        return table.column("first_seen_on").to_numpy().astype("datetime64[D]").astype(np.int64)

    def nights(table: pa.Table, name: str, missing: int) -> NDArray[np.int64]:
        if name not in table.column_names:
            return np.full(table.num_rows, missing)
        found = table.column(name).to_numpy().astype("datetime64[D]")
        return np.where(np.isnat(found), missing, found.astype(np.int64))

    # an account is a person's for good: that it was not used is no proof that somebody else may have one
    if "reason" not in apart.column_names:
        apart = apart.append_column("reason", pa.array(["decision"] * apart.num_rows, pa.string()))
    whys = apart.column("reason").combine_chunks().dictionary_encode()
    is_account = np.array([not (n == "phone" or n.startswith("pos_member ")) for n in names] + [False])[
        classes
    ]
    count = nodes.num_rows
    found = resolve(
        Nodes(
            days(nodes),
            nights(nodes, "until_on", FOREVER),
            classes,
            nodes.column("thing").to_numpy().view(np.int64),
            np.where(is_account, -FOREVER, seconds(nodes, "starts_at", -FOREVER)),
            np.where(is_account, FOREVER, seconds(nodes, "ends_at", FOREVER - 1) + 1),
        ),
        Links(
            seconds(links, "node_a", 0),
            seconds(links, "node_b", 0),
            days(links),
            nights(links, "until_on", FOREVER),
        ),
        limits,
        np.column_stack(
            [
                seconds(apart, "node_a", 0),
                seconds(apart, "node_b", 0),
                nights(apart, "since", ALWAYS),
                whys.indices.to_numpy().astype(np.int64),
            ]
        ),
    )
    refused = np.flatnonzero(found.refused_by != -1)
    by = found.refused_by[refused]
    broken = np.array([*names, *whys.dictionary.to_pylist()], dtype=object)[
        np.where(by >= _APART, by - _APART + len(names), by)
    ]
    return pa.concat_tables(
        [
            _part("node", node_no=np.arange(count), member_no=found.root),
            _part(
                "refusal",
                link_no=links.column("link_no").to_numpy()[refused],
                node_no=found.refused_a[refused],
                other_no=found.refused_b[refused],
                kind=broken,
            ),
            _part(
                "event",
                night=found.event_night,
                kind=np.array(EVENTS, dtype=object)[found.event_kind],
                member_no=found.event_member,
                other_no=found.event_other,
                node_no=found.event_node,
                link_no=_link_numbers(links, found.event_link),
            ),
        ]
    )


def _link_numbers(links: pa.Table, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    numbers = np.append(links.column("link_no").to_numpy(), -1)
    return numbers[positions]


def _part(what: str, **columns: NDArray) -> pa.Table:
    """Rows of one sort; −1 and absent columns are null."""
    count = len(next(iter(columns.values())))
    arrays: dict[str, pa.Array] = {"what": pa.repeat(what, count)}
    for name in ("node_no", "member_no", "other_no", "link_no"):
        values = columns.get(name)
        arrays[name] = (
            pa.nulls(count, pa.int64()) if values is None else pa.array(values, mask=np.asarray(values) == -1)
        )
    night = columns.get("night")
    arrays["night"] = (
        pa.nulls(count, pa.date32()) if night is None else pa.array(night.astype("datetime64[D]"))
    )
    kind = columns.get("kind")
    arrays["kind"] = pa.nulls(count, pa.string()) if kind is None else pa.array(kind, pa.string())
    return pa.table(arrays)
