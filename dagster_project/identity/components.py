"""Connected components with a memory: which component swallowed which, and on which night.

Nodes are integers 0 … n−1 numbered in order of arrival, so the smallest node of a component is the one it was
minted from, and the survivor of a merge is always the earlier minted. Links come in order of arrival. The loop
is sequential by nature (union-find); numba compiles it, about two seconds for four million links.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

NOT_MERGED = -1


class Components(NamedTuple):
    """One entry per node, int64. `root`: smallest node of the component. A node that was the root of a component
    and lost it to an earlier one has in `merged_by` the position of the link that did it and in `merged_into` the
    root that component had at the end of that night; for all other nodes both are −1."""

    root: NDArray[np.int64]
    merged_by: NDArray[np.int64]
    merged_into: NDArray[np.int64]


@njit(cache=True)
def _find(parent, node):
    # path halving: every visited node skips to its grandparent, no second pass
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@njit(cache=True)
def _connect(node_count, left, right, night):
    parent = np.arange(node_count)
    merged_by = np.full(node_count, NOT_MERGED)
    merged_into = np.full(node_count, NOT_MERGED)
    tonight = np.empty(node_count, dtype=np.int64)  # roots that lost their component since the night began
    lost = 0
    for link in range(len(left)):
        if link > 0 and night[link] != night[link - 1]:
            for i in range(lost):
                merged_into[tonight[i]] = _find(parent, tonight[i])
            lost = 0
        a = _find(parent, left[link])
        b = _find(parent, right[link])
        if a == b:
            continue
        kept = min(a, b)
        gone = max(a, b)
        parent[gone] = kept
        merged_by[gone] = link
        tonight[lost] = gone
        lost += 1
    for i in range(lost):
        merged_into[tonight[i]] = _find(parent, tonight[i])
    root = np.empty(node_count, dtype=np.int64)
    for node in range(node_count):
        root[node] = _find(parent, node)
    return root, merged_by, merged_into


def connect(
    node_count: int, left: NDArray[np.int64], right: NDArray[np.int64], night: NDArray[np.int64]
) -> Components:
    """Components of `node_count` nodes under the links `left[i]`–`right[i]` that arrived on `night[i]`.

    The three arrays have one length; `night` is any integer that never decreases. Raises ValueError when lengths
    differ, a node is out of range or nights run backwards, because the kernel itself checks no bounds.
    """
    left, right, night = (np.ascontiguousarray(array, dtype=np.int64) for array in (left, right, night))
    if not len(left) == len(right) == len(night):
        raise ValueError(f"links of unequal length: {len(left)}, {len(right)}, {len(night)}")
    if len(left):
        low, high = min(left.min(), right.min()), max(left.max(), right.max())
        if low < 0 or high >= node_count:
            raise ValueError(f"links name nodes {low} … {high}, there are only 0 … {node_count - 1}")
        if (np.diff(night) < 0).any():
            raise ValueError("links must come in order of night")
    return Components(*_connect(node_count, left, right, night))


def connect_links(node_count: int, links: pa.Table) -> pa.Table:
    """The same on Arrow: `links` has int64 columns link_no, node_a, node_b, night in order of arrival.

    Returns one row per node: node_no, root_no, merged_by_link_no (null when never swallowed) and merged_into_no.
    """
    columns = {name: links.column(name).to_numpy() for name in ("link_no", "node_a", "node_b", "night")}
    found = connect(node_count, columns["node_a"], columns["node_b"], columns["night"])
    whole = found.merged_by == NOT_MERGED
    merged_by = np.full(node_count, NOT_MERGED, dtype=np.int64)
    merged_by[~whole] = columns["link_no"][found.merged_by[~whole]]
    return pa.table(
        {
            "node_no": pa.array(np.arange(node_count, dtype=np.int64)),
            "root_no": pa.array(found.root),
            "merged_by_link_no": pa.array(merged_by, mask=whole),
            "merged_into_no": pa.array(found.merged_into, mask=whole),
        }
    )


def connect_households(ties: pa.Table) -> pa.Table:
    """Members who share numbers, directly or through others.

    `ties`, sorted by phone: phone, member_id, member_no (int64, 0 … in order of arrival). Returns a row per member:
    member_id and head_member_id, the earliest member of the household.
    """
    numbers = ties.column("member_no").to_numpy()
    count = int(numbers.max()) + 1 if len(numbers) else 0
    phones = ties.column("phone").combine_chunks().dictionary_encode().indices.to_numpy()
    together = np.flatnonzero(phones[1:] == phones[:-1])
    found = connect(count, numbers[together], numbers[together + 1], np.zeros(len(together), dtype=np.int64))
    first = np.zeros(count, dtype=np.int64)
    first[numbers] = np.arange(len(numbers))
    ids = ties.column("member_id").combine_chunks()
    names = ids.take(pa.array(first))
    return pa.table({"member_id": names, "head_member_id": names.take(pa.array(found.root))})
