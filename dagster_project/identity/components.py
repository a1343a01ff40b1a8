"""Connected components of integer nodes 0 … n−1; a component is known by its smallest node.

The loop is sequential by nature (union-find); numba compiles it, about two seconds for four million links.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray


@njit(cache=True)
def find_root(parent, node):
    """The root of a node, for kernels that keep their own parents."""
    # path halving: every visited node skips to its grandparent, no second pass
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@njit(cache=True)
def _connect(node_count, left, right):
    parent = np.arange(node_count)
    for link in range(len(left)):
        a, b = find_root(parent, left[link]), find_root(parent, right[link])
        if a != b:
            parent[max(a, b)] = min(a, b)
    root = np.empty(node_count, dtype=np.int64)
    for node in range(node_count):
        root[node] = find_root(parent, node)
    return root


def connect(node_count: int, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """Per node the smallest node of its component under the links `left[i]`–`right[i]`.

    Raises ValueError when lengths differ or a node is out of range, because the kernel itself checks no bounds.
    """
    left, right = (np.ascontiguousarray(array, dtype=np.int64) for array in (left, right))
    if len(left) != len(right):
        raise ValueError(f"links of unequal length: {len(left)}, {len(right)}")
    if len(left):
        low, high = min(left.min(), right.min()), max(left.max(), right.max())
        if low < 0 or high >= node_count:
            raise ValueError(f"links name nodes {low} … {high}, there are only 0 … {node_count - 1}")
    return _connect(node_count, left, right)


def connect_nodes(links: pa.Table) -> pa.Table:
    """Groups of numbered things under links (node_a, node_b: int64 of any size).

    Returns a row per linked node, in order: node_no, and group_no, the smallest node of its group.
    """
    left, right = links.column("node_a").to_numpy(), links.column("node_b").to_numpy()
    nodes, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    root = connect(len(nodes), places[: len(left)], places[len(left) :])
    return pa.table({"node_no": nodes, "group_no": nodes[root]})


def connect_households(ties: pa.Table) -> pa.Table:
    """Members who have something in common, directly or through others.

    `ties`, sorted by thing: thing, member_id, member_no (int64, 0 … in order of arrival). Returns a row per member:
    member_id and head_member_id, the earliest member of the household.
    """
    numbers = ties.column("member_no").to_numpy()
    count = int(numbers.max()) + 1 if len(numbers) else 0
    things = ties.column("thing").combine_chunks().dictionary_encode().indices.to_numpy()
    together = np.flatnonzero(things[1:] == things[:-1])
    root = connect(count, numbers[together], numbers[together + 1])
    first = np.zeros(count, dtype=np.int64)
    first[numbers] = np.arange(len(numbers))
    ids = ties.column("member_id").combine_chunks()
    names = ids.take(pa.array(first))
    return pa.table({"member_id": names, "head_member_id": names.take(pa.array(root))})
