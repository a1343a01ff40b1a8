"""How long the member centre's models take: everything at once, one night more, a longer past, hundreds of segments.

Each figure is of a process of its own: dbt builds and tests as in a night, beside it bare DuckDB runs the same compiled
SQL and tests nothing. Start-up, imports and parsing are not counted; staging and One ID are given, not computed.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dagster_project.benchmarks import marts_models
from dagster_project.benchmarks.marts_models import MANY, PACKAGED
from dagster_project.benchmarks.marts_world import Sizes
from dagster_project.benchmarks.process import answer, clocked, run_alone

COLD, NIGHT, GROWN, SEGMENTS, SEGMENTS_NIGHT = "cold", "night", "grown", "segments", "segments-night"


@dataclass
class Run:
    """One build: seconds, peak memory of its process, and seconds by model; `floor_*`: by bare DuckDB."""

    name: str
    seconds: float
    peak_mb: int
    by_node: dict[str, float]
    floor_seconds: float
    floor_mb: int
    floor_by_node: dict[str, float]


@dataclass
class Measured:
    """Sizes, how many models and data tests a build has, and the runs. `differing`: marts that one more night left otherwise than a build from nothing makes them."""

    sizes: Sizes
    grown: int
    segments: int
    models: int
    tests: int
    runs: list[Run] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    members_in_segments: int = 0


def measure(
    folder: Path, sizes: Sizes, say: Callable[[str], None], *, grown: int = 4, segments: int = 500
) -> Measured:
    """Makes the world in `folder` and measures every build of it.

    Args:
        grown: measures the night also after so many times the history; 0 leaves that out.
        segments: how many generated segments are judged in runs of their own; 0 leaves them out.

    Raises:
        RuntimeError: a build or one of its tests failed; with its names.
    """
    say(f"{sizes.members:,} / {sizes.lines:,}")
    world = folder / "world"
    counts = _step("prepare", world, *_args(sizes), str(segments))
    found = Measured(sizes, grown, segments, counts["models"], counts["tests"])

    def run(name: str, place: Path, night: str, plan: str, floor: dict[str, Any]) -> None:
        ours = _step("built", place, night, plan)
        say(f"{name}: {ours['seconds']:.1f} s, {floor['seconds']:.1f} s")
        found.runs.append(
            Run(
                name,
                **ours,
                floor_seconds=floor["seconds"],
                floor_mb=floor["peak_mb"],
                floor_by_node=floor["by_node"],
            )
        )

    run(COLD, world, "cold", PACKAGED, _step("bare", world, "cold", PACKAGED))
    _step("night", world, "1")
    copy = marts_models.copied(world)
    run(NIGHT, world, "warm", PACKAGED, _step("bare", copy, "warm", PACKAGED))
    _step("bare", copy, "cold", PACKAGED)
    tonight, anew = _step("fingerprints", world), _step("fingerprints", copy)
    found.differing = sorted(name for name in tonight if tonight[name] != anew[name])
    shutil.rmtree(copy)
    if segments:
        _step("many", world, str(segments))
        run(SEGMENTS, world, "cold", MANY, _step("bare", world, "cold", MANY))
        found.members_in_segments = _step("rows", world, "audit.segment_members")["audit.segment_members"]
        _step("night", world, "2")
        _step("others", world)
        _step("keep", world)
        floor = _step("bare", world, "warm", MANY)
        _step("restore", world)
        run(SEGMENTS_NIGHT, world, "warm", MANY, floor)
    shutil.rmtree(world)
    if grown:
        past = Sizes(sizes.members, sizes.nights * grown, sizes.a_night)
        _step("prepare", world, *_args(past), "0")
        _step("bare", world, "cold", PACKAGED)
        _step("night", world, "1")
        copy = marts_models.copied(world)
        run(GROWN, world, "warm", PACKAGED, _step("bare", copy, "warm", PACKAGED))
        shutil.rmtree(copy)
        shutil.rmtree(world)
    return found


def _args(sizes: Sizes) -> tuple[str, str, str]:
    return str(sizes.members), str(sizes.nights), str(sizes.a_night)


def _step(name: str, folder: Path, *more: str) -> dict[str, Any]:
    return run_alone(__name__, name, str(folder), *more)


def _timed(take: Callable[[], dict[str, float]]) -> dict[str, Any]:
    by_node, seconds, peak_mb = clocked(take)
    return {"seconds": seconds, "peak_mb": peak_mb, "by_node": by_node}


def main(arguments: Sequence[str]) -> dict[str, Any]:
    """One step in this process."""
    step, place, *more = arguments
    folder = Path(place)
    if step == "prepare":
        members, nights, a_night, segments = (int(each) for each in more)
        return dict(marts_models.prepare(folder, Sizes(members, nights, a_night), segments, lambda _: None))
    if step == "built":
        return _timed(marts_models.built(folder, *more))
    if step == "bare":
        with marts_models.bare_warehouse(folder) as connection:
            return _timed(marts_models.bare(connection, folder, *more))
    if step == "fingerprints":
        return dict(marts_models.fingerprints(folder))
    if step == "rows":
        return dict(marts_models.rows_of(folder, more))
    if step == "night":
        marts_models.next_night(folder, int(*more))
    elif step == "many":
        marts_models.ask_many(folder, int(*more))
    elif step == "others":
        marts_models.run_others(folder)
    elif step == "keep":
        marts_models.keep(folder)
    else:
        assert step == "restore", step
        marts_models.restore(folder)
    return {}


if __name__ == "__main__":
    answer(main(sys.argv[1:]))
