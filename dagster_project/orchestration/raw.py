"""The warehouse's inputs: raw views over the lake and the ops tables that models read."""

from collections.abc import Iterator

import dagster as dg

from dagster_project.config import Chain
from dagster_project.contracts import feeds_of, kinds
from dagster_project.landing.misplaced import misplaced_data
from dagster_project.lang import tr
from dagster_project.orchestration.context import DBT_DIR, OWNERS, ChainResource, run_as_of
from dagster_project.orchestration.landing import lake_key
from dagster_project.orchestration.progress import tell
from dagster_project.privacy import chain_key
from dagster_project.publish import recover
from dagster_project.warehouse import connect, ops_schemas, prepare, unlanded_nights


def raw_tables(chain: Chain) -> dg.AssetsDefinition:
    """All raw views and ops tables, written in one step that holds the warehouse once."""
    specs = [
        dg.AssetSpec(
            ["raw", feed.table],
            deps=[
                lake_key(c.name, feed.name) for c in chain.connections if c.kind == kind and feed in c.feeds
            ],
            description=f"View over every accepted batch of {feed.name} of all {kind} connections.",
            group_name="raw",
            owners=OWNERS,
            kinds={"duckdb", "view"},
        )
        for kind in kinds()
        for feed in feeds_of(kind)
    ]
    lake = [lake_key(c.name, feed.name) for c in chain.connections for feed in c.feeds]
    specs += [
        dg.AssetSpec(
            ["ops", name],
            deps=lake,
            description="Run context, rules or feedback as a table for the models.",
            group_name="ops",
            owners=OWNERS,
            kinds={"duckdb", "table"},
        )
        for name in ops_schemas()
    ]

    @dg.multi_asset(name="raw_tables", specs=specs, pool="duckdb_writer")
    def load(context: dg.AssetExecutionContext, chain: ChainResource) -> Iterator[dg.MaterializeResult]:
        loaded = chain.load()
        with connect(loaded.paths.warehouse) as connection:
            # a killed run may have left a night half switched; its decisions are read below
            recover(connection, loaded.paths)
        as_of = run_as_of(context, loaded)
        refresh = context.run.tags.get("linli/full_refresh") == "true"
        prepared = prepare(loaded, as_of, chain_key(loaded.paths.vault), models=DBT_DIR, full_refresh=refresh)
        with connect(loaded.paths.warehouse) as connection:
            forgotten = unlanded_nights(connection, loaded, as_of)
            totals = dict(
                connection.execute(
                    "select kind || '__' || feed, sum(rows_loaded)::bigint from ops.files"
                    " where status = 'loaded' and gated and night <= ? group by all",
                    [as_of],
                ).fetchall()
            )
        tell(tr(f"准备数仓：截至 {as_of}，新批次 {len(prepared.pending)} 个",
                f"warehouse ready as of {as_of}, {len(prepared.pending)} new batches"))  # fmt: skip
        for warning in [*loaded.warnings, *map(str, misplaced_data(loaded))]:
            context.log.warning(warning)
        for connection_name, feed, night in forgotten[:10]:
            tell(tr(f"注意：{connection_name}/{feed}/{night} 还没有入仓，请运行 linli run --date {night}",
                    f"note: {connection_name}/{feed}/{night} has never been landed; run linli run --date {night}"))  # fmt: skip
        for spec in specs:
            layer, name = spec.key.path
            rows: dict[str, int | str] = {
                "dagster/row_count": totals.get(name, 0),
                "new_rows": prepared.raw_rows.get(name, 0),
            }
            yield dg.MaterializeResult(
                asset_key=spec.key, metadata=rows if layer == "raw" else {"as_of": as_of.isoformat()}
            )

    return load
