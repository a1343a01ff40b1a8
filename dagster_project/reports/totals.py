"""Metrics of the semantic layer, asked of one publication: for whoever asks, and for the pages shop by shop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from dagster_project.lang import tr
from dagster_project.metrics import MetricError, Query, definitions, metric_sql, rows_sql
from dagster_project.publish import Publication
from dagster_project.reports.published import TABLES, rows_by_name, rows_of

Scope = str | None  # a store code; None is the whole chain
_VIEWS = {table: f'"{table}"' for table in TABLES}
# rows that no shop is named for are the chain's only
_NOWHERE = "unknown"


@dataclass(frozen=True)
class Answer:
    """columns: what it is split by, then the metrics. rows: their values, in order. empty: metrics without any data."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    empty: tuple[str, ...] = ()


def ask(publication: Publication, query: Query) -> Answer:
    """Raises MetricError when a metric or dimension is not there, or the publication is older than it."""
    tables = {model.table for model in definitions().models.values()}
    relations = {table: rows_of(publication, table) for table in tables}
    sql = metric_sql(query, relations)
    with duckdb.connect() as con:
        try:
            rows = con.execute(sql).fetchall()
            empty = [
                name
                for name in query.names
                if con.execute(rows_sql(query, name, relations)).fetchall() == [(0,)]
            ]
        except duckdb.BinderException:
            raise MetricError(
                tr(
                    f"{publication.as_of} 的发布里还没有这些指标要的列：请先运行一晚 linli run",
                    f"the publication of {publication.as_of} lacks columns for these metrics: run a night first",
                )
            ) from None
    return Answer((*query.by, *query.names), tuple(rows), tuple(empty))


def by_scope(
    con: duckdb.DuckDBPyConnection,
    names: Sequence[str],
    by: Sequence[str] = (),
    *,
    shop: str = "store_code",
    where: Mapping[str, Sequence[str]] | None = None,
    since: date | None = None,
    until: date | None = None,
) -> defaultdict[Scope, list[dict[str, Any]]]:
    """Metrics over the views of `published.connect`, for every shop and for the chain.

    Args:
        shop: dimension that names the shop: `store_code` of what was sold, `home_store_code` of people.
    """
    found: defaultdict[Scope, list[dict[str, Any]]] = defaultdict(list)
    for split in ((), (shop,)):
        query = Query(names, (*split, *by), where or {}, since, until)
        for row in rows_by_name(con.execute(metric_sql(query, _VIEWS))):
            scope = row.pop(shop) if split else None
            if not split or (scope is not None and (shop == "store_code" or scope != _NOWHERE)):
                found[scope].append(row)
    return found
