"""Runs the suites. The library takes seconds to import, so it is imported once, when there is something to check."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from dagster_project.config import Chain
from dagster_project.lang import tr

if TYPE_CHECKING:
    import pandas as pd

    from dagster_project.warehouse import Batch

# rows that one validation holds in memory as a data frame
_CHUNK_ROWS = 1_000_000
_NUMBERS = {"values_to_be_between", "median_to_be_between"}


@dataclass
class Verdict:
    """Outcome for one feed: all its batches, those that may pass, and what was found, in words."""

    connection: str
    feed: str
    batches: list[str] = field(default_factory=list)
    passed_batches: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    rows: int = 0

    @property
    def passed(self) -> bool:
        return len(self.passed_batches) == len(self.batches)


def check_batches(batches: Sequence[Batch], chain: Chain) -> list[Verdict]:
    """Checks batches feed by feed.

    Batches of one feed are validated together; only when that fails, one by one, so that the finding names the file.
    `accept_files` of rules/guards.yml lets a batch pass that a person has looked at; one that `refuse_files` names is
    left out: it never passes and no longer holds the night back.
    """
    guards = chain.rules.guards
    verdicts = []
    by_feed = sorted(batches, key=lambda b: (b.connection, b.feed, b.batch_id))
    for (connection, feed), group in groupby(by_feed, key=lambda b: (b.connection, b.feed)):
        verdict = Verdict(connection, feed)
        members = [batch for batch in group if not _is_named(batch, guards.refuse_files)]
        for batch in members:
            verdict.batches.append(batch.batch_id)
            verdict.rows += batch.rows_loaded
        suspects = _suspects(members, chain)
        for batch in members:
            found = suspects.get(batch.batch_id)
            if found is None or _is_named(batch, guards.accept_files):
                verdict.passed_batches.append(batch.batch_id)
            else:
                sha = batch.batch_id.rsplit("|", 1)[-1]
                mend = tr(
                    f"核对后重传，或在 rules/guards.yml 的 accept_files 写入 {sha} 放行、refuse_files 写入它拒收",
                    f"send it again, or put {sha} into accept_files or refuse_files of rules/guards.yml",
                )
                verdict.findings.append(f"{batch.night}/{batch.file}: {'; '.join(found)}. {mend}")
        verdicts.append(verdict)
    return verdicts


def _is_named(batch: Batch, files: Iterable[str]) -> bool:
    """Whether a list of file hashes (first 12 digits) names the file of a batch."""
    sha = batch.batch_id.rsplit("|", 1)[-1]
    return any(name and sha.startswith(name[:12]) for name in files)


def _suspects(batches: list[Batch], chain: Chain) -> dict[str, list[str]]:
    """batch_id → what is wrong with it."""
    found: dict[str, list[str]] = {}
    limit = chain.rules.guards.max_reject_share
    for batch in batches:
        if batch.rows_read != batch.rows_loaded + batch.rows_repeated + batch.rows_rejected:
            found.setdefault(batch.batch_id, []).append(tr("行数对不上", "rows do not add up"))
        if batch.rows_read >= 10 and batch.rows_rejected > limit * batch.rows_read:
            share = f"{batch.rows_rejected}/{batch.rows_read}"
            found.setdefault(batch.batch_id, []).append(
                tr(f"不合格行太多 {share}", f"too many rejected rows {share}")
            )
    rules = _rules(batches[0].kind, batches[0].feed, chain) if batches else []
    if rules:
        for chunk in _chunks(batches):
            if _failures(_frame(chunk, rules), rules):
                for batch in chunk:
                    broken = _failures(_frame([batch], rules), rules)
                    if broken:
                        found.setdefault(batch.batch_id, []).extend(broken)
    return found


def _chunks(batches: Iterable[Batch]) -> Iterable[list[Batch]]:
    chunk: list[Batch] = []
    rows = 0
    for batch in batches:
        if chunk and rows + batch.rows_loaded > _CHUNK_ROWS:
            yield chunk
            chunk, rows = [], 0
        chunk.append(batch)
        rows += batch.rows_loaded
    if chunk:
        yield chunk


@cache
def _suites() -> dict[str, dict[str, list[dict[str, Any]]]]:
    return yaml.safe_load(files("dagster_project.quality").joinpath("suites.yml").read_text("utf-8"))


def _rules(kind: str, feed: str, chain: Chain) -> list[dict[str, Any]]:
    limits = {"$max_median_ticket_yuan": chain.rules.guards.max_median_ticket_yuan / 100}
    return [
        {key: limits.get(value, value) if isinstance(value, str) else value for key, value in rule.items()}
        for rule in _suites().get(kind, {}).get(feed, [])
    ]


def _frame(batches: list[Batch], rules: list[dict[str, Any]]) -> pd.DataFrame:
    """The checked columns of some batches; numbers as numbers, everything else as text."""
    columns = sorted({rule["column"] for rule in rules})
    table = pa.concat_tables([pq.read_table(batch.path, columns=columns) for batch in batches])
    numbers = {rule["column"] for rule in rules if rule["expect"] in _NUMBERS}
    arrays = {
        name: table.column(name).cast(pa.float64()) if name in numbers else table.column(name)
        for name in columns
    }
    return pa.table(arrays).to_pandas()


def _failures(frame: pd.DataFrame, rules: list[dict[str, Any]]) -> list[str]:
    """Broken rules in words; empty when the frame keeps all of them."""
    if frame.empty:
        return []
    due = [
        rule
        for rule in rules
        if len(frame) >= rule.get("min_rows", 1) and frame[rule["column"]].notna().any()
    ]
    due += [
        rule
        for rule in rules
        if rule["expect"] == "values_to_not_be_null" and not frame[rule["column"]].notna().any()
    ]
    if not due:
        return []
    suite = _context().suites.add_or_update(_suite(due))
    batch = _definition().get_batch(batch_parameters={"dataframe": frame})
    outcome = batch.validate(suite)
    broken = []
    for result in outcome.results:
        if not result.success:
            config = result.expectation_config
            share = result.result.get("unexpected_percent")
            seen = f"{share:.1f}%" if share is not None else result.result.get("observed_value")
            broken.append(f"{config.kwargs['column']} {config.type.removeprefix('expect_column_')} ({seen})")
    return broken


def _suite(rules: list[dict[str, Any]]) -> Any:
    import great_expectations as gx

    expectations = []
    for rule in rules:
        name = "ExpectColumn" + "".join(part.capitalize() for part in rule["expect"].split("_"))
        options = {key: value for key, value in rule.items() if key not in ("expect", "min_rows")}
        expectations.append(getattr(gx.expectations, name)(**options))
    return gx.ExpectationSuite(name="batch", expectations=expectations)


@cache
def _context() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


@cache
def _definition() -> Any:
    source = _context().data_sources.add_pandas("lake")
    return source.add_dataframe_asset("batch").add_batch_definition_whole_dataframe("whole")
