"""Everything that is said about one file, as data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.compute as pc

from dagster_project.inspection.candidates import candidates
from dagster_project.inspection.fitting import NEAR, SURE, Fit, column_types, key_repeats, rank_fits
from dagster_project.inspection.opening import Opened, open_file
from dagster_project.inspection.profile import ColumnProfile, PhoneFigures, Profiler
from dagster_project.landing.readers import TextTable, normal_label
from dagster_project.landing.readers.model import SHEET_OFFSET
from dagster_project.privacy import classify_phone

# a fit below this that reads none of a file's money is about something else
_WORTH_NAMING = 0.65
_MONEY_LABEL = re.compile(r"金额|[实应]收|[实应]付|amount|money", re.IGNORECASE)
_PHONE_COLUMNS = 6
_TIME_COLUMNS = 6


@dataclass
class FileReport:
    """One file. With `problem` nothing else is known.

    `header_row`: the header's last row as a spreadsheet counts, None where the format has none. `is_headless`: the row
    taken for a header looks like data, so labels must not be shown. `fits`: best first. `chosen`: the fit that counts
    as found, None when nothing is sure enough. `rival`: another preset that fits as well. `spans`: column → (first,
    last). `repeats`: (key columns, rows that repeat one); with no key columns: whole rows.
    """

    name: str
    problem: str = ""
    format: str = ""
    encoding: str = ""
    header_row: int | None = None
    is_headless: bool = False
    rows_read: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    columns: list[ColumnProfile] = field(default_factory=list)
    columns_left_out: int = 0
    fits: list[Fit] = field(default_factory=list)
    chosen: Fit | None = None
    rival: Fit | None = None
    phones: list[PhoneFigures] = field(default_factory=list)
    spans: dict[str, tuple[str, str]] = field(default_factory=dict)
    repeats: tuple[tuple[str, ...], int] | None = None

    @property
    def rows_good(self) -> int:
        return self.rows_read - self.broken.total()

    def profiles(self) -> dict[str, ColumnProfile]:
        return {profile.name: profile for profile in self.columns}


def inspect_files(paths: Sequence[Path], password: str | None = None) -> Iterator[FileReport]:
    """Looks at every file, and at every member of an archive. Never raises because of what a file holds."""
    for path in paths:
        for opened in open_file(path, password):
            yield inspect_table(opened)


def inspect_table(opened: Opened) -> FileReport:
    """Looks at one opened file."""
    source = opened.source
    if source is None:
        return FileReport(opened.name, problem=opened.problem)
    report = FileReport(
        opened.name,
        format=source.format,
        encoding=source.encoding,
        header_row=_header_row(source),
        rows_read=source.rows_read,
        ignored=Counter(rule for _, rule in source.ignored),
        broken=Counter(rule for _, rule in source.broken),
        notes=list(source.drift),
    )
    with Profiler(source.table) as profiler:
        report.columns = profiler.columns()
        report.columns_left_out = source.table.num_columns - 1 - len(report.columns)
        report.fits = rank_fits(opened.path or opened.name, source.table, report.columns)
        report.is_headless = _is_headless(report)
        report.fits = [fit for fit in report.fits if not _passes_money_by(fit, report.columns)]
        _choose(report)
        _look_closer(report, source, profiler)
    return report


def _header_row(source: TextTable) -> int | None:
    if source.format.split(".")[0] in ("jsonl", "json", "parquet"):
        return None
    below = [number for number, _ in source.broken]
    below += [number for number, rule in source.ignored if rule not in ("title_row", "blank_row")]
    if source.table.num_rows:
        below.append(pc.min(source.table.column("_row_no")).as_py())
    titles = [number for number, rule in source.ignored if rule == "title_row" and number < SHEET_OFFSET]
    # rows of a second sheet have higher numbers
    return max(1, min(below) % SHEET_OFFSET - 1) if below else max(titles, default=0) + 1


def _is_headless(report: FileReport) -> bool:
    """Whether the labels look like a row of data: a phone number, or mostly numbers, and nothing that is known."""
    labels = [normal_label(profile.name) for profile in report.columns]
    phones = [phone for label in labels if (phone := classify_phone(label)) is not None]
    if any(phone.e164 is not None for phone in phones):
        return True
    known = report.fits and report.fits[0].cover > 0
    numeric = sum(label.replace(".", "").replace("-", "").replace(":", "").isdigit() for label in labels)
    return not known and numeric >= max(1, len(labels) / 3)


def _choose(report: FileReport) -> None:
    # landing refuses a file that lacks a required column, however much of it is known
    whole = [fit for fit in report.fits if not fit.missing]
    own = [fit for fit in whole if not fit.candidate.is_generic]
    generic = [fit for fit in whole if fit.candidate.is_generic]
    best = own[0] if own and own[0].confidence >= SURE else None
    if best is not None:
        # among those that cannot be told apart the path decides; the order stays where it says nothing
        best = max((fit for fit in own if best.confidence - fit.confidence < NEAR), key=lambda fit: fit.named)
    if best is None and generic and generic[0].confidence >= SURE:
        best = generic[0]
    if report.is_headless:
        best = None
    report.chosen = best
    if best is None or best.candidate.is_generic:
        return
    others = [fit for fit in own if fit.candidate.preset.preset != best.candidate.preset.preset]
    if (
        others
        and best.confidence - others[0].confidence < NEAR
        and len(others[0].assigned) >= len(best.assigned)
        and not best.named == 2 > others[0].named
    ):
        report.rival = others[0]


def _passes_money_by(fit: Fit, columns: Sequence[ColumnProfile]) -> bool:
    """Whether an unsure fit leaves all of a file's amounts unread."""
    money = {
        c.name for c in columns if c.kind == "money" or (c.numeric > 0.5 and _MONEY_LABEL.search(c.name))
    }
    return fit.confidence < _WORTH_NAMING and bool(money) and not money & set(fit.assigned.values())


def _look_closer(report: FileReport, source: TextTable, profiler: Profiler) -> None:
    phone_labels = set()
    if report.chosen is not None:
        phone_labels = _labels_of_type(report.chosen, "phone")
    known = _phone_spellings()
    columns = [
        c for c in report.columns
        if c.filled and (c.is_phone or c.name in phone_labels or normal_label(c.name) in known)
    ]  # fmt: skip
    report.phones = [profiler.phones(column.name) for column in columns[:_PHONE_COLUMNS]]
    for column in [c for c in report.columns if c.kind == "time"][:_TIME_COLUMNS]:
        span = profiler.span(column.name, column.times)
        if span is not None:
            report.spans[column.name] = span
    if report.chosen is not None and source.table.num_rows:
        report.repeats = key_repeats(report.chosen, source.table)
    if report.repeats is None and report.columns and source.table.num_rows:
        report.repeats = ((), profiler.repeated_rows())


def _labels_of_type(fit: Fit, kind: str) -> set[str]:
    return {label for name, label in fit.assigned.items() if kind in column_types(fit.candidate, name)}


def _phone_spellings() -> frozenset[str]:
    spellings: set[str] = set()
    for candidate in candidates():
        for name, given in candidate.columns.items():
            if name.endswith("phone") or name in ("mobile", "vip_tel"):
                spellings.update(map(normal_label, given))
    return frozenset(spellings)
