"""The afternoon's run: today's stock count becomes the evening list and its audience, published before the night.

Steps, and why a kill between any two loses nothing:

1. today's stock files are landed and checked, as the night would;
2. the models decide, for shops that have no list of today yet;
3. what is decided goes into the lake, in one rename: from here on it is decided;
4. the three marts and the candidates are published, as of the night that readers see, everything else as it is.

Killed before 3, nothing was decided. Killed after 3, a repeat, or the night, reads the decision and publishes it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import dagster as dg
import pyarrow as pa

from dagster_project.activation import PushReport, push, push_instant
from dagster_project.config import Chain, Connection, load_chain
from dagster_project.lake.markdown import KINDS, keep_markdown
from dagster_project.landing import land_files
from dagster_project.lang import tr
from dagster_project.orchestration.context import DBT_DIR, OWNERS, ChainResource, daily, run_nights
from dagster_project.orchestration.dbt_runner import ModelsFailedError, run_dbt
from dagster_project.orchestration.lock import only_run
from dagster_project.orchestration.progress import tell
from dagster_project.orchestration.published import publication_context, published_key
from dagster_project.orchestration.push import PushConfig, refresh_feedback
from dagster_project.privacy import chain_key
from dagster_project.publish import Publication, PublishError, last_published_as_of, publish, recover
from dagster_project.quality import check_batches
from dagster_project.warehouse import (
    catch_up_command,
    connect,
    gate_batches,
    prepare_evening,
    sync_files,
    ungated_batches,
)

FEED = "stock"
# what the afternoon makes, and of that what is published
_MODELS = (
    "stg_pos__stock",
    "int_member_touches",
    "path:models/intermediate/markdown",
    "markdown_plan",
    "markdown_audience",
    "campaign_candidates",
)
_PUBLISHED = ("markdown_plan", "markdown_audience", "campaign_candidates")
# where what was decided stands, by its kind in the lake
_DECIDED = {"plan": "audit.markdown_plan", "audience": "audit.markdown_audience"}

Step = Callable[[str], None]


@dataclass
class EveningResult:
    """What an afternoon brought. `shops`: shop → products on its list; `audience`: members near one of these shops;
    `candidates`: of them whom the campaign took up; `report`: of the push, None when none was asked for."""

    day: date
    as_of: date
    shops: dict[str, int] = field(default_factory=dict)
    audience: int = 0
    candidates: int = 0
    warnings: list[str] = field(default_factory=list)
    publication: Publication | None = None
    report: PushReport | None = None


def run_evening(
    root: Path,
    day: date,
    *,
    live: bool = False,
    at: datetime | None = None,
    progress: Callable[[str], None] = tell,
    step: Step = lambda name: None,
) -> EveningResult:
    """Decides the evening list of `day`, publishes it, and pushes its campaign (a preview unless `live`).

    Running it again decides nothing twice: shops that have a list keep it, a shop whose count came late gets one.

    Args:
        at: the send instant, as `activation.push` takes it; by default `push_at` of the rules.
        step: told the name of each step that was finished.

    Raises:
        ConfigError: the chain folder is not usable. WarehouseBusyError: another run is going on. NotReadyError: the
        last night was not finished. PublishError: nothing is published, or the night of `day` already is.
        ModelsFailedError: a model or a check failed; nothing was decided. PushError: the evening has begun, or see
        `activation.push`; the list is published.
    """
    chain = load_chain(root)
    with only_run(chain):
        result = decide_evening(chain, day, progress=progress, step=step)
    if any(campaign.trigger == "markdown" for campaign in chain.rules.campaigns):
        result.report = push(chain, day, live=live, at=at, is_evening=True, progress=progress)
        if live:
            refresh_feedback(chain)
    return result


def decide_evening(
    chain: Chain, day: date, *, progress: Callable[[str], None] = tell, step: Step = lambda name: None
) -> EveningResult:
    """Everything of `run_evening` but the push."""
    with connect(chain.paths.warehouse) as connection:
        # a killed run may have left a night half switched; its decisions are read below
        recover(connection, chain.paths)
    as_of = _published_night(chain, day)
    result = EveningResult(day, as_of)
    if (day - as_of).days > 1:
        mend = catch_up_command(chain.root, as_of, day)
        result.warnings.append(
            tr(
                f"前一晚还没有发布（最新是 {as_of}），{day} 的折扣按那时的会员情况定。要补上请运行 {mend}",
                f"the night before is not published: members are as of {as_of}, the newest publication."
                f" To catch up run {mend}",
            )
        )
    campaign_id = chain.rules.markdown.campaign_id
    if all((c.campaign_id, c.trigger) != (campaign_id, "markdown") for c in chain.rules.campaigns):
        result.warnings.append(
            tr(
                f"rules/campaigns.yml 里没有 trigger 为 markdown 的活动 {campaign_id}：清单照样定，但不通知任何人",
                f"rules/campaigns.yml has no campaign {campaign_id} with trigger markdown: nobody is told of the list",
            )
        )
    _land(chain, day, result)
    step("landed")
    prepare_evening(chain, as_of, day, chain_key(chain.paths.vault), models=DBT_DIR)
    step("prepared")
    progress(tr("dbt：晚间折扣", "dbt: evening markdown"))
    run = run_dbt(chain, chain.paths.dagster_home / "dbt" / "markdown", select=_MODELS)
    if not run.success:
        raise ModelsFailedError("; ".join(run.failures))
    step("decided")
    _keep(chain, day, result)
    step("kept")
    with connect(chain.paths.warehouse) as connection:
        context = publication_context(connection, chain, as_of)
        result.publication = publish(connection, chain.paths, as_of=as_of, context=context, only=_PUBLISHED)
    step("published")
    _look_for_silent_shops(chain, result)
    return result


def _published_night(chain: Chain, day: date) -> date:
    as_of = last_published_as_of(chain.paths)
    if as_of is None:
        raise PublishError(
            tr(
                f"{chain.paths.published} 里还没有任何发布，请先运行 linli run",
                f"nothing is published in {chain.paths.published}: run linli run first",
            )
        )
    if as_of >= day:
        raise PublishError(
            tr(
                f"{as_of} 已经发布，{day} 的晚间折扣不能再定了",
                f"{as_of} is published already: the evening markdown of {day} is over",
            )
        )
    return as_of


def _land(chain: Chain, day: date, result: EveningResult) -> None:
    key = chain_key(chain.paths.vault)
    for source in chain.connections:
        for table in _stock_tables(source):
            for landing in land_files(chain, source, table, [day], key).values():
                for manifest in landing.quarantined:
                    result.warnings.append(f"{source.name}/{manifest.file}：{manifest.reason}")
    with connect(chain.paths.warehouse) as connection:
        sync_files(connection, chain)
        batches = [batch for batch in ungated_batches(connection, chain, day) if batch.feed == FEED]
    verdicts = check_batches(batches, chain)
    with connect(chain.paths.warehouse) as connection:
        gate_batches(connection, [batch for verdict in verdicts for batch in verdict.passed_batches])
    for verdict in verdicts:
        if not verdict.passed:
            listed = "; ".join(verdict.findings)
            result.warnings.append(
                tr(
                    f"{verdict.connection} 的库存没有通过检查：{listed}",
                    f"stock of {verdict.connection}: {listed}",
                )
            )


def _stock_tables(source: Connection) -> list[str]:
    """Tables of a connection's files that bring stock counts; an API is asked at night only."""
    if source.is_api or all(feed.name != FEED for feed in source.feeds):
        return []
    tables = source.definition.tables
    return sorted(name for name, table in tables.items() if FEED in table.feeds) if tables else [FEED]


