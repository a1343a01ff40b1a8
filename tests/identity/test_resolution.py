"""The kernel against a slow reading of its own promises: sets of nodes, night by night, in plain Python."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dagster_project.identity.resolution import (
    _APART,
    ALWAYS,
    EVENTS,
    FOREVER,
    Links,
    Nodes,
    resolve,
    resolve_tables,
)

GRAPHS = 2000
DAY = 86_400
CREATED, MERGED, SPLIT, REASSIGNED = EVENTS
Roots = tuple[int, ...]


class Graph(NamedTuple):
    """Rows as people would write them down. nodes: since, until, class, thing, start, end; links: left, right,
    since, until, the strongest first; until None: still there. apart: two nodes, since; since None: always."""

    nodes: list[tuple[int, int | None, int, int, int, int]]
    links: list[tuple[int, int, int, int | None]]
    limits: list[int]
    apart: list[tuple[int, int, int | None]]

    def arrays(self) -> tuple[Nodes, Links, np.ndarray, np.ndarray]:
        def columns(rows: list[tuple], width: int) -> list[np.ndarray]:
            whole = [[FOREVER if cell is None else cell for cell in row] for row in rows]
            return list(np.array(whole, dtype=np.int64).reshape(len(rows), width).T)

        apart = np.array([(a, b, ALWAYS if s is None else s, 0) for a, b, s in self.apart], dtype=np.int64)
        return (
            Nodes(*columns(self.nodes, 6)),
            Links(*columns(self.links, 4)),
            np.array(self.limits, dtype=np.int64),
            apart.reshape(len(self.apart), 4),
        )

    def known_on(self, night: int) -> Graph:
        """What somebody knew that night: later arrivals and withdrawals had not been heard of."""

        def unheard(until: int | None) -> int | None:
            return until if until is not None and until <= night else None

        count = sum(node[0] <= night for node in self.nodes)
        nodes = [(since, unheard(until), *rest) for since, until, *rest in self.nodes[:count]]
        links = [(a, b, since, unheard(until)) for a, b, since, until in self.links if since <= night]
        apart = [(a, b, s) for a, b, s in self.apart if max(a, b) < count and (s is None or s <= night)]
        return Graph(nodes, links, self.limits, apart)


class Outcome(NamedTuple):
    """nightly: (night, root of every node) of all nights; refused: link → classes that it would break."""

    nightly: list[tuple[int, Roots]]
    refused: dict[int, set[int]]
    events: list[tuple[int, str, int, int, int, int]]


def random_graph(rng: np.random.Generator, *, goes: bool, constrained: bool = True) -> Graph:
    """Two to fourteen identifiers over six nights. `goes`: nodes and links are withdrawn, too."""
    count = int(rng.integers(2, 15))
    classes = int(rng.integers(1, 4))
    nodes = []
    for since in sorted(rng.integers(0, 6, count).tolist()):
        until = int(rng.integers(since + 1, 8)) if goes and rng.random() < 0.3 else None
        start = int(rng.integers(0, 8))
        lasts = int(rng.choice([1, 3, 20]))  # one after the other, side by side, for good
        kind = int(rng.integers(-1, classes)) if constrained else -1
        nodes.append((since, until, kind, int(rng.integers(0, count)), start, start + lasts))
    links = []
    for _ in range(int(rng.integers(0, 2 * count))):
        a, b = (int(node) for node in rng.integers(0, count, 2))
        since = max(nodes[a][0], nodes[b][0], int(rng.integers(0, 6)))
        # a link lives no longer than what it links
        ends = [end for end in (nodes[a][1], nodes[b][1]) if end is not None]
        if goes and rng.random() < 0.4:
            ends.append(int(rng.integers(since + 1, 9)))
        until = min(ends, default=None)
        if until is None or since < until:
            links.append((a, b, since, until))
    few = int(rng.integers(0, 3)) if constrained else 0
    pairs = [(int(a), int(b)) for a, b in rng.integers(0, count, (few, 2)) if a != b]
    apart = [(a, b, int(rng.integers(0, 9)) if rng.random() < 0.5 else None) for a, b in pairs]
    return Graph(nodes, links, [int(limit) for limit in rng.integers(1, 4, classes)], apart)


def graphs(seed: int, count: int, **kind: bool) -> list[Graph]:
    rng = np.random.default_rng(seed)
    return [random_graph(rng, **kind) for _ in range(count)]


def is_on(since: int, until: int | None, night: int) -> bool:
    return since <= night and (until is None or night < until)


def broken_by(graph: Graph, one: set[int], other: set[int]) -> set[int]:
    """Classes of which a person of both sets would have too many at some moment."""
    broken = set()
    for moment in {graph.nodes[node][4] for node in one | other}:
        in_use: dict[int, set[int]] = {}
        for _, _, kind, thing, start, end in (graph.nodes[node] for node in one | other):
            if kind >= 0 and start <= moment < end:
                in_use.setdefault(kind, set()).add(thing)
        broken |= {kind for kind, things in in_use.items() if len(things) > graph.limits[kind]}
    return broken


def put_together(graph: Graph, night: int) -> tuple[Roots, dict[int, set[int]], dict[int, int]]:
    """Roots of that night, links refused and why, and by which link each node stopped being a root."""
    group = {node: {node} for node in range(len(graph.nodes))}
    refused: dict[int, set[int]] = {}
    lost: dict[int, int] = {}
    for number, (a, b, since, until) in enumerate(graph.links):
        if not is_on(since, until, night) or group[a] is group[b]:
            continue
        one, other = group[a], group[b]
        if any(
            {x, y} <= one | other and (x in one) != (y in one) and (decided is None or decided <= night)
            for x, y, decided in graph.apart
        ):
            refused[number] = {_APART}
        elif broken := broken_by(graph, one, other):
            refused[number] = broken
        else:
            lost[max(min(one), min(other))] = number
            for node in one | other:
                group[node] = one | other
            whole = one | other
            for node in whole:
                group[node] = whole
    here = [is_on(node[0], node[1], night) for node in graph.nodes]
    return tuple(min(group[n]) if here[n] else -1 for n in group), refused, lost


def happened(before: Roots, after: Roots, lost: dict[int, int]) -> list[tuple[str, int, int, int, int]]:
    """Every change of a member id has exactly one explanation: the member ended in another, began in another, or
    this identifier alone changed sides."""
    found = []
    for node, (was, now) in enumerate(zip(before, after, strict=True)):
        if now in (was, -1):
            continue
        if was == -1:
            if now == node:
                found.append((CREATED, node, -1, node, -1))
        elif was == node:
            found.append((MERGED, now, node, node, lost[node]))
        elif after[was] == -1:
            found.append((REASSIGNED, now, was, node, -1))
        elif now == node:
            found.append((SPLIT, was, node, node, -1))
        elif after[was] != now and before[now] != was:
            found.append((REASSIGNED, now, was, node, -1))
    return found


def reference(graph: Graph) -> Outcome:
    times = (
        {time for node in graph.nodes for time in node[:2]}
        | {t for link in graph.links for t in link[2:]}
        | {decided for _, _, decided in graph.apart}
    )
    roots: Roots = (-1,) * len(graph.nodes)
    nightly, events, refused = [], [], {}
    for night in sorted(time for time in times if time is not None):
        before = roots
        roots, refused, lost = put_together(graph, night)
        nightly.append((night, roots))
        events += [(night, *event) for event in happened(before, roots, lost)]
    return Outcome(nightly, refused, events)


def events_of(found: object) -> list[tuple[int, str, int, int, int, int]]:
    names = ("night", "kind", "member", "other", "node", "link")
    rows = zip(*(getattr(found, f"event_{name}").tolist() for name in names), strict=True)
    return sorted((night, EVENTS[kind], *rest) for night, kind, *rest in rows)


def test_what_is_used_in_turn_beside_one_thing_does_not_add_up() -> None:
    """Two numbers at a time: one for good, and others one after the other; a third at one moment is one too many."""
    for third_starts, members in ((20, 1), (19, 2)):
        numbers = [(0, 30), (0, 10), (10, 20), (third_starts, 30)]
        nodes = [(0, None, 0, thing, *used) for thing, used in enumerate(numbers)]
        graph = Graph(nodes, [(0, other, 0, None) for other in (1, 2, 3)], [2], [])
        found = resolve(*graph.arrays())
        assert len(set(found.root.tolist())) == members
        if members == 2:
            assert found.refused_by.tolist() == [-1, -1, 0]
            assert (found.refused_a[2], found.refused_b[2]) in ((0, 3), (2, 3))


@pytest.mark.parametrize("goes", [False, True])
def test_every_graph_as_the_plain_reading_of_it(goes: bool) -> None:
    seen = set()
    for graph in graphs(20260101 + goes, GRAPHS, goes=goes):
        found, wanted = resolve(*graph.arrays()), reference(graph)
        assert tuple(found.root.tolist()) == wanted.nightly[-1][1], graph
        assert set(np.flatnonzero(found.refused_by != -1).tolist()) == set(wanted.refused), graph
        for link, classes in wanted.refused.items():
            assert found.refused_by[link] in classes, graph
        assert events_of(found) == sorted(wanted.events), graph
        seen |= {event[1] for event in wanted.events} | {min(c, 1) for c in found.refused_by.tolist()}
    # the graphs are worth something: each kind of event and each sort of refusal came up
    assert seen == {*EVENTS, -1, 0, 1}


def test_a_refusal_names_two_that_cannot_be_one_persons() -> None:
    checked = 0
    for graph in graphs(3, 500, goes=False):
        found = resolve(*graph.arrays())
        for link in np.flatnonzero(found.refused_by != -1):
            a, b = int(found.refused_a[link]), int(found.refused_b[link])
            checked += 1
            assert found.root[a] != found.root[b]
            if found.refused_by[link] == _APART:
                assert {a, b} in [set(pair[:2]) for pair in graph.apart]
            else:
                _, _, kind, thing, start, end = graph.nodes[a]
                other = graph.nodes[b]
                assert kind == other[2] == found.refused_by[link]
                assert thing != other[3]
                assert start < other[5] and other[4] < end
    assert checked > 300


def test_nothing_that_was_published_is_rewritten_by_later_nights() -> None:
    for graph in graphs(4, 400, goes=True):
        events = events_of(resolve(*graph.arrays()))
        for night, roots in reference(graph).nightly:
            known = graph.known_on(night)
            numbers = [number for number, link in enumerate(graph.links) if link[2] <= night] + [-1]
            found = resolve(*known.arrays())
            assert tuple(found.root.tolist()) == roots[: len(known.nodes)]
            told = [(*event[:5], numbers[event[5]]) for event in events_of(found)]
            assert told == [event for event in events if event[0] <= night]


def test_events_replay_to_the_members_of_every_night() -> None:
    for graph in graphs(5, GRAPHS, goes=False):
        events = events_of(resolve(*graph.arrays()))
        members: set[int] = set()
        before: Roots = (-1,) * len(graph.nodes)
        for night, after in reference(graph).nightly:
            tonight = [event for event in events if event[0] == night]
            leads: dict[int, set[int]] = {}
            for _, kind, member, other, _, _ in tonight:
                if kind == CREATED:
                    members.add(member)
                elif kind == SPLIT:
                    members.add(other)
                    leads.setdefault(member, set()).add(other)
                else:
                    members -= {other} if kind == MERGED else set()
                    leads.setdefault(other, set()).add(member)
            assert members == set(after) - {-1}, graph
            # and an id changes only where an event leads from the old one to the new one
            for was, now in zip(before, after, strict=True):
                assert was in (-1, now) or now in leads[was], graph
            before = after


def test_ids_are_minted_once_and_redirects_lead_home() -> None:
    for graph in graphs(6, 500, goes=False):
        found, nightly = resolve(*graph.arrays()), reference(graph).nightly
        published = {root for _, roots in nightly for root in roots} - {-1}
        events = events_of(found)
        minted = [e[2] for e in events if e[1] == CREATED] + [e[3] for e in events if e[1] == SPLIT]
        left = {e[3] for e in events if e[1] == MERGED}
        assert published == set(minted)
        assert {member for member in published if found.root[member] != member} <= left
        for member in range(len(graph.nodes)):
            nodes = np.flatnonzero(found.root == member)
            assert len(nodes) == 0 or nodes[0] == member


def test_a_changed_link_changes_no_member_of_another_island() -> None:
    moved = 0
    rng = np.random.default_rng(7)
    for graph in graphs(8, 500, goes=True):
        if not graph.links:
            continue
        gone = int(rng.integers(len(graph.links)))
        fewer = graph._replace(links=graph.links[:gone] + graph.links[gone + 1 :])
        one, other = resolve(*graph.arrays()), resolve(*fewer.arrays())
        labels = components(len(graph.nodes), graph.links)
        touched = set(np.flatnonzero(labels == labels[graph.links[gone][0]]).tolist())
        changed = set(np.flatnonzero(one.root != other.root).tolist())
        assert changed <= touched
        assert {e for e in events_of(one) if e[4] not in touched} == renumbered(other, gone, touched)
        moved += bool(changed)
    assert moved > 50


def renumbered(found: object, gone: int, touched: set[int]) -> set[tuple]:
    """Events outside `touched`, links counted as they were before link `gone` was taken out."""
    return {(*e[:5], e[5] + (e[5] >= gone)) for e in events_of(found) if e[4] not in touched}


def components(count: int, links: list[tuple]) -> np.ndarray:
    """Smallest node of each node's component, by scipy."""
    pairs = np.array([link[:2] for link in links], dtype=np.int64).reshape(-1, 2)
    matrix = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, labels = connected_components(matrix, directed=False)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return first[inverse]


