"""Islands: what can have to do with each other at all, so that a night looks at the islands it touched and no more.

An island is named by the smallest number of its identifiers. Islands only ever grow, and growing them in any order
ends in the same ones.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dagster_project.identity.components import connect

_NONE = -1


def join_islands(ties: pa.Table, known: pa.Table | None = None) -> tuple[pa.Table, pa.Table]:
    """Grows the islands by ties.

    Args:
        ties: record_key and tied_key (int64, not negative), is_record: false where tied_key is an identifier.
        known: identifier_key and island_key of those identifiers of `ties` that have an island.

    Returns:
        identifier_key and island_key of every identifier of `ties`; then, for every island of `known` that became
        part of one with a smaller name, was_key and island_key.
    """
    left, right = _numbers(ties, "record_key"), _numbers(ties, "tied_key")
    named = right[~ties.column("is_record").to_numpy(zero_copy_only=False).astype(bool)]
    members = labels = np.empty(0, dtype=np.int64)
    if known is not None:
        members, labels = _numbers(known, "identifier_key"), _numbers(known, "island_key")
    keys, numbers = np.unique(np.concatenate([left, members, right, labels]), return_inverse=True)
    half = len(left) + len(members)
    root = connect(len(keys), numbers[:half], numbers[half:])

    def numbered(some: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(keys, some)

    # keys are sorted: an island's smallest identifier is the first that its root meets; a record names no island
    is_identifier = np.zeros(len(keys), dtype=bool)
    is_identifier[numbered(named)] = True
    is_identifier[numbered(labels)] = True
    places = np.flatnonzero(is_identifier)
    smallest = np.full(len(keys), _NONE)
    smallest[root[places[::-1]]] = places[::-1]

    identifiers = np.unique(named)
    before = np.unique(labels)
    after = keys[smallest[root[numbered(before)]]]
    grown = after != before
    return (
        pa.table({"identifier_key": identifiers, "island_key": keys[smallest[root[numbered(identifiers)]]]}),
        pa.table({"was_key": before[grown], "island_key": after[grown]}),
    )


def _numbers(table: pa.Table, name: str) -> NDArray[np.int64]:
    return table.column(name).to_numpy().astype(np.int64)
