"""With no constraint in the way, the kernel's components are scipy's and Splink's, graph by graph."""

from __future__ import annotations

from importlib.util import find_spec

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dagster_project.identity import connect

Graph = tuple[int, NDArray[np.int64], NDArray[np.int64]]
GRAPHS = 1000


def random_graphs(seed: int) -> list[Graph]:
    """Sparse and dense ones, stars, chains and empty ones: shapes that trees of parents get wrong."""
    rng = np.random.default_rng(seed)
    graphs = []
    for number in range(GRAPHS):
        nodes = int(rng.integers(1, 120))
        links = int(rng.integers(0, 1 + int(nodes * rng.choice([0.3, 1, 4]))))
        left, right = rng.integers(0, nodes, (2, links))
        if number % 4 == 1:  # a hub
            left[:] = rng.integers(0, nodes)
        elif number % 4 == 2:  # a chain, shuffled
            order = rng.permutation(nodes)
            left, right = order[:-1], order[1:]
            shuffled = rng.permutation(len(left))
            left, right = left[shuffled], right[shuffled]
        graphs.append((nodes, left.astype(np.int64), right.astype(np.int64)))
    return graphs


@pytest.fixture(scope="module")
def graphs() -> list[Graph]:
    return random_graphs(20261121)


def ours(graph: Graph, order: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Smallest node of each node's component."""
    nodes, left, right = graph
    order = np.arange(len(left)) if order is None else order
    return connect(nodes, left[order], right[order])


def smallest(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels of any kind as the smallest node that carries them: equal for equal partitions."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return first[inverse]


def together(graphs: list[Graph]) -> tuple[NDArray[np.int64], Graph]:
    """Where each graph begins, and all of them as the disjoint parts of one."""
    begins = np.cumsum([0, *(nodes for nodes, _, _ in graphs)])
    left = np.concatenate([left + begin for begin, (_, left, _) in zip(begins, graphs, strict=False)])
    right = np.concatenate([right + begin for begin, (_, _, right) in zip(begins, graphs, strict=False)])
    return begins, (int(begins[-1]), left, right)


def test_scipy_finds_the_same_components_in_every_graph(graphs: list[Graph]) -> None:
    assert len(graphs) == GRAPHS
    for graph in graphs:
        nodes, left, right = graph
        matrix = coo_array((np.ones(len(left)), (left, right)), shape=(nodes, nodes))
        _, labels = connected_components(matrix, directed=False)
        np.testing.assert_array_equal(ours(graph), smallest(labels))


@pytest.mark.skipif(find_spec("splink") is None, reason="splink is in the extra `bench` only")
def test_splink_finds_the_same_components_in_every_graph(graphs: list[Graph]) -> None:
    from splink import DuckDBAPI
    from splink.clustering import cluster_pairwise_predictions_at_threshold

    begins, (nodes, left, right) = together(graphs)
    with duckdb.connect() as connection:
        for name, columns in {"nodes": {"node": np.arange(nodes)}, "edges": {"a": left, "b": right}}.items():
            connection.register("columns", pa.table(columns))
            connection.execute(f"create table {name} as select * from columns")
        found = cluster_pairwise_predictions_at_threshold(
            "nodes", "edges", DuckDBAPI(connection=connection), node_id_column_name="node",
            edge_id_column_name_left="a", edge_id_column_name_right="b",
        )  # fmt: skip
        labels = connection.execute(
            f"select cluster_id from {found.physical_name} order by node"
        ).fetchnumpy()["cluster_id"]
    for begin, graph in zip(begins, graphs, strict=False):
        np.testing.assert_array_equal(ours(graph), smallest(labels[begin : begin + graph[0]]))


def test_the_order_of_links_changes_nothing(graphs: list[Graph]) -> None:
    rng = np.random.default_rng(1)
    for graph in graphs:
        np.testing.assert_array_equal(ours(graph), ours(graph, rng.permutation(len(graph[1]))))