def test_without_constraints_members_are_scipys_components() -> None:
    for graph in graphs(9, 1000, goes=False, constrained=False):
        found = resolve(*graph.arrays())
        np.testing.assert_array_equal(found.root, components(len(graph.nodes), graph.links))
        assert (found.refused_by == -1).all()


def tables(graph: Graph, rng: np.random.Generator | None = None) -> tuple[pa.Table, pa.Table, pa.Table]:
    """The graph as dbt hands it over; with `rng` in one of the many ways that mean the same."""
    kinds = ["phone", "pos_member pos", "phone"]
    names = [None if node[2] < 0 else kinds[node[2]] for node in graph.nodes]
    things = np.arange(len(graph.nodes), dtype=np.uint64)
    links = [link[:3] for link in graph.links]
    apart = list(graph.apart)
    if rng is not None:
        things = rng.permutation(2**40 + np.arange(len(things), dtype=np.uint64) * 2**23)
        links = [(b, a, night) if rng.random() < 0.5 else (a, b, night) for a, b, night in links]
        apart = [(b, a, s) if rng.random() < 0.5 else (a, b, s) for a, b, s in apart + apart]
        rng.shuffle(apart)
    nodes = pa.table(
        {
            "first_seen_on": pa.array([node[0] for node in graph.nodes], pa.int32()).cast(pa.date32()),
            "id_kind": pa.array(names, pa.string()),
            "thing": pa.array([things[node[3]] for node in graph.nodes], pa.uint64()),
            "starts_at": pa.array([node[4] * DAY for node in graph.nodes], pa.int64()),
            "ends_at": pa.array([node[5] * DAY - 1 for node in graph.nodes], pa.int64()),
        }
    )
    columns = [pa.array([link[i] for link in links], pa.int64()) for i in range(2)]
    nights = pa.array([link[2] for link in links], pa.int32()).cast(pa.date32())
    edges = pa.table(
        {
            "link_no": pa.array(range(len(links)), pa.int64()),
            "node_a": columns[0],
            "node_b": columns[1],
            "first_seen_on": nights,
        }
    )
    pairs = [pa.array([pair[i] for pair in apart], pa.int64()) for i in range(2)]
    decided = pa.array([pair[2] for pair in apart], pa.int32()).cast(pa.date32())
    return nodes, edges, pa.table({"node_a": pairs[0], "node_b": pairs[1], "since": decided})


