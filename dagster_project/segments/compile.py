"""From segments to SQL: one pass over the frame, one aggregate over every relation of events that is used.

A feature is one value of a member; equal features of many segments are one column. Relations are named as `__orders__`
in the SQL, for whoever runs it to replace. The SQL is a subset that DuckDB and Spark share: days are whole numbers in
the relations, so no date function is needed, and the one function they spell differently is `__bucket_…__`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from dagster_project.lang import tr
from dagster_project.segments.events import COLUMNS
from dagster_project.segments.metrics import AGO, METRICS, Metric, fields
from dagster_project.segments.problems import KeyPath, SegmentError
from dagster_project.segments.values import literal

WORD_BITS = 62  # of a bigint, the sign and one more bit left alone
_COMMA = ",\n    "


class Condition(Protocol):
    """What the compiler needs of a condition: `sql` is a predicate that is true or false, never null."""

    def sql(self, to: Compiler) -> str: ...


@dataclass(frozen=True)
class Schema:
    """What there is to read: columns of the frame, and relations of events with their columns."""

    columns: Collection[str]
    relations: Mapping[str, Collection[str]]


COMPLETE = Schema(frozenset(fields()), COLUMNS)


def short(text: str) -> str:
    """Twelve hex digits of a text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass
class _Trail:
    """Steps over events of several relations in order of time: flags by relation, columns by layer."""

    flags: dict[str, dict[str, str]] = field(default_factory=dict)  # relation → flag → condition
    layers: list[dict[str, str]] = field(default_factory=list)  # column → SQL over the layer before
    results: dict[str, str] = field(default_factory=dict)  # feature → SQL aggregate


