"""Islands against scipy: at once, and grown over any number of nights in any order."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dagster_project.identity import join_islands

RECORDS = 10_000  # records have the larger numbers, or the smaller ones


def ties(pairs: np.ndarray) -> pa.Table:
    """`pairs`: record, what it is tied to, whether that is a record."""
    return pa.table(
        {
            "record_key": pa.array(pairs[:, 0]),
            "tied_key": pa.array(pairs[:, 1]),
            "is_record": pa.array(pairs[:, 2].astype(bool)),
        }
    )


def plain(pairs: np.ndarray) -> dict[int, int]:
    """Identifier → smallest identifier of its component."""
    keys, numbers = np.unique(pairs[:, :2], return_inverse=True)
    numbers = numbers.reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs)), (numbers[:, 0], numbers[:, 1])), shape=(len(keys), len(keys)))
    component = connected_components(graph, directed=False)[1]
    named = sorted(set(pairs[pairs[:, 2] == 0, 1].tolist()))
    smallest: dict[int, int] = {}
    for key in named:
        smallest.setdefault(component[np.searchsorted(keys, key)], key)
    return {key: smallest[component[np.searchsorted(keys, key)]] for key in named}


def some_ties(rng: np.random.Generator, *, records_tied: float = 0.0) -> np.ndarray:
    count = int(rng.integers(1, 60))
    offset = int(rng.choice([0, 2 * RECORDS]))
    records = rng.integers(0, 30, count) + RECORDS
    is_record = rng.random(count) < records_tied
    tied = np.where(is_record, rng.integers(0, 30, count) + RECORDS, rng.integers(0, 40, count) + offset)
    return np.column_stack([records, tied, is_record]).astype(np.int64)


def grow(islands: dict[int, int], tonight: np.ndarray) -> dict[int, int]:
    """One night's ties on top of the islands before it."""
    known = {key: islands[key] for key in tonight[tonight[:, 2] == 0, 1].tolist() if key in islands}
    columns = {"identifier_key": list(known), "island_key": list(known.values())}
    table, grown = join_islands(
        ties(tonight), pa.table({n: pa.array(v, pa.int64()) for n, v in columns.items()})
    )
    renamed = dict(zip(*grown.to_pydict().values(), strict=True))
    after = {key: renamed.get(island, island) for key, island in islands.items()}
    return after | dict(zip(*table.to_pydict().values(), strict=True))


@pytest.mark.parametrize("seed", range(100))
def test_islands_are_the_components_named_by_their_smallest_identifier(seed: int) -> None:
    pairs = some_ties(np.random.default_rng(seed), records_tied=0.2)
    table, grown = join_islands(ties(pairs))
    assert dict(zip(*table.to_pydict().values(), strict=True)) == plain(pairs)
    assert grown.num_rows == 0


@pytest.mark.parametrize("seed", range(200))
def test_islands_grow_to_the_same_ones_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = some_ties(rng)
    islands: dict[int, int] = {}
    for record in rng.permutation(np.unique(pairs[:, 0])):
        islands = grow(islands, pairs[pairs[:, 0] == record])
    assert islands == plain(pairs)


@pytest.mark.parametrize("seed", range(100))
def test_what_a_record_is_tied_to_lies_on_its_island(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = some_ties(rng, records_tied=0.2)
    of_records, both_ways = pairs[pairs[:, 2] == 0], pairs[pairs[:, 2] == 1]
    both_ways = np.concatenate([both_ways, both_ways[:, [1, 0, 2]]])

    def with_tied(records: set[int]) -> set[int]:
        return records | set(both_ways[np.isin(both_ways[:, 0], list(records)), 1].tolist())

    islands: dict[int, int] = {}
    seen: set[int] = set()
    for record in rng.permutation(
        np.unique(pairs[:, :2][np.column_stack([np.ones(len(pairs), bool), pairs[:, 2] == 1])])
    ):
        seen.add(int(record))
        touched = with_tied(with_tied({int(record)}))
        tonight = np.concatenate(
            [
                of_records[np.isin(of_records[:, 0], list(touched & seen))],
                both_ways[np.isin(both_ways[:, 0], list(touched))],
            ]
        )
        islands = grow(islands, tonight)
    components = plain(pairs)
    for record in seen:
        together = of_records[np.isin(of_records[:, 0], list(with_tied({record}))), 1].tolist()
        assert len({islands[key] for key in together}) <= 1
    # and no island reaches farther than what hangs together at all
    assert all(components[island] == components[key] for key, island in islands.items())
