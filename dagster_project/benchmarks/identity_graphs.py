"""Graphs without people: with no limit in the way, One ID's members are connected components, as others find them."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dagster_project.identity.resolution import FOREVER, Links, Nodes, resolve

Ints = NDArray[np.int64]
Graph = tuple[int, Ints, Ints]
"""How many nodes, and the two ends of every link."""

GRAPHS = 1000


def random_graphs(seed: int, count: int = GRAPHS) -> list[Graph]:
    """Sparse and dense ones, stars, chains and empty ones: shapes that trees of parents get wrong."""
    rng = np.random.default_rng(seed)
    graphs = []
    for number in range(count):
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


def members(graph: Graph) -> Ints:
    """Smallest node of each node's member, as One ID resolves links when a person may have any number of anything."""
    count, left, right = graph
    always, forever = np.zeros(count, np.int64), np.full(count, FOREVER)
    nodes = Nodes(always, forever, np.full(count, -1), np.arange(count), always, forever)
    links = Links(left, right, np.zeros(len(left), np.int64), np.full(len(left), FOREVER))
    return resolve(nodes, links, np.zeros(0, np.int64)).root


def by_scipy(graphs: Sequence[Graph]) -> list[Ints]:
    """Labels of the nodes of each graph by scipy.sparse.csgraph, one graph after the other."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    found = []
    for nodes, left, right in graphs:
        matrix = coo_array((np.ones(len(left)), (left, right)), shape=(nodes, nodes))
        found.append(connected_components(matrix, directed=False)[1])
    return found


def by_splink(graphs: Sequence[Graph]) -> list[Ints]:
    """Labels of the nodes of each graph by Splink, which takes all graphs as the disjoint parts of one."""
    from splink import DuckDBAPI
    from splink.clustering import cluster_pairwise_predictions_at_threshold

    begins = np.cumsum([0, *(nodes for nodes, _, _ in graphs)])
    left = np.concatenate([left + begin for begin, (_, left, _) in zip(begins, graphs, strict=False)])
    right = np.concatenate([right + begin for begin, (_, _, right) in zip(begins, graphs, strict=False)])
    with duckdb.connect() as connection:
        for name, columns in {
            "nodes": {"node": np.arange(begins[-1])},
            "edges": {"a": left, "b": right},
        }.items():
            connection.register("columns", pa.table(columns))
            connection.execute(f"create table {name} as select * from columns")
        found = cluster_pairwise_predictions_at_threshold(
            "nodes", "edges", DuckDBAPI(connection=connection), node_id_column_name="node",
            edge_id_column_name_left="a", edge_id_column_name_right="b",
        )  # fmt: skip
        labels = connection.execute(
            f"select cluster_id from {found.physical_name} order by node"
        ).fetchnumpy()["cluster_id"]
    return [labels[begin : begin + nodes] for begin, (nodes, _, _) in zip(begins, graphs, strict=False)]


def smallest(labels: Ints) -> Ints:
    """Labels of any kind as the smallest node that carries them: equal for equal partitions."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return first[inverse]


def alike(graphs: Sequence[Graph], labels: Sequence[Ints]) -> int:
    """In how many graphs One ID's members are the components that these labels tell."""
    return sum(
        bool(np.array_equal(members(graph), smallest(found)))
        for graph, found in zip(graphs, labels, strict=True)
    )
