"""What can be done with some files together: facts and features are data (data/features.yml), evaluated here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from dagster_project.contracts import feed
from dagster_project.inspection.report import FileReport
from dagster_project.presets import Words
from dagster_project.privacy.phones import LINKABLE_KINDS

State = Literal["yes", "partly", "no", "unknown"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Fact(_Strict):
    """True when every column of one alternative is filled to `enough`; `valid_phone`: with plain, valid numbers."""

    title: Words
    any: tuple[tuple[str, ...], ...] = Field(min_length=1)
    enough: float = 0.01
    valid_phone: bool = False


class Feature(_Strict):
    """`needs`: fact → what its absence means."""

    title: Words
    needs: dict[str, Literal["no", "partly", "unknown"]] = Field(min_length=1)


class Features(_Strict):
    """The whole file."""

    facts: dict[str, Fact]
    features: tuple[Feature, ...]


@dataclass(frozen=True)
class Verdict:
    """One feature with the facts that are missing, in the feature's order."""

    title: Words
    state: State
    missing: tuple[Words, ...]


@cache
def load_features() -> Features:
    """The shipped facts and features; every column they name exists in the contract."""
    text = files("dagster_project.inspection").joinpath("data/features.yml").read_text("utf-8")
    found = Features.model_validate(yaml.load(text, Loader=yaml.BaseLoader))
    for fact in found.facts.values():
        for column in (column for alternative in fact.any for column in alternative):
            kind, name, wanted = column.split(".")
            if wanted not in {known.name for known in feed(kind, name).columns}:
                raise ValueError(f"features.yml: no such column {column}")
    for feature in found.features:
        if unknown := feature.needs.keys() - found.facts.keys():
            raise ValueError(f"features.yml: no such facts {sorted(unknown)}")
    return found


def judge(reports: Sequence[FileReport]) -> list[Verdict]:
    """What the files together are good for. Files that nothing surely fits count for nothing."""
    filled, valid = _filled(reports), _valid_phones(reports)
    known = load_features()
    truths = {name: _holds(fact, filled, valid) for name, fact in known.facts.items()}
    return [_verdict(feature, truths, known.facts) for feature in known.features]


def _filled(reports: Sequence[FileReport]) -> dict[str, float]:
    """`kind.feed.column` → the largest share of filled rows in any file."""
    found: dict[str, float] = {}
    for report in reports:
        if report.chosen is None:
            continue
        kind = report.chosen.candidate.preset.kind
        for name, columns in report.chosen.trial.filled.items():
            for column, share in columns.items():
                key = f"{kind}.{name}.{column}"
                found[key] = max(found.get(key, 0.0), share)
    return found


def _valid_phones(reports: Sequence[FileReport]) -> bool:
    found = [figures.kinds for report in reports if report.chosen for figures in report.phones]
    return any(kinds[kind] for kinds in found for kind in LINKABLE_KINDS)


def _holds(fact: Fact, filled: Mapping[str, float], valid_phones: bool) -> bool:
    if fact.valid_phone and not valid_phones:
        return False
    return any(all(filled.get(column, 0.0) >= fact.enough for column in one) for one in fact.any)


def _verdict(feature: Feature, truths: Mapping[str, bool], facts: Mapping[str, Fact]) -> Verdict:
    lacks = {name: absent for name, absent in feature.needs.items() if not truths[name]}
    states: tuple[State, ...] = ("no", "unknown", "partly")
    state: State = next((state for state in states if state in lacks.values()), "yes")
    shown = [name for name, absent in lacks.items() if state == "partly" or absent == state]
    return Verdict(feature.title, state, tuple(facts[name].title for name in shown))
