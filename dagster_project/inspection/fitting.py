"""Which candidate fits a file, how surely, and what would happen if it were landed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from dagster_project.config import packaged_chain
from dagster_project.contracts import Feed
from dagster_project.inspection.candidates import Candidate, candidates, main_columns, used_columns
from dagster_project.inspection.profile import ColumnProfile
from dagster_project.lake.scratch import scratch
from dagster_project.landing.door import pass_door
from dagster_project.landing.mapping import map_table
from dagster_project.landing.readers import UnreadableFileError
from dagster_project.landing.sql import identifier
from dagster_project.landing.units import check_units_between
from dagster_project.landing.validate import Limits, validate_rows
from dagster_project.lang import tr
from dagster_project.presets import ColumnRule, FeedRule, Preset
from dagster_project.privacy import ChainKey

SURE = 0.75
# two candidates closer than this cannot be told apart
NEAR = 0.02
_TRIAL_ROWS = 2_000
_TRIED = 6
_ZONE = "Asia/Shanghai"
_MANY_REPEATS = 0.1
# a label's common meaning is not this system's word for it
_COMMON_LABELS = 0.95
# above this share of explained columns more of them say nothing
_ENOUGH_EXPLAINED = 0.5


@dataclass
class Trial:
    """What landing makes of the first rows. `filled`: feed → column → share of its rows with an acceptable value.

    `faults`: (feed, column, rule) → rows; `repeats`: rows that repeat a key of the table's grain; `problem`: why the
    file as a whole would be refused, or "".
    """

    rows: int = 0
    filled: dict[str, dict[str, float]] = field(default_factory=dict)
    faults: dict[tuple[str, str, str], int] = field(default_factory=dict)
    feed_rows: dict[str, int] = field(default_factory=dict)
    repeats: int = 0
    problem: str = ""


@dataclass
class Fit:
    """A candidate on a file.

    `assigned`: the candidate's column → the file's label. `missing`: required columns without one. `cover`: share of
    required columns that are there. `agree`: share of rows whose values of the assigned columns are acceptable.
    `explained`: share of the file's filled columns that the candidate reads. `confidence`: 0 to 1, from these three.
    `guessed`: columns that only their content named. `profiles`: of the file's filled columns, by label. `named`: what
    the path says of the table, see Candidate.named_in.
    """

    candidate: Candidate
    assigned: dict[str, str]
    missing: list[str]
    cover: float
    explained: float
    agree: float = 1.0
    trial: Trial = field(default_factory=Trial)
    guessed: set[str] = field(default_factory=set)
    profiles: Mapping[str, ColumnProfile] = field(default_factory=dict)
    named: int = 0

    @property
    def confidence(self) -> float:
        most = _COMMON_LABELS if self.candidate.is_generic else 1.0
        return most * self.cover * self.agree * (0.6 + 0.4 * min(1.0, self.explained / _ENOUGH_EXPLAINED))


def rank_fits(path: str, table: pa.Table, profiles: Sequence[ColumnProfile]) -> list[Fit]:
    """All fits worth naming, best first. Looks at labels for all and at values for the best few."""
    labels = [profile.name for profile in profiles]
    filled = {profile.name: profile for profile in profiles if profile.filled} or {
        p.name: p for p in profiles
    }
    fits = [fit for candidate in candidates() if (fit := _by_label(candidate, labels, filled)) is not None]
    fits.sort(key=lambda fit: (-fit.confidence, fit.candidate.is_generic))
    best = fits[:_TRIED] + [fit for fit in fits[_TRIED:] if fit.candidate.is_generic][:2]
    head = table.slice(0, _TRIAL_ROWS)
    for fit in best:
        fit.trial = _try(fit, head)
        fit.agree = _agreement(fit)
        fit.named = fit.candidate.named_in(path)
    # at equal confidence the file's path and the number of columns read decide the order, never the certainty
    best.sort(
        key=lambda fit: (
            -round(fit.confidence, 3), fit.candidate.is_generic, -fit.named, -len(fit.assigned)
        )
    )  # fmt: skip
    return best


def _by_label(candidate: Candidate, labels: Sequence[str], filled: Mapping[str, ColumnProfile]) -> Fit | None:
    assigned = candidate.assign(labels)
    guessed: set[str] = set()
    if candidate.is_generic:
        assigned = {
            name: label for name, label in assigned.items() if _agrees(candidate, name, filled.get(label))
        }
        guessed = _guess(candidate, assigned, filled)
    if len(assigned) - len(guessed) < min(2, len(candidate.columns)):
        return None
    missing = [name for name in candidate.required if name not in assigned]
    known = sum(label in filled for label in assigned.values())
    cover = 1 - len(missing) / max(1, len(candidate.required))
    if not cover:
        return None
    return Fit(
        candidate, assigned, missing, cover, known / max(1, len(filled)), guessed=guessed, profiles=filled
    )


def column_types(candidate: Candidate, name: str) -> set[str]:
    """Contract types of the canonical columns whose value is this column's."""
    rule, found = candidate.rule, set()
    if rule is None:
        return {column.type for column in candidate.feeds[0].columns if column.name == name}
    for feed in candidate.feeds:
        types = {column.name: column.type for column in feed.columns}
        for column, column_rule in rule.feeds[feed.name].columns.items():
            if main_columns(column_rule.value, rule.columns) == {name}:
                found.add(types[column])
    return found


