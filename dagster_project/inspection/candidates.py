"""What a file may be: a table of a shipped preset, a standard feed, or a common shape under common labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from dagster_project.contracts import Feed, feeds_of
from dagster_project.contracts import feed as contract_feed
from dagster_project.landing.readers import Layout, normal_label
from dagster_project.presets import Preset, Table, load_preset, parse_preset, preset_names

_TAIL = re.compile(r"[(\[][^()\[\]]*[)\]]\Z")
_FALLBACK = re.compile(r", clean\((\w+)\)\)\Z")
_NUMBER = re.compile(r"\bnum\((\w+)\)")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Candidate:
    """One thing a file may be.

    `columns`: name → spellings, best first. `required`: names a file must have. `table`: the preset's table; for
    standard files the feed. `is_generic`: no preset of its own; `linli inspect --write` would write one.
    """

    preset: Preset
    table: str
    columns: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...]
    is_generic: bool = False

    @property
    def name(self) -> str:
        return f"{self.preset.preset}/{self.table}"

    @property
    def rule(self) -> Table | None:
        """The table's rules; None for standard files, which need none."""
        return self.preset.tables.get(self.table)

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """Canonical feeds of the table; the first has its grain."""
        rule = self.rule
        return tuple(
            contract_feed(self.preset.kind, name) for name in (rule.feeds if rule else (self.table,))
        )

    def named_in(self, path: str) -> int:
        """What a path says of the table: 2 its name stands in it, 1 one of its folders is a part of it, 0 nothing."""
        lowered = path.lower()
        name = re.escape(self.table.lower())
        if re.search(rf"(?<![a-z0-9_]){name}(?![a-z0-9])", lowered):
            return 2
        folders = {folder.lower() for folder in (self.rule.folders if self.rule else ())}
        return int(bool(folders & set(re.split(r"[/\\=&]", lowered))))

    def layout(self) -> Layout:
        """How landing would look for the header."""
        spelled = {name: frozenset(map(normal_label, given)) for name, given in self.columns.items()}
        return Layout(frozenset().union(*spelled.values()), tuple(spelled[name] for name in self.required))

    def assign(self, labels: Iterable[str]) -> dict[str, str]:
        """Column name → the label that means it: exactly as landing for presets; more freely for common shapes.

        Common shapes also take a label whose bracketed tail is not part of the spelling: 实收金额(元).
        """
        present = {normal_label(label): label for label in reversed(list(labels))}
        if self.is_generic:
            for normal, label in list(present.items()):
                present.setdefault(_TAIL.sub("", normal), label)
        found: dict[str, str] = {}
        taken: set[str] = set()
        for name, spellings in self.columns.items():
            choices = [present[s] for s in map(normal_label, spellings) if s in present]
            choices = [c for c in choices if c not in taken] if self.is_generic else choices[:1]
            if choices and choices[0] not in taken:
                found[name] = choices[0]
                taken.add(choices[0])
        return found


def used_columns(expression: str, columns: Iterable[str]) -> set[str]:
    """Which of a table's columns an expression names."""
    return set(_WORD.findall(expression)) & set(columns)


def main_columns(expression: str, columns: Iterable[str]) -> set[str]:
    """Which of the columns an expression gives the value of; the others only decide how, such as its sign."""
    if fallback := _FALLBACK.search(expression):
        return {fallback[1]} & set(columns)
    return set(_NUMBER.findall(expression)) & set(columns) or used_columns(expression, columns)


@cache
def candidates() -> tuple[Candidate, ...]:
    """Everything a file may be: shipped presets, standard feeds, common shapes, in that order."""
    found: list[Candidate] = []
    for name in preset_names():
        preset = load_preset(name)
        if preset.transport == "files":
            found += [_of_table(preset, table, False) for table in preset.tables]
    for name in ("standard_pos", "standard_groupbuy"):
        preset = load_preset(name)
        for feed in feeds_of(preset.kind):
            columns = {column.name: (column.name,) for column in feed.columns}
            must = tuple(column.name for column in feed.columns if column.must)
            found.append(Candidate(preset, feed.name, columns, must))
    for preset in generic_presets():
        found += [_of_table(preset, table, True) for table in preset.tables]
    return tuple(found)


@cache
def generic_presets() -> tuple[Preset, ...]:
    """Common shapes of each kind of system, in the preset format."""
    folder = files("dagster_project.inspection").joinpath("data")
    names = ("generic_pos", "generic_groupbuy")
    return tuple(parse_preset(folder.joinpath(f"{name}.yml").read_text("utf-8"), name) for name in names)


@cache
def all_labels() -> frozenset[str]:
    """Every spelling that means something to anything."""
    return frozenset().union(*(candidate.layout().labels for candidate in candidates()))


def _of_table(preset: Preset, name: str, is_generic: bool) -> Candidate:
    table = preset.tables[name]
    return Candidate(preset, name, table.columns, table.required, is_generic)
