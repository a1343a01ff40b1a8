"""One lake asset per connection and feed, generated from chain.yml: adding a connection adds assets."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.activation import pending_message_ids
from dagster_project.config import Chain, Connection
from dagster_project.contracts import Feed
from dagster_project.landing import FeedLanding, land_files, land_pull, land_windows
from dagster_project.lang import tr
from dagster_project.orchestration.context import OWNERS, ChainResource, daily, run_as_of, run_nights
from dagster_project.orchestration.preview import ROWS, preview_table
from dagster_project.orchestration.progress import tell
from dagster_project.orchestration.usable import Finding, empty_files, findings_text, unusable_rows
from dagster_project.presets import load_client
from dagster_project.privacy import chain_key
from dagster_project.publish import last_published_as_of
from dagster_project.sources import WecomClient, pull_night
from dagster_project.sources.vendor import ClientFactory, WindowedClient


def lake_key(connection: str, feed: str) -> dg.AssetKey:
    return dg.AssetKey(["lake", connection, feed])


def lake_keys(chain: Chain) -> list[dg.AssetKey]:
    """Keys of all lake assets of a chain, in chain.yml order."""
    return [lake_key(c.name, feed.name) for c in chain.connections for feed in c.feeds]


def lake_assets(chain: Chain) -> list[dg.AssetsDefinition]:
    """All lake assets of a chain."""
    assets: list[dg.AssetsDefinition] = []
    for connection in chain.connections:
        if connection.definition.is_standard:
            assets += [_feed_asset(chain, connection, feed) for feed in connection.feeds]
        else:
            land = _LANDERS[connection.definition.transport]
            assets.append(_connection_asset(chain, connection, land))
    return assets


def _spec(chain: Chain, connection: Connection, feed: Feed) -> dg.AssetSpec:
    keys = ", ".join(feed.key)
    return dg.AssetSpec(
        lake_key(connection.name, feed.name),
        description=f"Arrived rows of {connection.name}/{feed.name} ({connection.preset}), key {keys}; no plain phone.",
        group_name=f"lake_{connection.name}",
        owners=OWNERS,
        kinds={"parquet", connection.kind},
        partitions_def=daily(chain),
        freshness_policy=dg.FreshnessPolicy.cron(
            deadline_cron="0 6 * * *", lower_bound_delta=timedelta(hours=4), timezone=chain.timezone
        ),
    )


def _check_specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            "rows_add_up",
            asset=key,
            blocking=True,
            description="read = loaded + repeated + rejected, file by file",
        ),
        dg.AssetCheckSpec("files_readable", asset=key, description="no file went to quarantine"),
        dg.AssetCheckSpec(
            "rows_usable", asset=key, description="no row was rejected, and no file came without rows"
        ),
        dg.AssetCheckSpec(
            "arrived",
            asset=key,
            description="the newest night of the run brought a file, and every part of the source could be read",
        ),
    ]


def _feed_asset(chain: Chain, connection: Connection, feed: Feed) -> dg.AssetsDefinition:
    """Standard files: one folder, one feed, one step."""
    spec = _spec(chain, connection, feed)

    @dg.multi_asset(
        name=f"lake__{connection.name}__{feed.name}",
        specs=[spec],
        check_specs=_check_specs(spec.key),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def land(context: dg.AssetExecutionContext, chain: ChainResource) -> Iterator[dg.MaterializeResult]:
        loaded = chain.load()
        key = chain_key(loaded.paths.vault)
        source = loaded.connection(connection.name)
        yield from _results(loaded, source, land_files(loaded, source, feed.name, run_nights(context), key))

    return land


_Lander = Callable[[dg.AssetExecutionContext, Chain, Connection], Mapping[str, FeedLanding]]


def _connection_asset(chain: Chain, connection: Connection, land: _Lander) -> dg.AssetsDefinition:
    """Other sources bring several feeds with one file or one call, so a connection is one step."""
    specs = [_spec(chain, connection, feed) for feed in connection.feeds]

    @dg.multi_asset(
        name=f"lake__{connection.name}",
        specs=specs,
        check_specs=[check for spec in specs for check in _check_specs(spec.key)],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def land_connection(
        context: dg.AssetExecutionContext, chain: ChainResource
    ) -> Iterator[dg.MaterializeResult]:
        loaded = chain.load()
        source = loaded.connection(connection.name)
        yield from _results(loaded, source, land(context, loaded, source))

    return land_connection


def _land_tables(
    context: dg.AssetExecutionContext, chain: Chain, source: Connection
) -> Mapping[str, FeedLanding]:
    key, nights = chain_key(chain.paths.vault), run_nights(context)
    landings: dict[str, FeedLanding] = {}
    for table in source.definition.tables:
        for name, landing in land_files(chain, source, table, nights, key).items():
            landings[name] = landings[name].joined(landing) if name in landings else landing
    return landings


def _land_windows(
    context: dg.AssetExecutionContext, chain: Chain, source: Connection
) -> Mapping[str, FeedLanding]:
    def connect() -> WindowedClient:
        client: ClientFactory = load_client(source.definition)
        return client(source.settings, connection=source.name, zone=chain.zone)

    return land_windows(
        chain,
        source,
        run_nights(context),
        chain_key(chain.paths.vault),
        connect,
        lambda piece: tell(tr(f"已拉取 {piece}", f"pulled {piece}")),
    )


def _land_snapshot(
    context: dg.AssetExecutionContext, chain: Chain, source: Connection
) -> Mapping[str, FeedLanding]:
    night, published = run_nights(context)[-1], last_published_as_of(chain.paths)
    if published is not None and night < published:
        # the vendor only tells of today: a snapshot taken now would be a lie about an old night
        return {feed.name: FeedLanding(source.name, feed.name, empty_nights=[night]) for feed in source.feeds}
    as_of = run_as_of(context, chain)
    return land_pull(chain, source, night, chain_key(chain.paths.vault), lambda: _pull(chain, source, as_of))


_LANDERS: Mapping[str, _Lander] = {
    "files": _land_tables,
    "windows": _land_windows,
    "snapshot": _land_snapshot,
}


def _pull(chain: Chain, connection: Connection, as_of: date) -> tuple[dict[str, pa.Table], list[str]]:
    settings = connection.settings
    with WecomClient(
        settings["base_url"], settings["corp_id"], settings["secret"], connection=connection.name
    ) as client:
        night = pull_night(
            client, timezone=chain.timezone, pending_messages=pending_message_ids(chain, as_of)
        )
    return night, night.notes


def _results(
    chain: Chain, source: Connection, landings: Mapping[str, FeedLanding]
) -> Iterator[dg.MaterializeResult]:
    # an API that has nothing to tell is no empty file
    empty = set() if source.is_api else empty_files(landings)
    for name, landing in landings.items():
        rows = landing.total("rows_loaded")
        tell(tr(f"入仓 {source.name}/{name}：{rows:,} 行", f"landed {source.name}/{name}: {rows:,} rows"))
        findings = unusable_rows(landing, chain.paths.lake, empty)
        yield _result(chain, lake_key(source.name, name), landing, findings)


def _result(
    chain: Chain, key: dg.AssetKey, landing: FeedLanding, findings: Sequence[Finding]
) -> dg.MaterializeResult:
    manifests = landing.manifests
    wrong = [m.file for m in manifests if m.rows_read != m.rows_loaded + m.rows_repeated + m.rows_rejected]
    quarantined = [f"{m.night}/{m.file}: {m.reason}" for m in landing.quarantined]
    missing = [night.isoformat() for night in landing.empty_nights]
    newest_missing = bool(missing) and (not manifests or missing[-1] > max(m.night for m in manifests))
    metadata: dict[str, dg.MetadataValue] = {
        "dagster/row_count": dg.MetadataValue.int(landing.total("rows_loaded")),
        "files": dg.MetadataValue.int(len(manifests)),
        "rows_read": dg.MetadataValue.int(landing.total("rows_read")),
        "rows_repeated": dg.MetadataValue.int(landing.total("rows_repeated")),
        "rows_rejected": dg.MetadataValue.int(landing.total("rows_rejected")),
        "nights_without_file": dg.MetadataValue.int(len(missing)),
    }
    preview = _preview(chain, landing)
    if preview:
        metadata["preview"] = dg.MetadataValue.md(preview)
    notes = "; ".join(dict.fromkeys(landing.notes))
    warn = dg.AssetCheckSeverity.WARN
    return dg.MaterializeResult(
        asset_key=key,
        metadata=metadata,
        check_results=[
            dg.AssetCheckResult(asset_key=key, check_name="rows_add_up", passed=not wrong, metadata={"files": ", ".join(wrong)}),
            dg.AssetCheckResult(
                asset_key=key, check_name="files_readable", passed=not quarantined, severity=warn,
                metadata={"quarantined": "\n".join(quarantined)},
            ),
            dg.AssetCheckResult(
                asset_key=key, check_name="rows_usable", passed=not findings, severity=warn,
                metadata={
                    "worst": dg.MetadataValue.md("\n".join(f"- {line}" for line in findings_text(findings))),
                    "files": dg.MetadataValue.json(list(findings)),
                },
            ),
            dg.AssetCheckResult(
                asset_key=key, check_name="arrived", passed=not newest_missing and landing.complete, severity=warn,
                metadata={"missing_nights": ", ".join(missing[-7:]), "notes": notes},
            ),
        ],
    )  # fmt: skip


def _preview(chain: Chain, landing: FeedLanding) -> str:
    """The first rows of the newest batch; the lake holds no plain phone."""
    batches: Sequence[str] = [m.lake_path for m in landing.manifests if m.rows_loaded]
    if not batches:
        return ""
    return preview_table(pq.read_table(chain.paths.lake / batches[-1]).slice(0, ROWS).to_pylist())