def _agrees(candidate: Candidate, name: str, profile: ColumnProfile | None) -> bool:
    """Whether what a column holds can be what its label says; for labels as common as 金额 or 时间."""
    if profile is None:
        return True
    types = column_types(candidate, name)
    if "money" in types or "decimal" in types:
        return profile.numeric > 0.5
    if "time" in types:
        return profile.kind in ("time", "clock", "id", "number", "text")
    return True


def _guess(candidate: Candidate, assigned: dict[str, str], filled: Mapping[str, ColumnProfile]) -> set[str]:
    """Adds columns that only their content names: the one phone column and, if required, the one time column."""
    guessed: set[str] = set()
    free = [profile for label, profile in filled.items() if label not in assigned.values()]
    for name in candidate.columns:
        if name in assigned:
            continue
        types = column_types(candidate, name)
        fitting: list[ColumnProfile] = []
        if "phone" in types:
            fitting = [profile for profile in free if profile.is_phone]
        elif "time" in types and name in candidate.required:
            fitting = [profile for profile in free if profile.kind == "time"]
        if len(fitting) == 1 and assigned:
            assigned[name] = fitting[0].name
            free.remove(fitting[0])
            guessed.add(name)
    return guessed


def fitted_preset(fit: Fit) -> Preset:
    """The candidate's preset as it would read this file: for common shapes with the file's units and times."""
    preset, rule = fit.candidate.preset, fit.candidate.rule
    if rule is None or not fit.candidate.is_generic:
        return preset
    feeds: dict[str, FeedRule] = {}
    for name, feed in rule.feeds.items():
        used = used_columns(f"{feed.each or ''} {feed.where or ''}", rule.columns)
        if feeds and not used <= fit.assigned.keys():
            continue
        columns = {key: _fitted_rule(column, fit) for key, column in feed.columns.items()}
        feeds[name] = feed.model_copy(update={"columns": columns})
    table = rule.model_copy(update={"feeds": feeds})
    return preset.model_copy(update={"tables": {**preset.tables, fit.candidate.table: table}})


def _fitted_rule(rule: ColumnRule, fit: Fit) -> ColumnRule:
    used = main_columns(rule.value, fit.candidate.columns)
    labels = [fit.assigned[name] for name in used if name in fit.assigned]
    if rule.unit is not None and labels and all("分)" in label.replace("）", ")") for label in labels):
        return rule.model_copy(update={"unit": "fen"})
    if rule.time is not None:
        found = {fit.profiles[label].times for label in labels if label in fit.profiles} - {None}
        if found in ({"s"}, {"ms"}):
            return rule.model_copy(update={"time": found.pop()})
    return rule


def _try(fit: Fit, head: pa.Table) -> Trial:
    trial = Trial(rows=head.num_rows)
    if not head.num_rows:
        return trial
    try:
        tables = mapped_feeds(fit, head)
        check_units_between(tables)
        for feed in fit.candidate.feeds:
            if feed.name in tables:
                _check_feed(feed, tables[feed.name], trial)
        grain = fit.candidate.feeds[0]
        if set(grain.key) <= set(tables[grain.name].column_names):
            trial.repeats = _repeats(tables[grain.name], grain.key)
    except UnreadableFileError as error:
        trial.problem = str(error)
    except (duckdb.Error, pa.ArrowInvalid) as error:
        trial.problem = tr(
            f"映射无法执行（{type(error).__name__}）", f"the mapping fails ({type(error).__name__})"
        )
    return trial


def mapped_feeds(fit: Fit, rows: pa.Table, preset: Preset | None = None) -> dict[str, pa.Table]:
    """Rows of a file as canonical feeds, as landing would make them. Raises: duckdb.Error, UnreadableFileError."""
    renamed = {label: name for name, label in fit.assigned.items()}
    kept = rows.select([*renamed, "_row_no"]).rename_columns([*renamed.values(), "_row_no"])
    if fit.candidate.rule is None:
        return {fit.candidate.table: kept}
    used = preset or fitted_preset(fit)
    settings = {key: setting.default or "1" for key, setting in used.settings.items()}
    settings.setdefault("store_code", "1")
    settings["store_code"] = settings["store_code"] or "1"
    mapped = map_table(used, fit.candidate.table, kept, settings, _ZONE)
    return {name: feed.table for name, feed in mapped.items()}


