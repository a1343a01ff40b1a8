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
    """One published table. `sort`: leading columns of the order of its rows.

    `touched`: facts whose touched days (int_touched_days) say which days of the table may have changed; empty: nobody
    says, and all of it is compared.
    """

    name: str
    kind: Kind
    sort: tuple[str, ...]
    touched: tuple[str, ...] = ()

    @property
    def partition_column(self) -> str | None:
        """DATE column that names the partition; None for a state table."""
        return PARTITION_COLUMN[self.kind]


@cache
def published_tables() -> tuple[TableSpec, ...]:
    """Every published table, in the order of `tables.yml`.

    Raises ValueError when a kind is unknown, a table has no sort key, or one without days names touched facts.
    """
    raw = yaml.safe_load(files("dagster_project.publish").joinpath("tables.yml").read_text("utf-8"))
    specs = []
    for name, entry in raw["tables"].items():
        if entry["kind"] not in PARTITION_COLUMN or not entry["sort"]:
            raise ValueError(
                f"publish/tables.yml：表 {name} 的 kind 须为 state、fact 或 as_of，且 sort 不可为空"
            )
        touched = tuple(entry.get("touched", ()))
        if touched and entry["kind"] != "fact":
            raise ValueError(f"publish/tables.yml：表 {name} 不是 fact，不能有 touched")
        specs.append(TableSpec(name, entry["kind"], tuple(entry["sort"]), touched))
    return tuple(specs)
