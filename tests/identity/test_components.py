"""The kernel against scipy, against a plain replay of the nights, and against the order of links."""

import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dagster_project.identity import connect, connect_links


def smallest_of_component(node_count, left, right):
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(node_count, node_count))
    _, label = connected_components(graph, directed=False)
    smallest = np.full(label.max() + 1, node_count)
    np.minimum.at(smallest, label, np.arange(node_count))
    return smallest[label]


@st.composite
def arrivals(draw):
    node_count = draw(st.integers(1, 30))
    node = st.integers(0, node_count - 1)
    links = draw(st.lists(st.tuples(node, node, st.integers(0, 4)), max_size=50))
    return node_count, sorted(links, key=lambda link: link[2])


def columns(links):
    return [np.array([link[i] for link in links], dtype=np.int64) for i in range(3)]


def test_agrees_with_scipy_on_a_thousand_random_graphs():
    rng = np.random.default_rng(7)
    for _ in range(1000):
        node_count = int(rng.integers(1, 200))
        left, right = rng.integers(0, node_count, (2, int(rng.integers(0, 2 * node_count))))
        found = connect(node_count, left, right, np.zeros(len(left)))
        np.testing.assert_array_equal(found.root, smallest_of_component(node_count, left, right))


@given(arrivals())
@settings(deadline=None)
def test_merges_replay_what_each_night_would_have_published(world):
    node_count, links = world
    found = connect(node_count, *columns(links))
    before = np.arange(node_count)
    for night in range(5):
        known = [link for link in links if link[2] <= night]
        after = connect(node_count, *columns(known)).root
        gone = [n for n in range(node_count) if before[n] == n and after[n] != n]
        tonight = [
            n for n in range(node_count) if found.merged_by[n] >= 0 and links[found.merged_by[n]][2] == night
        ]
        assert tonight == gone
        assert [int(found.merged_into[n]) for n in gone] == [int(after[n]) for n in gone]
        before = after


@given(arrivals(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_order_within_a_night_changes_no_id_and_no_redirect(world, random):
    node_count, links = world
    shuffled = [(b, a, night) if random.random() < 0.5 else (a, b, night) for a, b, night in links]
    random.shuffle(shuffled)
    shuffled.sort(key=lambda link: link[2])
    one, other = connect(node_count, *columns(links)), connect(node_count, *columns(shuffled))
    np.testing.assert_array_equal(one.root, other.root)
    np.testing.assert_array_equal(one.merged_into, other.merged_into)


def test_a_million_nodes_take_seconds():
    rng = np.random.default_rng(1)
    left, right = rng.integers(0, 1_000_000, (2, 1_500_000))
    connect(2, np.array([0]), np.array([1]), np.array([0]))  # compiling is not measured
    start = time.process_time()
    found = connect(1_000_000, left, right, np.zeros(len(left)))
    assert time.process_time() - start < 5
    np.testing.assert_array_equal(found.root, smallest_of_component(1_000_000, left, right))


def test_arrow_form_names_links_by_number_and_leaves_the_unmerged_null():
    links = pa.table({"link_no": [10, 11], "node_a": [0, 1], "node_b": [2, 2], "night": [5, 6]})
    assert connect_links(4, links).to_pydict() == {
        "node_no": [0, 1, 2, 3],
        "root_no": [0, 0, 0, 3],
        "merged_by_link_no": [None, 11, 10, None],
        "merged_into_no": [None, 0, 0, None],
    }


@pytest.mark.parametrize(
    ("links", "message"),
    [
        (([0], [3], [0]), "only 0 … 2"),
        (([-1], [0], [0]), "nodes -1"),
        (([0, 1], [1], [0]), "unequal length"),
        (([0, 1], [1, 2], [1, 0]), "order of night"),
    ],
)
def test_bad_links_are_refused_before_the_unchecked_kernel(links, message):
    with pytest.raises(ValueError, match=message):
        connect(3, *(np.array(column) for column in links))


def test_no_links_and_no_nodes():
    none = np.array([], dtype=np.int64)
    assert connect(0, none, none, none).root.tolist() == []
    assert connect(2, none, none, none).root.tolist() == [0, 1]
