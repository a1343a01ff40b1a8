"""Reads `feeds.yml` into frozen records."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml


@dataclass(frozen=True)
class Column:
    """One canonical column. `must`: the file has to carry it; `value`: a row without it is rejected."""

    name: str
    type: str
    key: bool = False
    must: bool = False
    value: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Feed:
    """One canonical feed of a connection kind (`pos`, `groupbuy`, `wecom`).

    seldom: a register that comes when something changed; that it did not come tonight says nothing.
    """

    kind: str
    name: str
    columns: tuple[Column, ...]
    seldom: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.key)

    @property
    def table(self) -> str:
        """Name of the raw table, e.g. `pos__tickets`."""
        return f"{self.kind}__{self.name}"

    def raw_columns(self) -> tuple[str, ...]:
        """Columns as they land in the lake, after the privacy door (no plain phone, no plain name)."""
        names: list[str] = []
        for column in self.columns:
            if column.type == "phone":
                names += [f"{column.name}_token", f"{column.name}_masked", f"{column.name}_kind"]
            elif column.type == "name":
                names += [f"{column.name}_token", f"{column.name}_is_test"]
            else:
                names.append(column.name)
        return tuple(names)


def _column(name: str, spec: list[str]) -> Column:
    kind, flags = spec[0], set(spec[1:])
    choices: tuple[str, ...] = ()
    if kind.startswith("enum("):
        choices = tuple(kind[5:-1].split("|"))
        kind = "enum"
    return Column(name, kind, "key" in flags, "must" in flags, "value" in flags or "key" in flags, choices)


@cache
def _catalogue() -> dict[str, dict[str, Feed]]:
    raw = yaml.safe_load(files("dagster_project.contracts").joinpath("feeds.yml").read_text("utf-8"))
    seldom = raw.pop("seldom")
    return {
        kind: {
            name: Feed(
                kind, name, tuple(_column(c, s) for c, s in columns.items()), name in seldom.get(kind, ())
            )
            for name, columns in feeds.items()
        }
        for kind, feeds in raw.items()
    }


def kinds() -> tuple[str, ...]:
    """Connection kinds in contract order."""
    return tuple(_catalogue())


def feeds_of(kind: str) -> tuple[Feed, ...]:
    """Feeds of one kind, in contract order."""
    return tuple(_catalogue()[kind].values())


def feed(kind: str, name: str) -> Feed:
    """One feed; KeyError when the contract has none of that name."""
    return _catalogue()[kind][name]
