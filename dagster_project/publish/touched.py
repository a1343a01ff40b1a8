"""Which days of a fact may differ from the publication before: told by the models, so that the others are not read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from duckdb import DuckDBPyConnection

from dagster_project.lang import tr
from dagster_project.publish.errors import PublishError
from dagster_project.publish.publication import Publication
from dagster_project.publish.relations import (
    Partition,
    Shape,
    columns_of,
    digests,
    literal,
    partition_filter,
    quoted,
)

_DAYS = "intermediate.int_touched_days"
_RUN, _PUBLICATION = "run_seq", "run_publication"


@dataclass(frozen=True)
class Touched:
    """Days by fact (ISO); a fact that is not among them was not touched. Facts of `all_of` were made anew."""

    days: Mapping[str, frozenset[str]]
    all_of: frozenset[str]

    def of(self, facts: Sequence[str]) -> frozenset[str] | None:
        """Days that a table made of these facts may differ in; None: any."""
        if not facts or self.all_of.intersection(facts):
            return None
        return frozenset().union(*(self.days.get(fact, frozenset()) for fact in facts))


def touched_days(con: DuckDBPyConnection, before: Publication | None) -> Touched | None:
    """What changed since `before`; None when the warehouse does not know: its run did not start from that publication."""
    run = _run(con)
    if before is None or run is None or "int_touched_days" not in columns_of(con, "intermediate"):
        return None
    state = dict(
        con.execute("select name, value from ops.state where name in (?, ?)", [_RUN, _PUBLICATION]).fetchall()
    )
    if state != {_RUN: str(run - 1), _PUBLICATION: before.publication_id}:
        return None
    days: dict[str, set[str]] = {}
    all_of = set()
    for fact, day in con.execute(
        f"select fact, business_date from {_DAYS} where run_seq = ?", [run]
    ).fetchall():
        if day is None:
            all_of.add(fact)
        else:
            days.setdefault(fact, set()).add(day.isoformat())
    return Touched({fact: frozenset(found) for fact, found in days.items()}, frozenset(all_of))


def remember_run(con: DuckDBPyConnection, publication_id: str) -> None:
    """The run that made this publication is over: what is touched from now on is touched since then."""
    run = _run(con)
    if run is not None:
        con.execute("delete from ops.state where name in (?, ?)", [_RUN, _PUBLICATION])
        con.execute(
            "insert into ops.state values (?, ?), (?, ?)", [_RUN, str(run), _PUBLICATION, publication_id]
        )


def go_on_with(con: DuckDBPyConnection, before: str, publication_id: str) -> None:
    """A publication of some tables stands on the one before: what was touched since that one is touched since this."""
    con.execute(
        "update ops.state set value = ? where name = ? and value = ?", [publication_id, _PUBLICATION, before]
    )


def digests_of_touched(
    con: DuckDBPyConnection,
    shape: Shape,
    relation: str,
    known: Mapping[str, Partition],
    days: frozenset[str],
    as_of: date,
) -> dict[str, Partition]:
    """Partitions of a fact of which only `days` differ from `known`; the others are taken as they were.

    One of those is read all the same, another every night: PublishError when it did change.
    """
    column = quoted(str(shape.partition_column))
    found = {day: partition for day, partition in known.items() if day not in days}
    if found:
        nth = int(hashlib.sha256(f"{relation}|{as_of}".encode()).hexdigest(), 16) % len(found)
        sample = sorted(found)[nth]
        rows = f"(select * from {relation} where {partition_filter(shape, sample)})"
        if digests(con, shape, rows, split=True).get(sample) != found[sample]:
            raise PublishError(
                tr(
                    f"{relation} 的 {sample} 已改动，但模型没有登记：请用 --full-refresh 重新运行",
                    f"{relation} of {sample} changed and no model said so: run again with --full-refresh",
                )
            )
    if days:
        listed = ", ".join(f"date {literal(day)}" for day in sorted(days))
        found |= digests(con, shape, f"(select * from {relation} where {column} in ({listed}))", split=True)
    return found


def _run(con: DuckDBPyConnection) -> int | None:
    context = dict(columns_of(con, "ops").get("run_context", ()))
    if "run_seq" not in context:
        return None
    row = con.execute("select run_seq from ops.run_context").fetchone()
    return None if row is None or row[0] is None else int(row[0])
