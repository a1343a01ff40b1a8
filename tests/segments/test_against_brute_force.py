"""The compiled query gives the members that the evaluator gives, on random worlds and random expressions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_project.segments import SegmentFile, check, parse, plan
from tests.segments.evaluator import Town, members_of
from tests.segments.worlds import Dice, Seeded, expression, into_duckdb, town

WORLDS = int(os.environ.get("LINLI_SEGMENT_WORLDS", "100"))
EACH = 50
RULE_TAGS = {
    "老客": {"metric": "orders_total", "op": ">=", "value": "5"},
    "价格敏感": {"any": [{"metric": "price_sensitivity", "op": "=", "value": "sensitive"}, {"tag": "老客"}]},
}


class Drawn:
    """Dice of Hypothesis, which shrinks them."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def below(self, count: int) -> int:
        return self._data.draw(st.integers(0, count - 1))


def file_of(dice: Dice, count: int, depth: int) -> dict[str, Mapping[str, Any]]:
    """Segments by id, in an order in which some refer to later ones."""
    rules: dict[str, Mapping[str, Any]] = {}
    for number in range(count):
        rules[f"s{number:02d}"] = {"all": [expression(dice, depth, list(rules))]}
    shift = dice.below(count)
    return {key: rules[key] for key in [*list(rules)[shift:], *list(rules)[:shift]]}


def by_sql(
    con: duckdb.DuckDBPyConnection, rules: Mapping[str, Any], names: Mapping[str, str]
) -> dict[str, set[str]]:
    data = {"segments": [{"segment_id": key, "name": key, **rule} for key, rule in rules.items()]}
    segments = SegmentFile.model_validate(data).segments
    check(segments)
    compiled = plan(segments, tags={name: parse(rule) for name, rule in RULE_TAGS.items()})
    rows = con.sql(compiled.on_duckdb(names)).fetchall()
    columns = {segment_id: 1 + number for number, segment_id in enumerate(compiled.columns)}
    for row in rows:
        assert None not in row
    return {key: {row[0] for row in rows if row[column]} for key, column in columns.items()}


def smallest(rule: Mapping[str, Any], con: Any, names: Any, place: Town) -> Mapping[str, Any]:
    """The smallest part of an expression on which the two disagree."""
    inside = [part for key in ("all", "any", "none", "of") for part in rule.get(key, ())]
    inside += [rule["not"]] if "not" in rule else []
    for part in inside:
        rules = {**{k: v for k, v in place.segments.items() if k != "x"}, "x": {"all": [part]}}
        if by_sql(con, rules, names)["x"] != members_of(part, replace(place, segments=rules)):
            return smallest(part, con, names, place)
    return rule


def agree(dice: Dice, people: int, count: int, depth: int) -> None:
    rules = file_of(dice, count, depth)
    place = replace(town(dice, people), tags=RULE_TAGS, segments=rules)
    with duckdb.connect() as con:
        con.execute("set threads = 1")
        names = into_duckdb(con, place)
        found = by_sql(con, rules, names)
        for key, rule in rules.items():
            expected = {m["member_id"] for m in place.members if place.in_segment(key, m)}
            if found[key] != expected:
                part = smallest(rule, con, names, place)
                pytest.fail(
                    f"{part}\nonly SQL: {sorted(found[key] - expected)}\nonly rule: {sorted(expected - found[key])}"
                )


@pytest.mark.parametrize("seed", range(WORLDS))
def test_fifty_random_segments_of_a_random_world(seed: int) -> None:
    agree(Seeded(seed), people=24, count=EACH, depth=5)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_shrinkable_segment_of_a_shrinkable_world(data: st.DataObject) -> None:
    agree(Drawn(data), people=2, count=2, depth=3)
