"""The semantic layer: metrics defined once in dbt/models/semantic, asked for by name.

Pages, `linli metric`, notebooks and files count by these definitions only. Not here: where the rows come from (the caller
names a relation per table) and how a number is shown.
"""

from dagster_project.metrics.definitions import Definitions, Metric, MetricError, definitions
from dagster_project.metrics.query import Query, metric_sql, rows_sql

__all__ = ["Definitions", "Metric", "MetricError", "Query", "definitions", "metric_sql", "rows_sql"]
