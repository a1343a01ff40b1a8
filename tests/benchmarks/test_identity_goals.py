"""The table of `linli bench identity`: each goal beside its figures, judged by the exact ones, and nothing missing in silence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dagster_project.benchmarks.identity import Graphs, Outcome, World
from dagster_project.benchmarks.identity_goals import (
    COSTS,
    Line,
    graph_line,
    lines_not_run,
    notes,
    verdict,
    world_lines,
)

BEST = Outcome(
    way="ours", persons=1_000_000, seconds=14.0, peak_mb=3000, members=9, precision=0.9996, recall=0.8731, f1=0.93,
    b_cubed_f1=0.94, mixed_share=0.0001, recognition=0.971,
)  # fmt: skip


def world(ours: Outcome = BEST, **night: float) -> World:
    tonight = replace(ours, way="ours-night", seconds=2.9, search_seconds=0.0)
    oracle = replace(ours, way="oracle", precision=1.0, recall=0.8750, mixed_share=0.0, recognition=1.0)
    return World(ours.persons, 7, [ours, replace(tonight, **night), oracle], [])


def by_goal(lines: list[Line]) -> dict[str, Line]:
    return {line.name: line for line in lines if line.goal}


def test_what_reaches_its_goals_says_so() -> None:
    goals = by_goal(world_lines(world()))
    assert len(goals) == 9 and all(line.reached is True for line in goals.values())
    assert goals["召回率（成对）"].goal == "≥ 0.8730"
    assert goals["从头：秒"].figures == {"ours": "14.0", "oracle": "14.0"}
    assert goals["再跑一晚：秒"].figures == {"ours-night": "2.9"}


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("精确率（成对）", {"precision": 0.99949}),  # prints as 0.9995
        ("混人会员", {"mixed_share": 0.000204}),
        ("召回率（成对）", {"recall": 0.87299}),
        ("可识别单据的识别率", {"recognition": 0.9699}),
        ("从头，连同找可疑号码：秒", {"search_seconds": 1.01}),
        ("从头：MB", {"peak_mb": 3073}),
        ("从头：MB", {"search_mb": 3073}),
    ],
)
def test_what_falls_short_says_so_even_when_it_rounds_up(name: str, short: dict[str, float]) -> None:
    goals = by_goal(world_lines(world(replace(BEST, **short))))  # type: ignore[arg-type]
    assert [line.name for line in goals.values() if verdict(line) == "否"] == [name]


def test_one_more_night_is_held_to_the_same_accuracy() -> None:
    found = world(seconds=3.01, precision=0.99, mixed_share=0.01, recognition=0.9, recall=0.1)
    goals = by_goal(world_lines(found))
    assert {name for name, line in goals.items() if not line.reached} == {
        "精确率（成对）", "混人会员", "可识别单据的识别率", "再跑一晚：秒", "一晚，连同找可疑号码：秒",
    }  # fmt: skip


def test_the_search_for_suspects_is_told_beside_the_time_without_it() -> None:
    goals = by_goal(world_lines(world(replace(BEST, seconds=14.5, search_seconds=0.7))))
    assert goals["从头：秒"].reached is True and goals["从头，连同找可疑号码：秒"].reached is False
    assert goals["从头，连同找可疑号码：秒"].figures == {"ours": "15.2"}


def test_sizes_that_did_not_run_are_named_with_how_to_run_them() -> None:
    assert [line.goal for line in lines_not_run([1_000_000])] == ["≤ 90", "≤ 8,192"]
    assert {verdict(line) for line in lines_not_run([])} == {"没有跑"} and len(lines_not_run([])) == 5
    assert lines_not_run(list(COSTS)) == []
    assert notes([1_000_000])[-1].endswith("--members 5000000")
    assert not any("--members" in note for note in notes(list(COSTS)))
    # the goals of time are those of their size only
    small = world_lines(world(replace(BEST, persons=40_000)))
    assert not any(line.goal for line in small if "秒" in line.name or "MB" in line.name)


def test_one_graph_told_otherwise_misses_the_goal() -> None:
    assert graph_line(Graphs(1000, {"scipy": 1000, "splink": 1000})).reached is True
    assert graph_line(Graphs(1000, {"scipy": 1000, "splink": 999})).reached is False
    assert verdict(graph_line(Graphs(1000, {}))) == "没有跑"
