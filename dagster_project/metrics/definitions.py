"""Reads dbt's own `semantic_models` and `metrics`: the part of the format that our definitions use, checked by dbt itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dagster_project.lang import tr

_FOLDER = Path(__file__).resolve().parents[2] / "dbt" / "models" / "semantic"
_REF = re.compile(r"ref\('(\w+)'\)")
_IN_FILTER = re.compile(r"\{\{\s*Dimension\('(\w+)__(\w+)'\)\s*\}\}")


class MetricError(ValueError):
    """A metric, dimension or value that is not there; the message says what is."""


@dataclass(frozen=True)
class SemanticModel:
    """One table with what may be counted in it.

    entities: name → SQL of the key. primary: the entity a row is one of.
    dimensions: name → SQL; `time` is the one that dates a row.
    measures: name → (aggregate, SQL).
    """

    name: str
    table: str
    entities: Mapping[str, str]
    primary: str
    dimensions: Mapping[str, str]
    time: str
    measures: Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Metric:
    """A simple metric has a measure, perhaps a filter, and `empty` for no rows at all (None: unknown); a ratio has the
    names of two simple ones."""

    name: str
    label: str
    description: str
    measure: str = ""
    filter: str = ""
    empty: int | None = None
    ratio: tuple[str, str] | None = None


@dataclass(frozen=True)
class Definitions:
    models: Mapping[str, SemanticModel]
    metrics: Mapping[str, Metric]

    def metric(self, name: str) -> Metric:
        """Raises MetricError when there is none of that name."""
        if name not in self.metrics:
            close = ", ".join(sorted(known for known in self.metrics if name in known or known in name))
            hint = tr(f"；相近的有 {close}", f"; there is {close}") if close else ""
            raise MetricError(tr(f"没有指标 '{name}'{hint}", f"no metric '{name}'{hint}"))
        return self.metrics[name]

    def model_of(self, metric: Metric) -> SemanticModel:
        """The model that holds a simple metric's measure."""
        return next(model for model in self.models.values() if metric.measure in model.measures)

    def simple(self, names: Iterable[str]) -> dict[str, Metric]:
        """The simple metrics that the named ones are made of, in order."""
        found: dict[str, Metric] = {}
        for name in names:
            metric = self.metric(name)
            for part in metric.ratio or (name,):
                found[part] = self.metric(part)
        return found

    def joined(self, model: SemanticModel, dimension: str) -> tuple[str, SemanticModel] | None:
        """(entity, model) through which a model knows a dimension that is not its own."""
        for other in self.models.values():
            if other.primary in model.entities and other is not model and dimension in other.dimensions:
                return other.primary, other
        return None

    def dimensions(self, metric: Metric) -> list[str]:
        """What a metric may be split by, own ones first."""
        names: list[str] = []
        for part in metric.ratio or (metric.name,):
            model = self.model_of(self.metrics[part])
            known = list(model.dimensions)
            for other in self.models.values():
                if other.primary in model.entities and other is not model:
                    known += [name for name in other.dimensions if name != other.time]
            names = [name for name in names if name in known] if names else known
        return list(dict.fromkeys(names))


@cache
def definitions(folder: Path = _FOLDER) -> Definitions:
    """All definitions of a folder's yml files."""
    models: dict[str, SemanticModel] = {}
    metrics: dict[str, Metric] = {}
    for path in sorted(folder.glob("*.yml")):
        read = yaml.safe_load(path.read_text("utf-8"))
        models |= {entry["name"]: _model(entry) for entry in read.get("semantic_models", [])}
        metrics |= {entry["name"]: _metric(entry) for entry in read.get("metrics", [])}
    return Definitions(models, metrics)


def _model(entry: Mapping[str, Any]) -> SemanticModel:
    table = _REF.search(entry["model"])
    assert table is not None, entry["model"]
    return SemanticModel(
        name=entry["name"],
        table=table.group(1),
        entities={each["name"]: each.get("expr", each["name"]) for each in entry["entities"]},
        primary=next(each["name"] for each in entry["entities"] if each["type"] == "primary"),
        dimensions={each["name"]: each.get("expr", each["name"]) for each in entry["dimensions"]},
        time=entry["defaults"]["agg_time_dimension"],
        measures={each["name"]: (each["agg"], each.get("expr", each["name"])) for each in entry["measures"]},
    )


def _metric(entry: Mapping[str, Any]) -> Metric:
    asked = entry["type_params"]
    common = {"name": entry["name"], "label": entry["label"], "description": entry["description"]}
    if entry["type"] == "ratio":
        return Metric(**common, ratio=(asked["numerator"], asked["denominator"]))
    measure = asked["measure"]
    return Metric(
        **common,
        measure=measure["name"],
        filter=entry.get("filter", ""),
        empty=measure.get("fill_nulls_with"),
    )


def filter_sql(model: SemanticModel, template: str) -> str:
    """A metric's filter as SQL over the columns of its model."""
    return _IN_FILTER.sub(lambda found: f"({model.dimensions[found.group(2)]})", template)
