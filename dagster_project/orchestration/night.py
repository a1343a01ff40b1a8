"""Runs the nightly job in this process: the same job the schedule runs, for one night or a range in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_project.config import load_chain
from dagster_project.landing.misplaced import Misplaced, misplaced_data
from dagster_project.lang import tr
from dagster_project.orchestration.build import QUIET, build_definitions
from dagster_project.orchestration.lock import only_run
from dagster_project.orchestration.progress import listening
from dagster_project.orchestration.run_history import open_history
from dagster_project.orchestration.usable import Finding, findings_text
from dagster_project.publish import Publication, current_publication, recover
from dagster_project.reports.decisions import waiting_decisions

# which stage of the night a step belongs to, by the step's name
_STAGES = (("lake__", "land"), ("gate_lake", "check"), ("raw_tables", "raw"), ("dbt_models", "dbt"),
           ("publish", "publish"), ("reports", "report"), ("exports", "report"), ("activation", "push"))  # fmt: skip

_MISPLACED_SHOWN = 5
# marks the runs of this module, whose process holds the chain's run lock while it lives
_IN_PROCESS = {"linli/in_process": "true"}


@dataclass
class NightResult:
    """What one run did. `seconds`: stage → wall seconds. `failures`: why it did not publish. `warnings`: what to look at."""

    start: date
    end: date
    success: bool
    seconds: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    publication: Publication | None = None

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds.values())


def _settle_killed_runs(instance: dg.DagsterInstance) -> None:
    """Ends runs of a killed process. They hold the writer's slot, for which the next run would wait for ever."""
    unfinished = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    for run in instance.get_runs(dg.RunsFilter(statuses=unfinished, tags=_IN_PROCESS)):
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        instance.report_run_failed(run, "its process was killed")


def run_nights(
    root: Path,
    start: date,
    end: date,
    *,
    full_refresh: bool = False,
    progress: Callable[[str], None] | None = None,
    definitions: dg.Definitions | None = None,
) -> NightResult:
    """Runs the nightly job once over the nights start … end and publishes as of the last.

    Raises:
        ConfigError: the chain folder is not usable; nothing has run.
        WarehouseBusyError: another run of this chain is going on; nothing has run.
    """
    chain = load_chain(root)
    job = (definitions or build_definitions(root)).resolve_job_def("nightly")
    tags = {"linli/full_refresh": "true"} if full_refresh else {}
    span: dict[str, str] = {}
    if start != end:
        span = {
            "dagster/asset_partition_range_start": start.isoformat(),
            "dagster/asset_partition_range_end": end.isoformat(),
        }
    with only_run(chain), open_history(chain.paths.dagster_home) as instance, listening(progress):
        _settle_killed_runs(instance)
        # a publication that a kill left half switched is finished first: the nights of this run depend on it
        recover(chain.paths.warehouse, chain.paths)
        result = job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config=QUIET,
            tags=tags | span | _IN_PROCESS,
            partition_key=None if span else start.isoformat(),
        )
    night = NightResult(start, end, result.success)
    _read_events(night, result)
    if lost := misplaced_text(misplaced_data(chain)):
        night.warnings.append(lost)
    night.publication = current_publication(chain.paths)
    if night.success and night.publication:
        night.warnings += missing_sources(night.publication.sources)
        night.warnings += waiting_decisions(chain)
    return night


def run_each_night(
    root: Path,
    start: date,
    end: date,
    *,
    full_refresh: bool = False,
    progress: Callable[[str], None] | None = None,
) -> list[NightResult]:
    """Runs and publishes every night in turn; stops at the first that fails."""
    definitions = build_definitions(root)
    results: list[NightResult] = []
    for offset in range((end - start).days + 1):
        night = start + timedelta(days=offset)
        refresh = full_refresh and offset == 0
        results.append(
            run_nights(root, night, night, full_refresh=refresh, progress=progress, definitions=definitions)
        )
        if not results[-1].success:
            break
    return results


def _read_events(night: NightResult, result: dg.ExecuteInProcessResult) -> None:
    unusable: list[Finding] = []
    for event in result.all_events:
        step = event.step_key or ""
        if event.event_type_value == "STEP_SUCCESS":
            stage = next((name for prefix, name in _STAGES if step.startswith(prefix)), "other")
            seconds = event.step_success_data.duration_ms / 1000
            night.seconds[stage] = night.seconds.get(stage, 0.0) + seconds
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            if check.check_name == "arrived":
                # what did not arrive is told once per source, not once per feed; a source's own notes likewise
                notes = check.metadata["notes"].value if "notes" in check.metadata else ""
                text = f"{check.asset_key.path[1]}：{notes}"
                if notes and text not in night.warnings:
                    night.warnings.append(text)
            elif check.check_name == "rows_usable":
                # the worst files of the whole run, not of every feed
                files = check.metadata["files"].value
                unusable += files if isinstance(files, list) else []
            elif not check.passed:
                _note_check(night, check)
        elif event.event_type_value == "STEP_FAILURE":
            error = event.step_failure_data.error
            if error is None:
                continue
            cause = error.cause or error
            night.failures.append(f"{step}: {cause.message.strip().splitlines()[-1][:500]}")
    night.warnings += findings_text(unusable)


def misplaced_text(found: Sequence[Misplaced]) -> str:
    """One line about everything that lies where landing does not look; '' when nothing does."""
    if not found:
        return ""
    listed = tr("；", "; ").join(str(item) for item in found[:_MISPLACED_SHOWN])
    more = len(found) - _MISPLACED_SHOWN
    tail = tr(f"；另有 {more} 处", f"; and {more} more") if more > 0 else ""
    return tr(
        f"landing/ 里有 {len(found)} 处放错了地方，没有读取：{listed}{tail}",
        f"landing/ holds {len(found)} misplaced entries that were not read: {listed}{tail}",
    )


def missing_sources(sources: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line per connection of which something was missing in the newest night, with its age.

    sources: as a publication tells them; a register that seldom changes is not missing.
    """
    lines = []
    by_connection: dict[str, list[Mapping[str, Any]]] = {}
    for source in sources:
        by_connection.setdefault(source["connection"], []).append(source)
    for name, feeds in by_connection.items():
        known = [feed for feed in feeds if feed["age_days"] is not None]
        if not known:
            lines.append(tr(f"来源 {name} 从未到货", f"source {name} has never brought anything"))
        elif (age := min(feed["age_days"] for feed in known)) > 0:
            lines.append(
                tr(
                    f"来源 {name} 今晚没有到货，数据已有 {age} 天",
                    f"source {name} is missing, {age} days old",
                )
            )
        else:
            late = [
                f"{feed['feed']}({feed['age_days']})"
                for feed in known
                if feed["age_days"] and not feed.get("seldom")
            ]
            if late:
                listed = ", ".join(late)
                lines.append(
                    tr(f"{name} 今晚未到（天数）：{listed}", f"{name}, not tonight (days old): {listed}")
                )
    return lines


def _note_check(night: NightResult, check: dg.AssetCheckEvaluation) -> None:
    details = "; ".join(
        str(value.value) for value in check.metadata.values() if isinstance(value.value, str) and value.value
    )
    text = f"{'/'.join(check.asset_key.path)}: {check.check_name}" + (
        f"（{details[:400]}）" if details else ""
    )
    is_error = check.severity == dg.AssetCheckSeverity.ERROR
    (night.failures if is_error else night.warnings).append(text)
