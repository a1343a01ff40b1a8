"""Reads `tables.yml`: which audited tables are published, how they are split and sorted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml

Kind = Literal["state", "fact", "as_of"]
PARTITION_COLUMN: dict[Kind, str | None] = {"state": None, "fact": "business_date", "as_of": "as_of_date"}


@dataclass(frozen=True)
class TableSpec:
    """One published table. `sort`: leading columns of the order of its rows."""

    name: str
    kind: Kind
    sort: tuple[str, ...]

    @property
    def partition_column(self) -> str | None:
        """DATE column that names the partition; None for a state table."""
        return PARTITION_COLUMN[self.kind]


@cache
def published_tables() -> tuple[TableSpec, ...]:
    """Every published table, in the order of `tables.yml`.

    Raises ValueError when a kind is unknown or a table has no sort key.
    """
    raw = yaml.safe_load(files("dagster_project.publish").joinpath("tables.yml").read_text("utf-8"))
    specs = []
    for name, entry in raw["tables"].items():
        if entry["kind"] not in PARTITION_COLUMN or not entry["sort"]:
            raise ValueError(
                f"publish/tables.yml：表 {name} 的 kind 须为 state、fact 或 as_of，且 sort 不可为空"
            )
        specs.append(TableSpec(name, entry["kind"], tuple(entry["sort"])))
    return tuple(specs)
