"""The compiled query gives the members that the evaluator gives, on random worlds and expressions that Hypothesis draws.

`LINLI_SEGMENTS` asks for more of them: the benchmark tries 20,000.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st

from dagster_project.segments import SegmentFile, check, parse, plan
from tests.segments.evaluator import Town, members_of
from tests.segments.worlds import Seeded, expression, into_duckdb, town

COUNT = int(os.environ.get("LINLI_SEGMENTS", "5000"))
EACH, DEPTH = 50, 5
# few expressions throw the dice more often
THROWS = 150
DRAWN = 3 + EACH * THROWS
RULE_TAGS = {
    "老客": {"metric": "orders_total", "op": ">=", "value": "5"},
    "价格敏感": {"any": [{"metric": "price_sensitivity", "op": "=", "value": "sensitive"}, {"tag": "老客"}]},
}


class Drawn:
    """Dice of bytes that Hypothesis drew; when they are used up, every throw is 0."""

    def __init__(self, thrown: bytes) -> None:
        self._thrown = iter(thrown)

    def below(self, count: int) -> int:
        return next(self._thrown, 0) * count >> 8


def file_of(drawn: bytes, shift: int) -> dict[str, Mapping[str, Any]]:
    """Segments by id, one of every `THROWS` bytes, in an order in which some refer to later ones."""
    rules: dict[str, Mapping[str, Any]] = {}
    for at in range(0, len(drawn), THROWS):
        dice = Drawn(drawn[at : at + THROWS])
        rules[f"s{at // THROWS:02d}"] = {"all": [expression(dice, DEPTH, list(rules))]}
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


def agree(seed: int, rules: Mapping[str, Mapping[str, Any]]) -> None:
    place = replace(town(Seeded(seed), 24), tags=RULE_TAGS, segments=rules)
    with duckdb.connect() as con:
        con.execute("set threads = 1")
        names = into_duckdb(con, place)
        found = by_sql(con, rules, names)
        # one refers to those of lower numbers only
        for key in sorted(rules):
            expected = {m["member_id"] for m in place.members if place.in_segment(key, m)}
            if found[key] != expected:
                part = smallest(rules[key], con, names, place)
                pytest.fail(
                    f"{part}\nonly SQL: {sorted(found[key] - expected)}\nonly rule: {sorted(expected - found[key])}"
                )


def test_segments_that_hypothesis_draws() -> None:
    """Fifty at a time over one warehouse, whose people are drawn as well."""
    tried: set[str] = set()

    @settings(
        max_examples=COUNT // 43,  # one in ten or so is the same as another
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # fifty at a time take minutes to shrink; `smallest` does it in seconds
        verbosity=Verbosity.quiet,  # nobody reads the bytes
    )
    # one piece: of several Hypothesis repeats some in most examples, and tries hardly a third as many segments
    @given(st.binary(min_size=DRAWN, max_size=DRAWN))
    def compare(drawn: bytes) -> None:
        rules = file_of(drawn[3:], shift=drawn[0] % EACH)
        tried.update(map(repr, rules.values()))
        agree(int.from_bytes(drawn[1:3]), rules)

    compare()
    assert len(tried) >= COUNT
