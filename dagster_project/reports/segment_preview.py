"""What a file of segments would give: sizes, overlaps, funnels and examples from the newest publication, read only.

Nothing of the warehouse is opened, so it works while a night runs.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.config import Chain
from dagster_project.config.document import read_document
from dagster_project.lang import tr
from dagster_project.privacy.phones import mask_text
from dagster_project.publish import Publication
from dagster_project.reports.published import open_publication, rows_of
from dagster_project.segments import (
    METRICS,
    Metric,
    Operator,
    RuleTags,
    Schema,
    Segment,
    SegmentError,
    SegmentFile,
    check,
    walk,
)
from dagster_project.segments.compile import plan_segments
from dagster_project.segments.events import COLUMNS
from dagster_project.segments.groups import All
from dagster_project.segments.metrics import AGO
from dagster_project.segments.model import levels
from dagster_project.segments.problems import KeyPath, nearest, no_segment
from dagster_project.segments.shopping import Near

_MEMBERS = (
    "phone_masked",
    "home_store_code",
    "last_purchase_on",
    "consent_marketing",
    "has_wecom",
    "has_groupbuy",
)


@dataclass(frozen=True)
class Example:
    """A member of a segment, masked. `values`: the metrics that let her in, as stored."""

    member_id: str
    phone_masked: str | None
    home_store_code: str | None
    last_purchase_on: date | None
    values: tuple[tuple[Metric, Any], ...]


@dataclass(frozen=True)
class Seen:
    """One segment. `before`: its size as published, None when it is not. `overlaps`: members shared with others, most
    first. `funnel`: each top-level condition in words, and how many remain after it.
    """

    segment: Segment
    size: int
    before: int | None
    consenting: int
    reachable: int
    overlaps: tuple[tuple[str, int], ...]
    funnel: tuple[tuple[str, int], ...]
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Preview:
    """`members`: everybody, the base of shares. `warnings`: things nobody ever bought or no such shop, with their lines."""

    as_of: date
    members: int
    seconds: float
    segments: tuple[Seen, ...]
    warnings: tuple[str, ...] = ()


def preview_segments(chain: Chain, file: Path, only: str | None = None, limit: int = 10) -> Preview:
    """Judges the segments of a file on the newest publication.

    Args:
        only: the one segment to tell of; the file's other segments still count as overlaps.
        limit: examples per segment.

    Raises:
        ConfigError: what is wrong in the file, or data that is not published, with line and key.
        PublishError: nothing has been published yet.
    """
    started = time.monotonic()
    document = read_document(file, resolve=False)
    segments = document.parse(SegmentFile).segments
    if not segments:
        raise document.error(("segments",), tr("文件里没有人群", "there is no segment in the file"))
    own = {segment.segment_id for segment in segments}
    others = [segment for segment in chain.rules.segments if segment.segment_id not in own]
    publication = open_publication(chain)
    try:
        check(segments, others)
        others = _referred(segments, others)
        if only is not None and only not in own:
            raise SegmentError(("segments",), no_segment(only, own))
        with duckdb.connect() as con:
            stage = _Stage(con, publication, chain.rules.metrics.rule_tags)
            far = _by_distance([*segments, *others], stage.tags)
            stage.judge(
                {n: one for n, one in enumerate([*segments, *others]) if n not in far},
                [one for n, one in enumerate(segments) if n not in far],
            )
            told = tuple(
                stage.tell(one, limit)
                for n, one in enumerate(segments)
                if n not in far and only in (None, one.segment_id)
            )
            stores = {store.store_code for store in chain.stores}
            problems = [
                (place, stage.doubt(kind, value, stores))
                for number, segment in enumerate(segments)
                for place, kind, value in _named(number, segment)
                if stage.is_doubtful(kind, value, stores)
            ]
            problems += [(place, _later(segments[n])) for n, place in far.items() if n < len(segments)]
            warnings = tuple(str(document.error(place, text)) for place, text in problems)
            return Preview(publication.as_of, stage.members, time.monotonic() - started, told, warnings)
    except SegmentError as error:
        number = error.place[1] if len(error.place) > 1 else 0
        if isinstance(number, int) and number >= len(segments):
            # a segment of the chain's rules that the file refers to
            name = others[number - len(segments)].segment_id
            raise document.error(("segments",), f"{name}: {error.problem}") from None
        raise document.error(error.place, error.problem) from None


def _referred(segments: Sequence[Segment], others: Sequence[Segment]) -> list[Segment]:
    """Those of the others that the segments need, also by way of each other."""
    known, found = {segment.segment_id: segment for segment in others}, dict[str, Segment]()
    waiting = list(segments)
    while waiting:
        for _, kind, name in _named(0, waiting.pop()):
            if kind == "segment" and name in known and name not in found:
                found[name] = known[name]
                waiting.append(known[name])
    return list(found.values())


def _by_distance(segments: Sequence[Segment], tags: RuleTags) -> dict[int, KeyPath]:
    """Segments that ask how far any shop is, also by way of a tag or of each other, with the place that does.

    Only the night measures that: distances to all shops are not published.
    """
    found: dict[int, KeyPath] = {}
    while True:
        ids = {segments[number].segment_id for number in found}
        more = {
            number: place
            for number, segment in enumerate(segments)
            if number not in found and (place := _far(("segments", number), segment.when, tags, ids))
        }
        if not more:
            return dict(sorted(found.items()))
        found |= more


def _far(place: KeyPath, when: Operator, tags: RuleTags, ids: Collection[str]) -> KeyPath:
    """Where a condition asks how far any shop is or names one of the segments that do; empty when it does not."""
    for here, node in walk(place, when):
        if isinstance(node, Near) and node.is_any_shop:
            return (*here, "near")
        for inside, kind, name in node.named():
            if kind == "segment" and name in ids:
                return (*here, *inside)
            if kind == "tag" and name in tags and _far(place, tags[name], tags, ids):
                return (*here, *inside)
    return ()


def _later(segment: Segment) -> str:
    return tr(
        f"{segment.segment_id}：预览算不了按门店的距离，夜间会算",
        f"{segment.segment_id}: a preview cannot measure distances to shops; the night does",
    )


def _named(number: int, segment: Segment) -> Iterator[tuple[KeyPath, str, str]]:
    for place, node in walk(("segments", number), segment.when):
        for inside, kind, value in node.named():
            yield (*place, *inside), kind, value


_LINE_COLUMNS = {"item": "item_name", "sku": "sku", "category": "category", "category_l1": "category_l1"}


class _Stage:
    """An in-memory database over one publication's files."""

    def __init__(self, con: duckdb.DuckDBPyConnection, publication: Publication, tags: RuleTags) -> None:
        self.con, self.publication, self.tags = con, publication, tags
        self.relations = self._relations()
        self.members = 0
        self.columns: dict[str, str] = {}
        self.steps: dict[str, list[str]] = {}
        self.published: dict[str, int] = {}
        self._sold: dict[str, set[str]] = {}

    def judge(self, segments: Mapping[int, Segment], funnelled: Sequence[Segment]) -> None:
        """Temp tables `features`, `judged`: every segment, and every first part of those with several conditions; `shown`.

        Args:
            segments: by number, which places in errors tell.
        """
        parts = []
        listed = [(one.segment_id, one.when, ("segments", number)) for number, one in segments.items()]
        numbers = {one.segment_id: number for number, one in segments.items()}
        for segment in funnelled:
            self.steps[segment.segment_id] = []
            for count in range(1, len(segment.all)):
                part_id = f"{segment.segment_id} {count}"
                when = All.model_construct(all=segment.all[:count])
                parts.append(Segment.model_construct(segment_id=part_id, name="", when=when, source={}))
                listed.append((part_id, when, ("segments", numbers[segment.segment_id])))
                self.steps[segment.segment_id].append(part_id)
        compiled = plan_segments(
            listed, lambda: levels([*segments.values(), *parts]), self._schema(), self.tags
        )
        relations = {**self.relations, "frame": self._frame(compiled.fields)}
        self.con.execute(f"create temp table features as {compiled.on_duckdb(relations, 'features')}")
        wide = compiled.wide_sql.replace("__features__", "features")
        self.con.execute(f"create temp table judged as {wide}")
        # a condition may ask for days ago only, where an example tells the day
        shown = {METRICS[name].field for s in funnelled for name in s.when.shown}
        self.con.execute(f"create temp table shown as select * from {self._frame(sorted(shown))}")
        self.con.execute(f"create temp table people as {self._people()}")
        self.columns = dict(compiled.columns)
        self.members = self._one("select count(*) from people")
        before = rows_of(self.publication, "segment_members")
        if before is not None:
            self.con.execute(f"create temp table published as select segment_id, member_id from {before}")
            rows = self.con.execute("select segment_id, count(*) from published group by all").fetchall()
            self.published = dict(rows)

    def tell(self, segment: Segment, limit: int) -> Seen:
        column = self.columns[segment.segment_id]
        self.con.execute(
            f"create or replace temp table inside as select people.* from judged join people using (member_id) where {column}"
        )
        size = self._one("select count(*) from inside")
        consent = "consent_marketing = 'Y'"
        steps = [*self.steps[segment.segment_id], segment.segment_id]
        left = [self._one(f"select count(*) from judged where {self.columns[step]}") for step in steps]
        return Seen(
            segment, size, self.published.get(segment.segment_id),
            self._one(f"select count(*) from inside where {consent}"),
            self._one(f"select count(*) from inside where {consent} and (has_wecom or has_groupbuy)"),
            self._overlaps(segment.segment_id),
            tuple(zip((one.words for one in segment.all), left, strict=True)),
            self._examples(segment, limit),
        )  # fmt: skip

    def _overlaps(self, segment_id: str) -> tuple[tuple[str, int], ...]:
        own, parts = self.columns[segment_id], {part for steps in self.steps.values() for part in steps}
        others = {name: column for name, column in self.columns.items() if name not in {segment_id, *parts}}
        found = {
            name: self._one(f"select count(*) from judged where {own} and {c}") for name, c in others.items()
        }
        for name in self.published.keys() - self.columns.keys():
            found[name] = self.con.execute(
                "select count(*) from inside join published using (member_id) where segment_id = ?", [name]
            ).fetchall()[0][0]
        return tuple(
            sorted(((n, count) for n, count in found.items() if count), key=lambda pair: (-pair[1], pair[0]))
        )

    def _examples(self, segment: Segment, limit: int) -> tuple[Example, ...]:
        metrics = [METRICS[name] for name in segment.when.shown]
        values = "".join(f", shown.{metric.field}" for metric in metrics)
        rows = self.con.execute(
            f"select inside.member_id, phone_masked, inside.home_store_code, inside.last_purchase_on{values} from inside"
            # by a hash, so that examples are not all of the oldest members, and the same every time
            " join shown using (member_id) order by md5(inside.member_id) limit ?",
            [limit],
        ).fetchall()
        return tuple(
            Example(
                row[0],
                row[1] and mask_text(row[1]),
                row[2],
                row[3],
                tuple(zip(metrics, row[4:], strict=True)),
            )
            for row in rows
        )

    def is_doubtful(self, kind: str, value: str, stores: Collection[str]) -> bool:
        """No such shop, or nothing like it was ever sold."""
        if kind == "store":
            return value not in stores
        lines = rows_of(self.publication, "order_lines")
        if kind not in _LINE_COLUMNS or lines is None:
            return False
        if kind not in self._sold:
            rows = self.con.execute(f"select distinct {_LINE_COLUMNS[kind]} from {lines}").fetchall()
            self._sold[kind] = {row[0] for row in rows if row[0] is not None}
        return value not in self._sold[kind]

    def doubt(self, kind: str, value: str, stores: Collection[str]) -> str:
        near = ", ".join(nearest(value, sorted(stores if kind == "store" else self._sold[kind])))
        perhaps = tr(f"。是不是：{near}", f"; perhaps {near}") if near else ""
        if kind == "store":
            return tr(f"stores.csv 里没有门店 {value}", f"no shop {value} in stores.csv") + perhaps
        return tr(f"从没卖过 {kind} {value!r}", f"{kind} {value!r} was never sold") + perhaps

    def _one(self, query: str) -> int:
        return int(self.con.execute(query).fetchall()[0][0])

    def _names(self, table: str) -> tuple[str, ...]:
        entry = self.publication.tables.get(table)
        return entry.shape.names if entry is not None and rows_of(self.publication, table) else ()

    def _schema(self) -> Schema:
        fields = {m.field for m in METRICS.values() if m.source in self._names(m.table)}
        fields |= {m.field + AGO for m in METRICS.values() if m.kind == "date" and m.field in fields}
        lacking = {"lines": {"is_discounted"} - set(self._names("order_lines"))}
        return Schema(
            fields,
            {
                name: [column for column in COLUMNS[name] if column not in lacking.get(name, ())]
                for name in self.relations
            },
        )

    def _people(self) -> str:
        there = self._names("members")
        picks = [name if name in there else f"null as {name}" for name in _MEMBERS]
        return f"select member_id, {', '.join(picks)} from {rows_of(self.publication, 'members')}"

    def _frame(self, fields: Sequence[str]) -> str:
        """Members with the columns asked for."""
        by_field = {metric.field: metric for metric in METRICS.values()}
        picks, tables = ["members.member_id"], set()
        for field in fields:
            metric = by_field.get(field) or by_field[field.removesuffix(AGO)]
            value = f"{metric.table}.{metric.source}"
            picks.append(f"{self._ago(value) if field not in by_field else value} as {field}")
            tables.add(metric.table)
        joins = "".join(
            f" left join {rows_of(self.publication, table)} as {table} on members.member_id = {table}.member_id"
            for table in sorted(tables - {"members"})
        )
        return f"(select {', '.join(picks)} from {rows_of(self.publication, 'members')} as members{joins})"

    def _ago(self, day: str) -> str:
        return f"date_diff('day', {day}, date '{self.publication.as_of}')"

    def _relations(self) -> dict[str, str]:
        """The relations of events that are published, as subqueries."""
        found = {}
        orders, lines = rows_of(self.publication, "orders"), rows_of(self.publication, "order_lines")
        if orders:
            found["orders"] = (
                "(select member_id, order_key, channel, store_code, leader_id, business_date, ordered_at as happened_at,"
                f" spend_fen, {self._ago('business_date')} as days_ago, hour(ordered_at) as hour_of_day,"
                f" isodow(business_date) as weekday from {orders}"
                f" where is_purchase and member_id is not null and business_date <= date '{self.publication.as_of}')"
            )
        if orders and lines:
            discounted = "l.is_discounted" if "is_discounted" in self._names("order_lines") else "null"
            found["lines"] = (
                "(select o.*, l.line_no, l.sku, l.item_name, l.category, l.category_l1, l.qty,"
                f" l.amount_fen - l.refunded_fen as amount_fen, {discounted} as is_discounted"
                f" from {found['orders']} as o join {lines} as l using (order_key) where l.amount_fen > l.refunded_fen)"
            )
        engagements = rows_of(self.publication, "engagements")
        if engagements:
            found["engagements"] = (
                "(select member_id, engagement_key, kind, channel, store_code, ref, amount_fen, points, business_date,"
                f' "at" as happened_at, {self._ago("business_date")} as days_ago, hour("at") as hour_of_day,'
                f" isodow(business_date) as weekday from {engagements}"
                f" where is_counted and member_id is not null and business_date <= date '{self.publication.as_of}')"
            )
        tags = rows_of(self.publication, "member_tags")
        if tags and "author" in self._names("member_tags"):
            found["tags"] = (
                f"(select member_id, tag, author, {self._ago('since')} as days_ago from {tags}"
                " where source like 'wecom:%' or source like 'campaign:%')"
            )
        items = rows_of(self.publication, "member_usual_items")
        if items:
            found["usual_items"] = (
                f"(select member_id, item_name, {self._ago('last_bought_on')} as days_ago, gap_days from {items})"
            )
        return found
