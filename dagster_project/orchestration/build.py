"""Puts the pieces together into Definitions. Nothing is read here but chain.yml and the dbt manifest."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg

from dagster_project.orchestration.context import ChainResource, chain_root, chain_shape, daily
from dagster_project.orchestration.dbt import model_assets
from dagster_project.orchestration.gate import gate_check
from dagster_project.orchestration.landing import lake_assets
from dagster_project.orchestration.markdown import markdown_assets
from dagster_project.orchestration.published import publish_assets, report_assets
from dagster_project.orchestration.push import PushConfig, push_assets
from dagster_project.orchestration.raw import raw_tables

# nothing of a run is logged to the console below this level; people read the run's own report
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def build_definitions(root: Path | None = None) -> dg.Definitions:
    """Definitions of one chain.

    Args:
        root: the chain folder; None means LINLI_CHAIN, the demo chain, or the packaged example.
    """
    root = root or chain_root()
    chain = chain_shape(root)
    nights = daily(chain)
    pushes = push_assets(chain)
    evenings = markdown_assets(chain)
    decide, tell = evenings
    push_selection = dg.AssetSelection.assets(*pushes)
    nightly = dg.define_asset_job(
        "nightly",
        selection=dg.AssetSelection.all() - push_selection - dg.AssetSelection.assets(*evenings),
        partitions_def=nights,
        description="Land, check, model, audit, publish, report: one night, or a range in one run.",
    )
    push_job = dg.define_asset_job(
        "push",
        selection=push_selection,
        partitions_def=nights,
        description="Send a night's decisions to WeCom and the group-buy system, then publish what became of them."
        " A preview unless `live` is set; repeating it sends nothing twice.",
    )

    markdown_job = dg.define_asset_job(
        "markdown",
        selection=dg.AssetSelection.assets(decide),
        partitions_def=nights,
        description="Land today's stock count, decide the evening list and who is told of it, publish both.",
    )
    markdown_push_job = dg.define_asset_job(
        "markdown_push",
        selection=dg.AssetSelection.assets(tell),
        partitions_def=nights,
        description="Tell the audience of today's evening markdown, before it begins. A preview unless `live` is set.",
    )

    @dg.schedule(
        job=markdown_job, cron_schedule="5 16 * * *", execution_timezone=chain.timezone, name="markdown_1605"
    )
    def markdown_1605(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        """Five minutes after the count of four o'clock."""
        return dg.RunRequest(partition_key=_today(context, chain.timezone).isoformat())

    hour, minute = map(int, chain.rules.markdown.push_at.split(":"))

    @dg.schedule(
        job=markdown_push_job,
        cron_schedule=f"{minute} {hour} * * *",
        execution_timezone=chain.timezone,
        name="markdown_push",
    )
    def markdown_push(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        """At push_at of rules/markdown.yml, read when the code location loads; off until somebody switches it on."""
        return dg.RunRequest(
            partition_key=_today(context, chain.timezone).isoformat(),
            run_config=dg.RunConfig(ops={"activation__markdown_push": PushConfig(live=True, at="now")}),
        )

    @dg.schedule(
        job=nightly, cron_schedule="0 2 * * *", execution_timezone=chain.timezone, name="nightly_0200"
    )
    def nightly_0200(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        """At 02:00 the business day that ended is not closed by the cut-over yet, but its exports have arrived."""
        return dg.RunRequest(partition_key=_last_night(context, chain.timezone))

    @dg.schedule(
        job=push_job, cron_schedule="30 10 * * *", execution_timezone=chain.timezone, name="push_1030"
    )
    def push_1030(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        """Sends inside the window that guards.yml allows, by the wall clock; off until somebody switches it on."""
        return dg.RunRequest(
            partition_key=_last_night(context, chain.timezone),
            run_config=dg.RunConfig(ops={"activation__push": PushConfig(live=True, at="now")}),
        )

    return dg.Definitions(
        assets=[
            *lake_assets(chain),
            raw_tables(chain),
            model_assets(),
            publish_assets(chain),
            *report_assets(),
            *pushes,
            *evenings,
        ],
        asset_checks=[gate_check(chain)],
        jobs=[nightly, push_job, markdown_job, markdown_push_job],
        schedules=[nightly_0200, push_1030, markdown_1605, markdown_push],
        resources={
            "chain": ChainResource(path=str(root) if root else dg.EnvVar("LINLI_CHAIN")),
        },
        executor=dg.in_process_executor,
    )


def _today(context: dg.ScheduleEvaluationContext, timezone: str) -> date:
    return context.scheduled_execution_time.astimezone(ZoneInfo(timezone)).date()


def _last_night(context: dg.ScheduleEvaluationContext, timezone: str) -> str:
    return (_today(context, timezone) - timedelta(days=1)).isoformat()