class Compiler:
    """Collects what conditions need and says how to ask for it.

    Args:
        schema: what there is; a condition that needs more raises `SegmentError` with its place.
        tags: conditions of the tags that rules define.
    """

    def __init__(self, schema: Schema = COMPLETE, tags: Mapping[str, Condition] | None = None) -> None:
        self.schema, self.tags = schema, tags or {}
        self.place: KeyPath = ()
        self.fields: set[str] = set()
        self.features: dict[str, dict[str, tuple[str, str | None]]] = {}  # relation → name → SQL, default
        self.windows: dict[str, dict[str, str]] = {}  # relation → column → SQL
        self.baskets: dict[str, str] = {}  # column per order → SQL
        self.trail = _Trail()
        self.buckets: dict[str, str] = {}  # column → salt
        self.limits: dict[str, tuple[str, str]] = {}  # name → query, join condition
        self.segments: dict[str, str] = {}  # segment_id → column
        self._open_tags: list[str] = []

    @contextmanager
    def inside(self, *place: str | int) -> Iterator[None]:
        """While it lasts, problems are at a key below."""
        before, self.place = self.place, (*self.place, *place)
        try:
            yield
        finally:
            self.place = before

    def metric(self, metric: Metric) -> str:
        """A metric's column in the frame."""
        return self._field(metric, metric.field)

    def ago(self, metric: Metric) -> str:
        """How many days a date metric is before the night."""
        return self._field(metric, metric.field + AGO)

    def member_field(self, name: str) -> str:
        return self.metric(METRICS[name])

    def _field(self, metric: Metric, name: str) -> str:
        if name not in self.schema.columns:
            raise SegmentError(
                self.place,
                tr(
                    f"还没有指标 {metric.name} 的数据（{metric.table} 没有这一列）",
                    f"there is no data for metric {metric.name} yet ({metric.table} lacks it)",
                ),
            )
        self.fields.add(name)
        return name

    def need(self, relation: str, sql: str) -> None:
        """Checks that there is a relation with all columns that SQL over it names."""
        there = self.schema.relations.get(relation)
        if there is None:
            lacking = relation
        else:
            named = set(re.findall(r"\b[a-z_]+\b", re.sub(r"'(?:[^']|'')*'", "", sql)))
            missing = sorted(named & set(COLUMNS[relation]) - set(there))
            if not missing:
                return
            lacking = f"{relation}.{missing[0]}"
        raise SegmentError(
            self.place, tr(f"还没有这种数据：{lacking}", f"there is no such data yet: {lacking}")
        )

    def feature(self, relation: str, aggregate: str, default: str | None = "0") -> str:
        """A column with an aggregate over a member's rows of a relation; `default` for members without rows."""
        if relation != "baskets":
            self.need(relation, aggregate)
        name = "f_" + short(f"{relation}|{aggregate}|{default}")
        self.features.setdefault(relation, {})[name] = (aggregate, default)
        return name

    def count(self, relation: str, conditions: Sequence[str], distinct: str | None = None) -> str:
        """Feature: how many rows fulfil all conditions, or how many different values of a column they have."""
        what = f"distinct case when {both(conditions)} then {distinct} end" if distinct else None
        return self.feature(relation, f"count({what or f'case when {both(conditions)} then 1 end'})")

    def total(self, relation: str, conditions: Sequence[str], column: str) -> str:
        return self.feature(relation, f"sum(case when {both(conditions)} then {column} end)")

    def window(self, relation: str, sql: str) -> str:
        """A column of the relation's rows that looks at the member's other rows."""
        self.need(relation, sql)
        name = "w_" + short(f"{relation}|{sql}")
        self.windows.setdefault(relation, {})[name] = sql
        return name

    def basket(self, aggregate: str) -> str:
        """A column of a purchase: an aggregate over its lines."""
        self.need("lines", aggregate)
        name = "b_" + short(aggregate)
        self.baskets[name] = aggregate
        return name

    def flag(self, relation: str, conditions: Sequence[str]) -> str:
        """A 0-1 column of the trail: rows of a relation that fulfil all conditions."""
        condition = both(conditions)
        self.need(relation, condition)
        name = "e_" + short(f"{relation}|{condition}")
        self.trail.flags.setdefault(relation, {})[name] = condition
        return name

    def step(self, layer: int, sql: str) -> str:
        """A column of the trail made of columns of the layers before (0: of flags)."""
        name = f"v{layer}_" + short(sql)
        while len(self.trail.layers) <= layer:
            self.trail.layers.append({})
        self.trail.layers[layer][name] = sql
        return name

    def trail_feature(self, aggregate: str) -> str:
        name = "f_" + short(f"trail|{aggregate}")
        self.trail.results[name] = aggregate
        return name

    def bucket(self, salt: str) -> str:
        name = "h_" + short(salt)
        self.buckets[name] = salt
        return name

    def limit(self, query: str, join: str) -> str:
        """A side query over all members; `{name}` stands for its name, also in the join condition."""
        name = "r_" + short(query + join)
        self.limits[name] = (query, join.replace("{name}", name))
        return name

    def tag(self, name: str) -> str | None:
        """The predicate of a tag that rules define, None when no rule does."""
        condition = self.tags.get(name)
        if condition is None:
            return None
        if name in self._open_tags:
            path = " → ".join([*self._open_tags[self._open_tags.index(name) :], name])
            raise SegmentError(self.place, tr(f"标签互相引用：{path}", f"tags refer to each other: {path}"))
        self._open_tags.append(name)
        here = self.place
        try:
            return condition.sql(self)
        except SegmentError as error:
            # what is wrong inside is told where the tag is named
            raise SegmentError(here, error.problem) from None
        finally:
            self._open_tags.pop()

    def segment(self, segment_id: str) -> str:
        """The column of a segment that is compiled already."""
        return self.segments[segment_id]


def both(conditions: Sequence[str]) -> str:
    return " and ".join(conditions) if conditions else "true"


