"""How well and how fast One ID resolves a member graph, beside Splink, scipy, recursive SQL and a join by phone.

Every way starts from the same statements in a DuckDB file and ends with every record's member stored in one; each
runs in a process of its own with two threads, timed without start-up, imports and the first use of compiled code.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.benchmarks import identity_graphs, identity_models, identity_ways
from dagster_project.benchmarks.identity_rates import Rates
from dagster_project.benchmarks.identity_world import write_world
from dagster_project.benchmarks.process import answer, clocked, run_alone
from dagster_project.identity.scores import score_recognition, score_records

OURS = ("ours", "ours-night")
OTHERS = ("limited", "splink", "scipy", "recursive", "naive")
_NIGHTS = dict(zip(OURS, ("cold", "warm"), strict=True))
SEED_OF_GRAPHS = 20261121
_LIBRARIES = {"splink": "splink.clustering", "scipy": "scipy.sparse.csgraph"}


@dataclass
class Outcome:
    """One way on one world. Shares lie in 0 … 1; `members` is how many it made, `peak_mb` of its whole process.

    recognition: share of identifiable sales, as `score_recognition` has it: those that name somebody by an identifier
    of their own, a card or phone said at the till, or an account that pays. search_seconds, search_mb: what the search
    for suspect numbers took before, in a process of its own; of ours only.
    """

    way: str
    persons: int
    seconds: float
    peak_mb: int
    members: int
    precision: float
    recall: float
    f1: float
    b_cubed_f1: float
    mixed_share: float
    recognition: float
    search_seconds: float = 0.0
    search_mb: int = 0


@dataclass
class Graphs:
    """Random graphs whose components are asked of One ID's resolver, which no limit hinders, and of libraries.

    alike: by library, in how many of `count` graphs both say the same; a library that is not installed is missing.
    """

    count: int
    alike: dict[str, int]


@dataclass
class World:
    """`links`: distinct pairs of identifiers. `missing`: ways whose library is not installed.

    night_equals_rebuild: one more night left the very tables that a build from nothing makes.
    """

    persons: int
    links: int
    outcomes: list[Outcome]
    missing: list[str]
    night_equals_rebuild: bool = False


def measure(
    folder: Path,
    persons: int,
    say: Callable[[str], None],
    *,
    seed: int = 7,
    rates: Rates | None = None,
    with_others: bool = True,
) -> World:
    """Makes a world of `persons` in `folder` and runs every way on it, one after the other.

    Raises:
        RuntimeError: a way failed; with its own last words.
    """
    rates = rates or Rates()
    missing = [
        way for way, library in _LIBRARIES.items() if with_others and find_spec(library.split(".")[0]) is None
    ]
    ways = [*OURS, *(way for way in OTHERS if with_others and way not in missing), "oracle"]
    say(f"{persons:,}")
    _in_process("prepare", folder, str(persons), str(seed), rates.model_dump_json())
    world = World(persons, json.loads((folder / "links.json").read_text("utf-8")), [], missing)
    for way in ways:
        if way == "ours-night":
            _in_process("fill-night", folder)
        searched = _in_process(f"search-{way}", folder) if way in OURS else {}
        outcome = _in_process(way, folder) | searched
        say(f"{way}: {outcome['seconds']:.1f} s")
        world.outcomes.append(Outcome(persons=persons, **outcome))
        (folder / f"{way}.duckdb").unlink(missing_ok=True)
        if way == "ours-night":
            world.night_equals_rebuild = _in_process("rebuild", folder)["equal"]
    return world


def compare_graphs() -> Graphs:
    """Asks for the components of the same random graphs in every way that knows no people."""
    found = run_alone(__name__, "graphs")
    return Graphs(found["count"], found["alike"])


def _compare_graphs() -> dict[str, Any]:
    graphs = identity_graphs.random_graphs(SEED_OF_GRAPHS)
    rivals = {"scipy": identity_graphs.by_scipy, "splink": identity_graphs.by_splink}
    alike = {
        way: identity_graphs.alike(graphs, find(graphs))
        for way, find in rivals.items()
        if find_spec(_LIBRARIES[way].split(".")[0]) is not None
    }
    return {"count": len(graphs), "alike": alike}


def _in_process(way: str, folder: Path, *more: str) -> dict[str, Any]:
    return run_alone(__name__, way, str(folder), *more)


def _search(way: str, folder: Path) -> dict[str, Any]:
    """The search for suspect numbers that goes before one of ours, timed."""
    with identity_models.open_warehouse(folder) as connection:
        _, seconds, peak_mb = clocked(identity_models.search(connection, folder, _NIGHTS[way]))
    return {"search_seconds": seconds, "search_mb": peak_mb}


def _run(way: str, folder: Path) -> dict[str, Any]:
    """One way, timed and scored; its memory is read before the scoring begins."""
    identity_ways.warm_up()
    if way in OURS:
        night = _NIGHTS[way]
        connection = identity_models.open_warehouse(folder)
        take = identity_models.resolve(connection, folder, night)
    else:
        night, connection = "cold", identity_ways.open_way(folder, way)
        take = _other(connection, way)
    result, seconds, peak_mb = clocked(take)
    return {"way": way, "seconds": seconds, "peak_mb": peak_mb} | _score(connection, result, night)


def _other(connection: duckdb.DuckDBPyConnection, way: str) -> Callable[[], str]:
    # first use of the libraries is no part of it
    if way in _LIBRARIES:
        import_module(_LIBRARIES[way])

    def take() -> str:
        identity_ways.WAYS[way](connection)
        connection.execute("checkpoint")
        return identity_ways.RESULT

    return take


def _score(connection: duckdb.DuckDBPyConnection, result: str, night: str) -> dict[str, Any]:
    known = "true" if night == "warm" else "not tonight"
    truth = f"(select connection, feed, record_id, person as person_id from world.records where {known})"
    scores = score_records(connection, truth, result)
    naming = (
        "(select connection, feed, record_id from world.statements"
        f" where {known} and owner >= 0 and ended_at is null and role in ('own', 'said', 'payer'))"
    )
    return {
        "members": scores["members"],
        "precision": scores["pairwise"]["precision"],
        "recall": scores["pairwise"]["recall"],
        "f1": scores["pairwise"]["f1"],
        "b_cubed_f1": scores["b_cubed"]["f1"],
        "mixed_share": scores["mixed_share"],
        "recognition": score_recognition(connection, truth, result, naming)["rate"],
    }


def _prepare(folder: Path, persons: str, seed: str, rates: str) -> dict[str, Any]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    links = write_world(
        folder / "world.duckdb",
        int(persons),
        Rates.model_validate_json(rates),
        int(seed),
        identity_models.listed_tokens(),
    )
    (folder / "links.json").write_text(json.dumps(links), "utf-8")
    identity_models.build(folder)
    return _fill(folder, "cold")


def _fill(folder: Path, night: str) -> dict[str, Any]:
    with identity_models.open_warehouse(folder) as connection:
        identity_models.fill(connection, folder, night)
    return {}


def _rebuild(folder: Path) -> dict[str, Any]:
    """Whether tonight's tables are those that a build from nothing makes."""
    with identity_models.open_warehouse(folder) as connection:
        tonight = identity_models.fingerprints(connection, folder)
        identity_models.resolve(connection, folder, "cold")()
        return {"equal": tonight == identity_models.fingerprints(connection, folder)}


def main(arguments: Sequence[str]) -> dict[str, Any]:
    """One step in this process: `graphs`, `prepare`, `fill-night`, `rebuild`, `search-` one of ours, or a way."""
    if list(arguments) == ["graphs"]:
        return _compare_graphs()
    step, folder, *more = arguments
    if step == "prepare":
        return _prepare(Path(folder), *more)
    if step == "fill-night":
        return _fill(Path(folder), "warm")
    if step.startswith("search-"):
        return _search(step.removeprefix("search-"), Path(folder))
    return _rebuild(Path(folder)) if step == "rebuild" else _run(step, Path(folder))


if __name__ == "__main__":
    answer(main(sys.argv[1:]))
