"""A segment and a file of segments; what is wrong among several segments; the plan of all of them."""

from __future__ import annotations

import graphlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from dagster_project.lang import LANGUAGE, tr
from dagster_project.segments.base import Operator, parse
from dagster_project.segments.compile import COMPLETE, Condition, Plan, Schema, plan_segments
from dagster_project.segments.groups import All, Group
from dagster_project.segments.numbers import Comparison
from dagster_project.segments.problems import KeyPath, SegmentError, no_segment, unknown, wrong
from dagster_project.segments.refused import check_number, check_numbers, check_words

MOST_CONDITIONS = 200
MOST_SEGMENTS = 2000
MOST_REASON = 200
_ID = re.compile(r"[a-z][a-z0-9_]{0,63}")
_GROUPS = ("all", "any", "none", "not", "at_least")
_KEYS = ("segment_id", "name", *_GROUPS, "of")


class Segment(BaseModel):
    """Members for whom a condition holds. `source`: the mapping as it is written in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    segment_id: str
    name: str
    when: Any  # an Operator; read before the fields, so that errors lead to the keys of the file
    source: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _read(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise ValueError(tr("应当是键值结构（键: 值）", "must be a mapping (key: value)"))
        for key in data:
            if key not in _KEYS:
                raise wrong(unknown("键", "key", key, _KEYS), str(key))
        for key in ("segment_id", "name"):
            if data.get(key) is None:
                raise wrong(tr("缺少这个键", "this key is missing"), key)
        rest = {key: value for key, value in data.items() if key not in ("segment_id", "name")}
        if not rest:
            listed = ", ".join(_GROUPS)
            raise wrong(tr(f"缺少条件，写 {listed} 之一", f"conditions are missing: one of {listed}"), "all")
        when = parse(rest)
        check_numbers(rest)
        return {**{k: data[k] for k in ("segment_id", "name")}, "when": when, "source": dict(data)}

    @field_validator("segment_id")
    @classmethod
    def _file_safe(cls, value: str) -> str:
        check_number(value)
        if not _ID.fullmatch(value):
            raise ValueError(
                tr(f"{value!r} 只能用小写字母、数字、下划线", f"{value!r}: lower case, digits and _ only")
            )
        return value

    @field_validator("name")
    @classmethod
    def _not_about_health(cls, value: str) -> str:
        check_number(value)
        check_words(value, tr("名称", "name"))
        return value

    @property
    def hash(self) -> str:
        """First 12 hex digits of the SHA-256 of the segment as it is written, whatever its order of keys."""
        text = json.dumps(self.source, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def all(self) -> tuple[Operator, ...]:
        """The top-level conditions that must all hold."""
        return self.when.all if isinstance(self.when, All) else (self.when,)

    @property
    def reason(self) -> str:
        """Why somebody is in it, at most `MOST_REASON` characters, in Chinese; comparisons as written in the file."""
        written = self.source.get("all", ())
        token = LANGUAGE.set("zh")
        try:
            told = "；".join(
                # readers translate this form themselves
                f"{one.metric} {one.op} {written[number]['value']}"
                if isinstance(one, Comparison)
                else one.words
                for number, one in enumerate(self.all)
            )
        finally:
            LANGUAGE.reset(token)
        return told if len(told) <= MOST_REASON else told[: MOST_REASON - 1] + "…"

    def operators(self) -> tuple[str, ...]:
        """The names of the operators it uses, in order, each once."""
        return tuple(dict.fromkeys(node.operator for _, node in walk((), self.when)))


def walk(place: KeyPath, condition: Operator) -> Iterator[tuple[KeyPath, Operator]]:
    """A condition and all inside it, each with its place."""
    yield place, condition
    for inside, child in condition.children():
        yield from walk((*place, *inside), child)


class SegmentFile(BaseModel):
    """rules/segments.yml. Raises on what is wrong with one segment; `check` looks at all of them together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    segments: tuple[Segment, ...] = ()


def check(segments: Sequence[Segment], others: Sequence[Segment] = ()) -> None:
    """What can only be seen among several segments.

    Args:
        segments: those of the file; places in errors lead to them.
        others: segments they may refer to besides each other.

    Raises:
        SegmentError: an id given twice, too many, an unknown segment, or a circle.
    """
    if len(segments) > MOST_SEGMENTS:
        raise SegmentError(
            ("segments", MOST_SEGMENTS),
            tr(f"最多 {MOST_SEGMENTS} 个人群", f"at most {MOST_SEGMENTS} segments"),
        )
    seen: set[str] = set()
    for number, segment in enumerate(segments):
        if segment.segment_id in seen:
            text = tr(f"{segment.segment_id} 重复", f"{segment.segment_id} given twice")
            raise SegmentError(("segments", number, "segment_id"), text)
        seen.add(segment.segment_id)
    known = [*seen, *(one.segment_id for one in others)]
    for number, segment in enumerate(segments):
        nodes = list(walk(("segments", number), segment.when))
        if len(nodes) > MOST_CONDITIONS:
            place = nodes[MOST_CONDITIONS][0]
            raise SegmentError(
                place,
                tr(
                    f"一个人群最多 {MOST_CONDITIONS} 个条件",
                    f"at most {MOST_CONDITIONS} conditions a segment",
                ),
            )
        for place, name in _named(nodes):
            if name not in known:
                raise SegmentError(place, no_segment(name, known))
    levels([*segments, *others])


def _named(nodes: Sequence[tuple[KeyPath, Operator]]) -> Iterator[tuple[KeyPath, str]]:
    for place, node in nodes:
        for inside, kind, name in node.named():
            if kind == "segment":
                yield (*place, *inside), name


def levels(segments: Sequence[Segment]) -> list[list[int]]:
    """Positions of segments, those first that others refer to.

    Raises:
        SegmentError: segments refer to each other in a circle; the text tells the way round.
    """
    numbers = {segment.segment_id: number for number, segment in enumerate(segments)}
    needs = {
        number: {numbers[name] for _, name in _named(list(walk((), segment.when))) if name in numbers}
        for number, segment in enumerate(segments)
    }
    sorter = graphlib.TopologicalSorter({number: sorted(found) for number, found in needs.items()})
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        circle = [int(number) for number in error.args[1]]
        # from the first of the file on, so that the message does not depend on where the search began
        start = circle.index(min(circle))
        way = [*circle[start:-1], *circle[:start], min(circle)] if start else circle
        path = " → ".join(segments[number].segment_id for number in way)
        raise SegmentError(
            ("segments", way[0]), tr(f"人群互相引用：{path}", f"segments refer to each other: {path}")
        ) from None
    found = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        found.append(ready)
        sorter.done(*ready)
    return found


def plan(
    segments: Sequence[Segment],
    schema: Schema = COMPLETE,
    tags: Mapping[str, Condition] | None = None,
) -> Plan:
    """All segments as one query.

    Raises:
        SegmentError: a condition asks for data that `schema` lacks; `place` leads to it.
    """
    listed = [
        (segment.segment_id, segment.when, ("segments", number)) for number, segment in enumerate(segments)
    ]
    return plan_segments(listed, lambda: levels(segments), schema, tags)


__all__ = ["Group", "Segment", "SegmentFile", "check", "levels", "plan", "walk"]
