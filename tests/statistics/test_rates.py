"""Intervals and p values against published figures, and what they promise against simulated experiments."""

from __future__ import annotations

import random

import pytest

from dagster_project.statistics import Arm, always_valid_p, compare_arms, newcombe_interval, sample_ratio_p


# Newcombe 1998, table II, method 10
@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0000),
    ],
)
def test_intervals_are_newcombe_s(counts: tuple[int, int, int, int], low: float, high: float) -> None:
    found = newcombe_interval(*counts)
    assert found is not None
    assert found[0] == pytest.approx(low, abs=5e-5) and found[1] == pytest.approx(high, abs=5e-5)


def test_an_empty_arm_has_no_interval_and_no_p() -> None:
    assert newcombe_interval(0, 0, 3, 10) is None and newcombe_interval(3, 10, 0, 0) is None
    assert always_valid_p(0, 0, 3, 10) is None
    assert sample_ratio_p(0, 0, 0.1) is None and sample_ratio_p(10, 0, 1.0) is None


def test_a_split_as_planned_is_no_surprise_and_a_broken_one_is() -> None:
    assert sample_ratio_p(10, 90, 0.1) == pytest.approx(1)
    # chi-square of 3.841 has p = 0.05
    assert sample_ratio_p(50, 50, 0.1) == pytest.approx(0, abs=1e-30)
    assert sample_ratio_p(1098, 902, 0.5) == pytest.approx(1.17e-5, rel=0.01)


def test_looking_every_night_does_not_make_an_effect() -> None:
    """300 experiments without any effect, looked at 60 times: fewer than five of a hundred ever look like one."""
    rng = random.Random(7)
    fooled = 0
    for _ in range(300):
        counts = [0, 0, 0, 0]
        smallest = 1.0
        for _night in range(60):
            for _member in range(20):
                arm = 0 if rng.random() < 0.8 else 2
                counts[arm] += rng.random() < 0.2
                counts[arm + 1] += 1
            smallest = min(smallest, always_valid_p(*counts) or 1.0)
        fooled += smallest < 0.05
    assert fooled <= 15


def test_an_effect_is_seen() -> None:
    few, many = always_valid_p(30, 100, 4, 25), always_valid_p(3000, 10_000, 400, 2500)
    assert few is not None and many is not None and many < 0.001 < 0.05 < few <= 1


def test_arms_are_compared_with_their_hold_out() -> None:
    rows = compare_arms(
        [
            Arm("c", "holdout", 20, 2, 20),
            Arm("c", "treatment", 80, 24, 20),
            Arm("alone", "treatment", 5, 1, 0),
            Arm("left", "holdout", 5, 1, None),
        ]
    )
    assert [(row["campaign_id"], row["arm"]) for row in rows] == [
        ("alone", "treatment"),
        ("c", "holdout"),
        ("c", "treatment"),
        ("left", "holdout"),
    ]
    alone, held, treated, left = rows
    assert treated["lift"] == pytest.approx(0.2) and treated["ci_low"] < 0.2 < treated["ci_high"]
    assert held["lift"] is None and held["srm_p"] == treated["srm_p"] == pytest.approx(1)
    assert {alone[name] for name in ("lift", "ci_low", "ci_high", "always_valid_p", "srm_p")} == {None}
    assert left["srm_p"] is None
