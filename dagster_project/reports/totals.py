"""Metrics of the semantic layer, asked of one publication."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from dagster_project.lang import tr
from dagster_project.metrics import MetricError, Query, definitions, metric_sql
from dagster_project.publish import Publication
from dagster_project.reports.published import rows_of


@dataclass(frozen=True)
class Answer:
    """columns: what it is split by, then the metrics. rows: their values, in order."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def ask(publication: Publication, query: Query) -> Answer:
    """Raises MetricError when a metric or dimension is not there, or the publication is older than it."""
    tables = {model.table for model in definitions().models.values()}
    sql = metric_sql(query, {table: rows_of(publication, table) for table in tables})
    with duckdb.connect() as con:
        try:
            rows = con.execute(sql).fetchall()
        except duckdb.BinderException:
            raise MetricError(
                tr(
                    f"{publication.as_of} 的发布里还没有这些指标要的列：请先运行一晚 linli run",
                    f"the publication of {publication.as_of} lacks columns for these metrics: run a night first",
                )
            ) from None
    return Answer((*query.by, *query.names), tuple(rows))
