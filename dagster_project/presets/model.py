"""What a preset may say, checked when it is read."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dagster_project.contracts import feed as contract_feed
from dagster_project.contracts import feeds_of, kinds
from dagster_project.lang import tr

Transport = Literal["files", "windows", "snapshot"]
_SETTING = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
# keys every connection has
RESERVED_SETTINGS = frozenset({"name", "preset"})


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(_Strict):
    """A text in both languages."""

    zh: str = ""
    en: str = ""

    def __str__(self) -> str:
        return tr(self.zh, self.en)


class Setting(_Strict):
    """One key that a connection of this preset may carry in chain.yml. Values are texts."""

    required: bool = False
    secret: bool = False
    default: str | None = None
    choices: tuple[str, ...] = ()
    about: Words = Words()


class ColumnRule(_Strict):
    """How one canonical column comes about: an SQL expression, its unit or time kind, and a map of its values.

    unit: yuan or fen, for money. time: s, ms (epoch) or naive (the chain's wall clock, or with an offset).
    map: value → value; without a `*` entry other values pass through, so that the checks can refuse them.
    """

    value: str
    unit: Literal["yuan", "fen"] | None = None
    time: Literal["s", "ms", "naive"] | None = None
    map: dict[str, str] = Field(default_factory=dict)


def _as_rule(value: object) -> object:
    return {"value": value} if isinstance(value, str) else value


class FeedRule(_Strict):
    """How the rows of one canonical feed come from a table's rows."""

    columns: dict[str, Annotated[ColumnRule, BeforeValidator(_as_rule)]]
    where: str | None = None
    each: str | None = None
    group_by: tuple[str, ...] = ()
    drop: dict[str, str] = Field(default_factory=dict)


class Table(_Strict):
    """One table of the source: a kind of file, or a list of an API. The first feed has the table's own grain."""

    feeds: dict[str, FeedRule] = Field(min_length=1)
    folders: tuple[str, ...] = ()
    columns: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    required: tuple[str, ...] = ()
    count_in_name: str | None = None
    drop: dict[str, str] = Field(default_factory=dict)


class Preset(_Strict):
    """One system's way of naming things. See the folder `data` for the shipped ones."""

    preset: str
    kind: str
    transport: Transport
    title: Words
    verified: Words = Words()
    unverified: Words = Words()
    client: str | None = None
    settings: dict[str, Setting] = Field(default_factory=dict)
    tables: dict[str, Table] = Field(default_factory=dict)

    @property
    def is_standard(self) -> bool:
        """Files that already have the contract's names need no mapping."""
        return self.transport == "files" and not self.tables

    @property
    def feeds(self) -> tuple[str, ...]:
        """Canonical feeds that this preset can bring, in contract order."""
        if not self.tables:
            return tuple(feed.name for feed in feeds_of(self.kind))
        given = {name for table in self.tables.values() for name in table.feeds}
        return tuple(feed.name for feed in feeds_of(self.kind) if feed.name in given)

    @model_validator(mode="after")
    def _consistent(self) -> Preset:
        if self.kind not in kinds():
            raise ValueError(f"unknown kind {self.kind!r}")
        if (self.client is not None) != (self.transport != "files"):
            raise ValueError("`client` belongs to windows and snapshot presets, and to no other")
        if clash := RESERVED_SETTINGS & self.settings.keys():
            raise ValueError(f"settings may not be called {sorted(clash)}")
        for name, table in self.tables.items():
            self._check_table(name, table)
        return self

    def _check_table(self, name: str, table: Table) -> None:
        if self.transport == "files" and not table.columns:
            raise ValueError(f"table {name}: a file table needs `columns`")
        if blank := [column for column, spellings in table.columns.items() if not any(spellings)]:
            listed = ", ".join(blank)
            raise ValueError(
                tr(
                    f"表 {name}：列 {listed} 还没有写表头。打开文件，把对应的表头文字填进 columns 的方括号里",
                    f"table {name}: columns {listed} name no header yet; write the file's label into their brackets",
                )
            )
        if unknown := [column for column in table.required if column not in table.columns]:
            raise ValueError(f"table {name}: required {unknown} are not in columns")
        known = {feed.name for feed in feeds_of(self.kind)}
        for feed_name, rule in table.feeds.items():
            at = f"table {name}, feed {feed_name}"
            if feed_name not in known:
                raise ValueError(f"{at}: {self.kind} has no such feed")
            self._check_feed(at, feed_name, rule)

    def _check_feed(self, at: str, feed_name: str, rule: FeedRule) -> None:
        feed = contract_feed(self.kind, feed_name)
        types = {column.name: column.type for column in feed.columns}
        if unknown := [name for name in rule.columns if name not in types]:
            raise ValueError(f"{at}: no such columns {unknown}")
        if missing := [c.name for c in feed.columns if c.value and c.name not in rule.columns]:
            raise ValueError(f"{at}: columns {missing} need a rule")
        if unknown := [name for name in rule.group_by if name not in rule.columns]:
            raise ValueError(f"{at}: group_by {unknown} are not columns")
        for name, column in rule.columns.items():
            if (types[name] == "money") != (column.unit is not None):
                raise ValueError(
                    f"{at}, column {name}: money needs a unit (yuan or fen), nothing else has one"
                )
            if column.time is not None and types[name] != "time":
                raise ValueError(f"{at}, column {name}: `time` belongs to time columns")
            for used in _SETTING.findall(column.value):
                if used not in self.settings:
                    raise ValueError(f"{at}, column {name}: no setting {used!r}")