def test_tables_of_one_meaning_give_one_answer() -> None:
    rng = np.random.default_rng(10)
    limits = {"max_accounts": 1, "max_cards": 2, "max_phones": 3}
    for graph in graphs(11, 300, goes=False):
        first = resolve_tables(*tables(graph), **limits)
        again = resolve_tables(*tables(graph, rng), **limits)
        in_parts = [
            pa.concat_tables([table.slice(0, len(table) // 2), table.slice(len(table) // 2)])
            for table in tables(graph)
        ]
        assert resolve_tables(*in_parts, **limits).equals(first)
        # two accounts of a refusal are named in the order in which they were met
        unordered = first.drop_columns(["node_no", "other_no"])
        assert again.drop_columns(["node_no", "other_no"]).equals(unordered)
        for name in ("node_no", "other_no"):
            others = [t.filter(pa.compute.not_equal(t["what"], "refusal"))[name] for t in (first, again)]
            assert others[0].equals(others[1])


def test_the_numbers_of_nodes_decide_ids_and_never_who_belongs_together() -> None:
    rng = np.random.default_rng(12)
    for graph in graphs(13, 500, goes=False):
        count = len(graph.nodes)
        number = rng.permutation(count).tolist()
        nodes = [graph.nodes[old] for old in np.argsort(number)]
        links = [(number[a], number[b], since, until) for a, b, since, until in graph.links]
        apart = [(number[a], number[b], since) for a, b, since in graph.apart]
        one = resolve(*graph.arrays())
        other = resolve(*Graph(nodes, links, graph.limits, apart).arrays())
        assert [r == -1 for r in one.refused_by] == [r == -1 for r in other.refused_by]
        for a, b in product(range(count), repeat=2):
            assert (one.root[a] == one.root[b]) == (other.root[number[a]] == other.root[number[b]])


def test_islands_do_not_mind_how_their_links_are_shuffled_among_each_other() -> None:
    rng = np.random.default_rng(14)
    for graph in graphs(15, 500, goes=True):
        island = components(len(graph.nodes), graph.links)
        queues: dict[int, list[int]] = {}
        for number, link in enumerate(graph.links):
            queues.setdefault(int(island[link[0]]), []).append(number)
        turns = rng.permutation([int(island[link[0]]) for link in graph.links]).tolist()
        order = [queues[turn].pop(0) for turn in turns]
        one = resolve(*graph.arrays())
        other = resolve(*graph._replace(links=[graph.links[i] for i in order]).arrays())
        np.testing.assert_array_equal(one.root, other.root)
        np.testing.assert_array_equal(one.refused_by[order], other.refused_by)


def simple(kinds: list[int], links: list[tuple[int, int]], **about: object) -> tuple[list[int], list[int]]:
    """Roots and refusing classes of nodes that were always there, each a thing of its own."""
    spans = about.get("spans", [(0, 10)] * len(kinds))
    nodes = [(0, None, kind, number, *spans[number]) for number, kind in enumerate(kinds)]
    graph = Graph(
        nodes, [(a, b, 0, None) for a, b in links], about.get("limits", [1, 1]), about.get("apart", [])
    )
    found = resolve(*graph.arrays())
    return found.root.tolist(), found.refused_by.tolist()


def test_the_weaker_of_two_links_gives_way() -> None:
    # an account, a phone, another account: the phone stays with whom it is tied to more strongly
    assert simple([0, -1, 0], [(0, 1), (1, 2)]) == ([0, 0, 2], [-1, 0])
    assert simple([0, -1, 0], [(1, 2), (0, 1)]) == ([0, 1, 1], [-1, 0])
    # one after the other both may be hers
    assert simple([0, -1, 0], [(0, 1), (1, 2)], spans=[(0, 5), (0, 9), (5, 9)]) == ([0, 0, 0], [-1, -1])


def test_a_decision_holds_across_everything_in_between() -> None:
    chain = [(0, 1), (1, 2), (2, 3)]
    assert simple([-1] * 4, chain, apart=[(3, 0, None)]) == ([0, 0, 0, 3], [-1, -1, _APART])


def test_no_nodes_and_no_links() -> None:
    empty = resolve(*Graph([], [], [], []).arrays())
    assert [len(column) for column in empty] == [0] * 10
    assert simple([-1, 0], []) == ([0, 1], [])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"links": [(0, 2, 0, None)]}, "outside 0 … 1"),
        ({"links": [(-1, 0, 0, None)]}, "outside 0 … 1"),
        ({"apart": [(0, 5, None)]}, "outside 0 … 1"),
        ({"limits": []}, "class without a limit"),
    ],
)
def test_what_the_unchecked_kernel_could_not_bear_is_refused(change: dict, message: str) -> None:
    graph = Graph([(0, None, 0, 0, 0, 1), (0, None, -1, 1, 0, 1)], [], [1], [])._replace(**change)
    with pytest.raises(ValueError, match=message):
        resolve(*graph.arrays())
