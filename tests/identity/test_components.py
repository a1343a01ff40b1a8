"""The kernel against scipy, and what it refuses."""

import time

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dagster_project.identity import connect


def smallest_of_component(node_count, left, right):
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(node_count, node_count))
    _, label = connected_components(graph, directed=False)
    smallest = np.full(label.max() + 1, node_count)
    np.minimum.at(smallest, label, np.arange(node_count))
    return smallest[label]


def test_agrees_with_scipy_on_a_thousand_random_graphs():
    rng = np.random.default_rng(7)
    for _ in range(1000):
        node_count = int(rng.integers(1, 200))
        left, right = rng.integers(0, node_count, (2, int(rng.integers(0, 2 * node_count))))
        found = connect(node_count, left, right)
        np.testing.assert_array_equal(found, smallest_of_component(node_count, left, right))


def test_a_million_nodes_take_seconds():
    rng = np.random.default_rng(1)
    left, right = rng.integers(0, 1_000_000, (2, 1_500_000))
    connect(2, np.array([0]), np.array([1]))  # compiling is not measured
    start = time.process_time()
    found = connect(1_000_000, left, right)
    assert time.process_time() - start < 5
    np.testing.assert_array_equal(found, smallest_of_component(1_000_000, left, right))


@pytest.mark.parametrize(
    ("links", "message"),
    [
        (([0], [3]), "only 0 … 2"),
        (([-1], [0]), "nodes -1"),
        (([0, 1], [1]), "unequal length"),
    ],
)
def test_bad_links_are_refused_before_the_unchecked_kernel(links, message):
    with pytest.raises(ValueError, match=message):
        connect(3, *(np.array(column) for column in links))


def test_no_links_and_no_nodes():
    none = np.array([], dtype=np.int64)
    assert connect(0, none, none).tolist() == []
    assert connect(2, none, none).tolist() == [0, 1]
