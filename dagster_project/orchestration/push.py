"""Reverse ETL as its own job: send what the night decided, then bring the outcomes back into the publication."""

import dagster as dg

from dagster_project.activation import PushReport, push, push_instant
from dagster_project.config import Chain
from dagster_project.orchestration.context import DBT_DIR, OWNERS, ChainResource, daily, run_nights
from dagster_project.orchestration.dbt_runner import ModelsFailedError, run_dbt
from dagster_project.orchestration.progress import tell
from dagster_project.orchestration.published import publish_night, published_key
from dagster_project.privacy import chain_key
from dagster_project.publish import last_published_as_of, recover
from dagster_project.reports import write_reports, write_segment_csvs
from dagster_project.warehouse import connect, prepare


class PushConfig(dg.Config):
    """Dry run unless `live`. `at`: the send instant (ISO, chain-local) or `now`; empty means each campaign's own time."""

    live: bool = False
    at: str = ""


def refresh_feedback(chain: Chain) -> None:
    """Rebuilds the two tables that tell of sends and publishes them; nothing else changes.

    The segment lists stay as they are, but their manifest names the publication that readers see now.
    """
    as_of = last_published_as_of(chain.paths)
    if as_of is None:
        return
    prepare(chain, as_of, chain_key(chain.paths.vault), models=DBT_DIR)
    run = run_dbt(
        chain, chain.paths.dagster_home / "dbt" / "feedback", select=["campaign_candidates", "messages"]
    )
    if not run.success:
        raise ModelsFailedError("; ".join(run.failures))
    publish_night(chain, as_of)
    write_reports(chain)
    write_segment_csvs(chain)


def push_assets(chain: Chain) -> list[dg.AssetsDefinition]:
    """The push of one business date."""

    @dg.asset(
        key=["activation", "push"],
        deps=[published_key("campaign_candidates"), published_key("members")],
        group_name="activation",
        owners=OWNERS,
        kinds={"wecom", "csv"},
        partitions_def=daily(chain),
        description="WeCom tags and message tasks, coupon list for the group-buy SaaS; ledger first, dry run by default.",
    )
    def run_push(
        context: dg.AssetExecutionContext, config: PushConfig, chain: ChainResource
    ) -> dg.MaterializeResult:
        loaded = chain.load()
        with connect(loaded.paths.warehouse) as connection:
            recover(connection, loaded.paths)
        report: PushReport = push(
            loaded,
            run_nights(context)[-1],
            live=config.live,
            at=push_instant(loaded, config.at),
            progress=tell,
        )
        if config.live:
            refresh_feedback(loaded)
        return dg.MaterializeResult(
            metadata={"report": dg.MetadataValue.md(report.render()), "live": config.live}
        )

    return [run_push]