def _keep(chain: Chain, day: date, result: EveningResult) -> None:
    """Puts the day's decisions, this run's and earlier ones, into the lake."""
    decided: dict[str, pa.Table] = {}
    with connect(chain.paths.warehouse) as connection:
        for kind, table in _DECIDED.items():
            names = ", ".join(KINDS[kind].names)
            decided[kind] = connection.sql(
                f"select {names} from {table} where business_date = date '{day}'"
            ).to_arrow_table()
        names = ", ".join(KINDS["candidate"].names)
        decided["candidate"] = connection.sql(
            f"select {names} from ops.candidate_history where due_on = business_date and business_date = date '{day}'"
            f" union all select {names} from intermediate.int_markdown_candidates_decided"
            f" where business_date = date '{day}'"
        ).to_arrow_table()
    for store in decided["plan"]["store_code"].to_pylist():
        result.shops[store] = result.shops.get(store, 0) + 1
    result.audience = len(set(decided["audience"]["member_id"].to_pylist()))
    result.candidates = decided["candidate"].num_rows
    if any(table.num_rows for table in decided.values()):
        keep_markdown(chain.paths.lake, day, decided)


def _look_for_silent_shops(chain: Chain, result: EveningResult) -> None:
    with connect(chain.paths.warehouse) as connection:
        counted = {
            store
            for (store,) in connection.execute(
                "select distinct store_code from staging.stg_pos__stock where cast(snapshot_at as date) = ?",
                [result.day],
            ).fetchall()
        }
    if silent := [store.store_code for store in chain.stores if store.store_code not in counted]:
        listed = ", ".join(silent)
        result.warnings.append(
            tr(f"今天没有收到这些门店的库存盘点：{listed}", f"no stock count today of shops {listed}")
        )


def markdown_assets(chain: Chain) -> list[dg.AssetsDefinition]:
    """The evening markdown of one day, and its push."""

    @dg.asset(
        key=["activation", "markdown"],
        deps=[published_key("member_metrics"), published_key("members")],
        group_name="activation",
        owners=OWNERS,
        kinds={"duckdb", "parquet"},
        partitions_def=daily(chain),
        pool="duckdb_writer",
        description="What is left of leafy goods at four goes on the evening list; who is near and often here, is told.",
    )
    def decide(context: dg.AssetExecutionContext, chain: ChainResource) -> dg.MaterializeResult:
        loaded = chain.load()
        result = decide_evening(loaded, run_nights(context)[-1])
        for warning in result.warnings:
            context.log.warning(warning)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(result.shops.values()),
                "shops": len(result.shops),
                "audience": result.audience,
                "candidates": result.candidates,
            }
        )

    @dg.asset(
        key=["activation", "markdown_push"],
        deps=[decide],
        group_name="activation",
        owners=OWNERS,
        kinds={"wecom"},
        partitions_def=daily(chain),
        description="Tells the audience of the evening markdown; never after it has begun. Dry run by default.",
    )
    def send(
        context: dg.AssetExecutionContext, config: PushConfig, chain: ChainResource
    ) -> dg.MaterializeResult:
        loaded = chain.load()
        at = push_instant(loaded, config.at)
        report = push(
            loaded, run_nights(context)[-1], live=config.live, at=at, is_evening=True, progress=tell
        )
        if config.live:
            refresh_feedback(loaded)
        return dg.MaterializeResult(
            metadata={"report": dg.MetadataValue.md(report.render()), "live": config.live}
        )

    return [decide, send]
