"""One SQL for some metrics: a scan per table, joined by what they are split by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from dagster_project.lang import tr
from dagster_project.metrics.definitions import (
    Definitions,
    Metric,
    MetricError,
    SemanticModel,
    definitions,
    filter_sql,
)

GRAINS = ("day", "week", "month")
_AGGREGATES = {"sum": "sum({})", "count": "count({})", "count_distinct": "count(distinct {})"}
# no metric has a space in its name
_ROWS = "all rows"


@dataclass(frozen=True)
class Query:
    """What is asked.

    names: metrics. by: dimensions to split by; `day`, `week` and `month` are those of the date of a row.
    where: dimension → the values that count, as text. since, until: first and last date of a row.
    """

    names: Sequence[str]
    by: Sequence[str] = ()
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    since: date | None = None
    until: date | None = None


def metric_sql(query: Query, relations: Mapping[str, str | None], known: Definitions | None = None) -> str:
    """The SQL of a query: one row per combination of `by`, its columns first, then one per metric, in order of `by`.

    Args:
        relations: FROM item of each table (`marts.orders`, a view, published files); None or absent is a table without
            rows.

    Counts of nothing are 0, ratios and sums that are not known are null; a ratio is a fraction.

    Raises:
        MetricError: an unknown metric, or a dimension that one of the metrics does not have.
    """
    known = known or definitions()
    if not query.names:
        raise MetricError(tr("请写出要看的指标", "name a metric"))
    parts = known.simple(query.names)
    models = {known.model_of(metric).name: known.model_of(metric) for metric in parts.values()}
    by = [f'"{name}"' for name in query.by]
    scans = []
    for model in models.values():
        mine = {name: metric for name, metric in parts.items() if known.model_of(metric) is model}
        scans.append(_scan(query, known, model, mine, list(parts), relations))
    shown = [*by, *(f'{_final(known.metric(name), parts)} as "{name}"' for name in query.names)]
    tail = f"\ngroup by {', '.join(by)}\norder by {', '.join(by)}" if by else ""
    together = "\nunion all\n".join(scans)
    return f"select {', '.join(shown)}\nfrom (\n{together}\n) as scans{tail}"


def rows_sql(
    query: Query, name: str, relations: Mapping[str, str | None], known: Definitions | None = None
) -> str:
    """The SQL of how many rows one metric of a query is made of, before its own filter: 0 is no data, not a value."""
    known = known or definitions()
    models = {known.model_of(metric).name: known.model_of(metric) for metric in known.simple([name]).values()}
    whole = replace(query, by=())
    scans = "\nunion all\n".join(
        _scan(whole, known, model, {}, [_ROWS], relations) for model in models.values()
    )
    return f'select coalesce(sum("{_ROWS}"), 0) from (\n{scans}\n) as scans'


def _final(metric: Metric, parts: Mapping[str, Metric]) -> str:
    """A metric over the scans: each knows a metric or has null for it."""
    if metric.ratio:
        numerator, denominator = (_final(parts[name], parts) for name in metric.ratio)
        return f"cast({numerator} as double) / nullif({denominator}, 0)"
    value = f'max("{metric.name}")'
    return value if metric.empty is None else f"coalesce({value}, {metric.empty})"


def _scan(
    query: Query,
    known: Definitions,
    model: SemanticModel,
    mine: Mapping[str, Metric],
    names: Sequence[str],
    relations: Mapping[str, str | None],
) -> str:
    relation = relations.get(model.table)
    joins: dict[str, tuple[SemanticModel, list[str]]] = {}

    def dimension(name: str) -> str:
        """SQL of a dimension; one that another table has brings it along."""
        if name in GRAINS:
            when = model.dimensions[model.time]
            return when if name == "day" else f"cast(date_trunc('{name}', {when}) as date)"
        if name in model.dimensions:
            return model.dimensions[name]
        found = known.joined(model, name)
        if found is None:
            choices = sorted({each for metric in mine.values() for each in known.dimensions(metric)})
            raise MetricError(
                tr(
                    f"指标 {', '.join(mine)} 不能按 '{name}' 分；可用：{', '.join([*GRAINS, *choices])}",
                    f"{', '.join(mine)} cannot be split by '{name}'; choose from {', '.join([*GRAINS, *choices])}",
                )
            )
        entity, other = found
        joins.setdefault(entity, (other, []))[1].append(name)
        # every column of the joined side is renamed, so that no bare name means two
        return f'"{entity}"."{entity} {name}"'

    keys = [f'{dimension(name)} as "{name}"' for name in query.by]
    values = []
    for name in names:
        metric = mine.get(name)
        if name == _ROWS:
            values.append(f'count(*) as "{_ROWS}"')
            continue
        if metric is None:
            values.append(f'null as "{name}"')
            continue
        aggregate, expression = model.measures[metric.measure]
        counted = _AGGREGATES[aggregate].format(expression)
        chosen = filter_sql(model, metric.filter)
        filtered = f" filter (where {chosen})" if chosen else ""
        values.append(f'{counted}{filtered} as "{name}"')
    conditions = [
        f"cast({dimension(name)} as varchar) in ({', '.join(_text(value) for value in chosen)})"
        for name, chosen in query.where.items()
    ]
    when = model.dimensions[model.time]
    conditions += [f"{when} >= date '{query.since}'"] if query.since else []
    conditions += [f"{when} <= date '{query.until}'"] if query.until else []
    if relation is None:
        nothing = [f'cast(null as varchar) as "{name}"' for name in query.by]
        nothing += [f'null as "{name}"' for name in names]
        return f"select {', '.join(nothing)} where false"
    sql = f'select {", ".join([*keys, *values])}\nfrom {relation} as "{model.name}"'
    for entity, (other, columns) in joins.items():
        side_rows = relations.get(other.table)
        picked = {"key": other.entities[entity], **{name: other.dimensions[name] for name in columns}}
        sides = [
            f'{sql_of if side_rows else "cast(null as varchar)"} as "{entity} {name}"'
            for name, sql_of in picked.items()
        ]
        side = f"(select {', '.join(sides)}{f' from {side_rows}' if side_rows else ''})"
        sql += f'\nleft join {side} as "{entity}" on {model.entities[entity]} = "{entity}"."{entity} key"'
    sql += f"\nwhere {' and '.join(conditions)}" if conditions else ""
    return sql + (f"\ngroup by {', '.join(str(n + 1) for n in range(len(keys)))}" if keys else "")


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
