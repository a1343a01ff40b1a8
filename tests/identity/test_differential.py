"""With no constraint in the way, components and members are scipy's and Splink's components, graph by graph."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from numpy.typing import NDArray

from dagster_project.benchmarks.identity_graphs import (
    GRAPHS,
    Graph,
    alike,
    by_scipy,
    by_splink,
    members,
    random_graphs,
    smallest,
)
from dagster_project.identity import connect


@pytest.fixture(scope="module")
def graphs() -> list[Graph]:
    return random_graphs(20261121)


def components(graph: Graph, order: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Smallest node of each node's component."""
    nodes, left, right = graph
    order = np.arange(len(left)) if order is None else order
    return connect(nodes, left[order], right[order])


def test_scipy_finds_the_same_components_in_every_graph(graphs: list[Graph]) -> None:
    labels = by_scipy(graphs)
    assert len(graphs) == GRAPHS == alike(graphs, labels)
    for graph, found in zip(graphs, labels, strict=True):
        np.testing.assert_array_equal(components(graph), smallest(found))


@pytest.mark.skipif(find_spec("splink") is None, reason="splink is in the extra `bench` only")
def test_splink_finds_the_same_components_in_every_graph(graphs: list[Graph]) -> None:
    labels = by_splink(graphs)
    assert alike(graphs, labels) == GRAPHS
    for graph, found in zip(graphs, labels, strict=True):
        np.testing.assert_array_equal(components(graph), smallest(found))


def test_a_graph_that_another_tells_otherwise_is_not_counted(graphs: list[Graph]) -> None:
    several = [graph for graph in graphs if len(np.unique(members(graph))) > 1]
    parted = [np.zeros(nodes, np.int64) for nodes, _, _ in several]  # all of a graph are one
    assert len(several) > 400 and alike(several, parted) == 0


def test_the_order_of_links_changes_nothing(graphs: list[Graph]) -> None:
    rng = np.random.default_rng(1)
    for nodes, left, right in graphs:
        order = rng.permutation(len(left))
        graph = nodes, left, right
        np.testing.assert_array_equal(components(graph), components(graph, order))
        np.testing.assert_array_equal(members(graph), members((nodes, left[order], right[order])))