def _check_feed(feed: Feed, table: pa.Table, trial: Trial) -> None:
    guards = packaged_chain().rules.guards
    limits = Limits(_ZONE, guards.earliest_year, guards.max_line_amount_yuan // 100)
    # tokens of a key that nobody keeps: nothing of the trial is written anywhere
    passed = pass_door(table, feed, ChainKey(os.urandom(32))).table
    tomorrow = datetime.now(ZoneInfo(_ZONE)).date() + timedelta(days=1)
    arrived = passed.append_column("_file_no", pa.repeat(pa.scalar(0, pa.int64()), passed.num_rows))
    arrived = arrived.append_column("_night", pa.repeat(pa.scalar(tomorrow, pa.date32()), passed.num_rows))
    valid = validate_rows(arrived, feed, limits)
    trial.feed_rows[feed.name] = table.num_rows
    for column, rule, action in zip(
        *(valid.rejects.column(name).to_pylist() for name in ("column_name", "rule", "action")), strict=True
    ):
        if action in ("row_rejected", "value_nulled"):
            key = (feed.name, column, rule)
            trial.faults[key] = trial.faults.get(key, 0) + 1
    trial.filled[feed.name] = {
        column.name: _share(passed, valid.rows, column.name, column.type, table.num_rows)
        for column in feed.columns
    }


def _share(passed: pa.Table, valid: pa.Table, name: str, kind: str, rows: int) -> float:
    """Share of a feed's rows with an acceptable value; a phone counts when it is there, whatever its kind."""
    raw = {"phone": f"{name}_kind", "name": f"{name}_is_test"}.get(kind, name)
    table = passed if kind in ("phone", "name") else valid
    if not rows or raw not in passed.column_names:
        return 0.0
    return (table.num_rows - table.column(raw).null_count) / rows


def _agreement(fit: Fit) -> float:
    """Share of rows that nothing assigned spoils; what is missing counts as missing, not as wrong."""
    if fit.trial.problem:
        return 0.0
    worst = 0.0
    rule = fit.candidate.rule
    for (feed, column, fault), rows in fit.trial.faults.items():
        expression = (
            rule.feeds[feed].columns[column].value if rule and column in rule.feeds[feed].columns else column
        )
        used = used_columns(expression, fit.candidate.columns)
        if used and not used & fit.assigned.keys():
            continue
        if fault == "empty" and not used:
            continue
        worst = max(worst, rows / max(1, fit.trial.feed_rows[feed]))
    # an export may hold a row twice; when most do, its rows are of a finer grain
    repeats = fit.trial.repeats / max(1, fit.trial.rows)
    return (1 - min(1.0, worst)) * (1 - repeats if repeats > _MANY_REPEATS else 1)


def key_repeats(fit: Fit, rows: pa.Table) -> tuple[tuple[str, ...], int] | None:
    """The key of the feed that has the table's grain, and how many rows repeat one; None when the file has no key.

    A key that is made by counting rows is no key of the file's.
    """
    feed, rule = fit.candidate.feeds[0], fit.candidate.rule
    if rule is not None:
        grain = rule.feeds[feed.name]
        numbered = [c for c in feed.key if "row_number" in grain.columns[c].value]
        if any(
            used_columns(grain.columns[c].value, rule.columns) & fit.assigned.keys() == set()
            for c in feed.key
            if c != "store_code"
        ):
            return None
        if any(
            "coalesce(clean(line)" not in grain.columns[c].value or "line" not in fit.assigned
            for c in numbered
        ):
            return None
        keys = {column: grain.columns[column] for column in feed.key}
        table = rule.model_copy(update={"feeds": {feed.name: grain.model_copy(update={"columns": keys})}})
        preset = fit.candidate.preset.model_copy(update={"tables": {fit.candidate.table: table}})
        try:
            mapped = mapped_feeds(fit, rows, preset)[feed.name]
        except (duckdb.Error, UnreadableFileError):
            return None
    else:
        if not set(feed.key) <= fit.assigned.keys():
            return None
        mapped = mapped_feeds(fit, rows)[feed.name]
    return feed.key, _repeats(mapped, feed.key)


def _repeats(table: pa.Table, key: Sequence[str]) -> int:
    with scratch() as connection:
        connection.register("mapped", table.select(list(key)))
        listed = ", ".join(f"coalesce(trim({identifier(name)}), '')" for name in key)
        row = connection.execute(f"select count(*) - count(distinct hash({listed})) from mapped").fetchone()
    assert row is not None
    return row[0]