@dataclass(frozen=True)
class Plan:
    """Compiled segments.

    `fields`: columns of the frame that are used. `features_sql`: one row per member with every value that predicates need; reads the relations only.
    `bits_sql`: one row per member with `WORD_BITS` segments per bigint column `word_0`, … ; reads `__features__`.
    `wide_sql`: the same with one boolean column per segment, `columns` by id.
    `relations`: names that stand between `__` in features_sql. `buckets`: column → salt, as `__bucket_<column>__`.
    """

    segment_ids: tuple[str, ...]
    fields: tuple[str, ...]
    columns: Mapping[str, str]
    relations: tuple[str, ...]
    buckets: Mapping[str, str]
    features_sql: str
    bits_sql: str
    wide_sql: str

    @property
    def hash(self) -> str:
        return short(self.features_sql + self.bits_sql)

    @property
    def words(self) -> int:
        return -(-len(self.segment_ids) // WORD_BITS)

    def place(self, segment_id: str) -> tuple[int, int]:
        """Word and bit of a segment."""
        return divmod(self.segment_ids.index(segment_id), WORD_BITS)

    def on_duckdb(self, relations: Mapping[str, str], wanted: str = "wide") -> str:
        """One query for DuckDB. `relations`: what to write for each name, `frame` included."""
        features = self.features_sql
        for name in (*self.relations, "frame"):
            features = features.replace(f"__{name}__", relations[name])
        for column, salt in self.buckets.items():
            digits = f"substr(sha256({literal(salt)} || '|' || frame.member_id), 1, 8)"
            features = features.replace(f"__bucket_{column}__", f"(cast('0x' || {digits} as bigint) % 100)")
        query = {"wide": self.wide_sql, "bits": self.bits_sql, "features": "select * from __features__"}[
            wanted
        ]
        return query.replace("__features__", f"(\n{features}\n)")


def plan_segments(
    segments: Sequence[tuple[str, Condition, KeyPath]],
    order: Callable[[], Sequence[Sequence[int]]],
    schema: Schema = COMPLETE,
    tags: Mapping[str, Condition] | None = None,
) -> Plan:
    """Compiles segments to one query.

    Args:
        segments: id, condition, and place in the file, in the file's order.
        order: positions of the segments by level: a level refers to earlier ones only.

    Raises:
        SegmentError: something is asked for that there is no data for.
    """
    to = Compiler(schema, tags)
    levels: list[dict[str, str]] = []
    columns = {segment_id: f"s_{number}" for number, (segment_id, _, _) in enumerate(segments)}
    for level in order():
        found = {}
        for number in level:
            segment_id, condition, place = segments[number]
            to.place = place
            found[columns[segment_id]] = condition.sql(to)
        for number in level:
            to.segments[segments[number][0]] = columns[segments[number][0]]
        levels.append(found)
    features = _features(to)
    ids = tuple(segment_id for segment_id, _, _ in segments)
    relations = sorted({*to.features, *to.trail.flags} - {"baskets"} | ({"lines"} if to.baskets else set()))
    return Plan(
        ids, tuple(sorted(to.fields)), columns, tuple(relations), dict(to.buckets), features,
        _judged(to, levels, _words([columns[one] for one in ids])),
        _judged(to, levels, list(columns.values())),
    )  # fmt: skip


def _features(to: Compiler) -> str:
    """The frame with one aggregate subquery per relation beside it."""
    parts: list[tuple[str, str]] = []
    sources: dict[str, str] = {}
    for relation in sorted({*to.features, *to.windows} - {"baskets"}):
        sources[relation] = f"__{relation}__"
        if relation in to.windows:
            sources[relation] = f"{relation}_seen"
            parts.append((sources[relation], _select(["*"], to.windows[relation], f"__{relation}__")))
    if to.baskets:
        of_order = {
            c: f"min({c})" for c in COLUMNS["orders"] if c not in ("member_id", "order_key", "happened_at")
        }
        grouped = _select(
            ["member_id", "order_key"], {**of_order, **to.baskets}, sources.get("lines", "__lines__")
        )
        parts.append(("baskets", grouped + "\ngroup by member_id, order_key"))
        sources["baskets"] = "baskets"
    joined: dict[str, dict[str, tuple[str, str | None]]] = {}
    for relation, features in sorted(to.features.items()):
        columns = {name: sql for name, (sql, _) in features.items()}
        parts.append(
            (f"{relation}_of", _select(["member_id"], columns, sources[relation]) + "\ngroup by member_id")
        )
        joined[f"{relation}_of"] = features
    if to.trail.results:
        parts += list(_trail(to.trail))
        joined["trail_of"] = {name: (sql, "0") for name, sql in to.trail.results.items()}
    columns = {name: f"frame.{name}" for name in sorted(to.fields)}
    columns |= {name: f"__bucket_{name}__" for name in to.buckets}
    for relation, features in joined.items():
        for name, (_, default) in features.items():
            value = f"{relation}.{name}"
            columns[name] = f"coalesce({value}, {default})" if default is not None else value
    query = _select(["frame.member_id"], columns, "__frame__ as frame")
    for relation in joined:
        query += f"\nleft join {relation}\n    on frame.member_id = {relation}.member_id"
    return _with(parts, query)


def _trail(trail: _Trail) -> Iterator[tuple[str, str]]:
    """Events of all relations in order of time; rows of one instant are none before the other."""
    everything = sorted({flag for flags in trail.flags.values() for flag in flags})
    branches = []
    for relation, flags in sorted(trail.flags.items()):
        columns = {
            flag: f"case when {flags[flag]} then 1 else 0 end" if flag in flags else "0"
            for flag in everything
        }
        some = " or ".join(f"({condition})" for condition in flags.values())
        branches.append(
            _select(["member_id", "happened_at", "days_ago"], columns, f"__{relation}__")
            + f"\nwhere happened_at is not null and ({some})"
        )
    yield "trail", "\nunion all\n".join(branches)
    yield (
        "trail_moments",
        _select(
            ["*"], {"moment": "dense_rank() over (partition by member_id order by happened_at)"}, "trail"
        ),
    )
    before = "trail_moments"
    for number, layer in enumerate(trail.layers):
        yield f"trail_{number}", _select(["*"], layer, before)
        before = f"trail_{number}"
    yield "trail_of", _select(["member_id"], trail.results, before) + "\ngroup by member_id"


def _judged(to: Compiler, levels: Sequence[Mapping[str, str]], wanted: Sequence[str]) -> str:
    """Predicates over the features, a level of segments at a time."""
    parts: list[tuple[str, str]] = [("features", "select * from __features__ as f")]
    parts += [(name, query) for name, (query, _) in to.limits.items()]
    source = "features"
    if to.limits:
        picked = {"hit_" + name: f"{name}.hit" for name in to.limits}
        query = _select(["features.*"], picked, "features")
        for name, (_, join) in to.limits.items():
            query += f"\nleft join {name}\n    on {join}"
        parts.append(("limited", query))
        source = "limited"
    for number, level in enumerate(levels):
        parts.append((f"level_{number}", _select(["*"], level, source)))
        source = f"level_{number}"
    return _with(parts, _select(["member_id", *wanted], {}, source))


def _words(columns: Sequence[str]) -> list[str]:
    words = []
    for number in range(0, len(columns), WORD_BITS):
        bits = [
            f"case when {column} then cast({1 << bit} as bigint) else cast(0 as bigint) end"
            for bit, column in enumerate(columns[number : number + WORD_BITS])
        ]
        words.append(f"{' + '.join(bits)} as word_{number // WORD_BITS}")
    return words


def _select(plain: Sequence[str], columns: Mapping[str, str], source: str) -> str:
    picks = [*plain, *(f"{sql} as {name}" for name, sql in columns.items())]
    return f"select\n    {_COMMA.join(picks)}\nfrom {source}"


def _with(parts: Sequence[tuple[str, str]], query: str) -> str:
    named = ",\n\n".join(f"{name} as (\n\n{sql}\n\n)" for name, sql in parts)
    return f"with\n\n{named}\n\n{query}" if parts else query
