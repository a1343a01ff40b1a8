"""Publication and what is made from it: reports and segment files."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import dagster as dg
import duckdb
import pyarrow.parquet as pq

from dagster_project.config import Chain
from dagster_project.lang import tr
from dagster_project.orchestration.context import OWNERS, READ_SCHEMA, ChainResource, run_as_of
from dagster_project.orchestration.dbt import mart_schemas
from dagster_project.orchestration.preview import ROWS, preview_table
from dagster_project.orchestration.progress import tell
from dagster_project.publish import Publication, PublicationContext, publish, published_tables
from dagster_project.reports import write_reports, write_segment_csvs
from dagster_project.warehouse import connect

_QUARANTINE_DAYS = 7


def published_key(table: str) -> dg.AssetKey:
    return dg.AssetKey(["published", table])


def publication_context(
    connection: duckdb.DuckDBPyConnection, chain: Chain, as_of: date
) -> PublicationContext:
    """How fresh each source is and what was kept out, from the lake's own records; no clock."""
    last = {
        (name, feed): night
        for name, feed, night in connection.execute(
            "select connection, feed, max(night) from ops.files where status <> 'quarantined' and night <= ? group by all",
            [as_of],
        ).fetchall()
    }
    sources: list[dict[str, Any]] = []
    for source in chain.connections:
        for feed in source.feeds:
            night = last.get((source.name, feed.name))
            sources.append(
                {
                    "connection": source.name,
                    "feed": feed.name,
                    "last_night": night.isoformat() if night else None,
                    "age_days": (as_of - night).days if night else None,
                    "seldom": feed.seldom,
                }
            )
    quarantined = connection.execute(
        "select connection, feed, night::varchar, file, reason from ops.files where status = 'quarantined'"
        f" and night between ?::date - {_QUARANTINE_DAYS} and ? order by all",
        [as_of, as_of],
    ).fetchall()
    totals = connection.execute(
        "select coalesce(sum(rows_read), 0)::bigint, coalesce(sum(rows_loaded), 0)::bigint,"
        " coalesce(sum(rows_repeated), 0)::bigint, coalesce(sum(rows_rejected), 0)::bigint from ops.files where night = ?",
        [as_of],
    ).fetchall()[0]
    quality = {
        "quarantined": [
            dict(zip(("connection", "feed", "night", "file", "reason"), row, strict=True))
            for row in quarantined
        ],
        "night_rows": dict(zip(("read", "loaded", "repeated", "rejected"), totals, strict=True)),
        "stale_source_days": chain.rules.guards.stale_source_days,
    }
    return PublicationContext(sources=sources, quality=quality)


def publish_assets(chain: Chain) -> dg.AssetsDefinition:
    """The audited marts become `published/current` and schema `marts` in one atomic step."""
    schemas = mart_schemas()
    specs = [
        dg.AssetSpec(
            published_key(table.name),
            deps=[dg.AssetKey(["marts", table.name])],
            description=f"{table.name} as readers see it (Parquet, {table.kind}).",
            group_name="published",
            owners=OWNERS,
            kinds={"parquet"},
            metadata={"dagster/column_schema": schemas[table.name]},
            # shops open the pages in the morning
            freshness_policy=dg.FreshnessPolicy.cron(
                deadline_cron="0 7 * * *", lower_bound_delta=timedelta(hours=5), timezone=chain.timezone
            ),
        )
        for table in published_tables()
    ]

    @dg.multi_asset(name="publish", specs=specs, pool="duckdb_writer")
    def run_publish(
        context: dg.AssetExecutionContext, chain: ChainResource
    ) -> Iterator[dg.MaterializeResult]:
        loaded = chain.load()
        publication = publish_night(loaded, run_as_of(context, loaded))
        for table in published_tables():
            yield dg.MaterializeResult(
                asset_key=published_key(table.name),
                metadata={
                    "dagster/row_count": publication.tables[table.name].rows,
                    "publication_id": publication.publication_id,
                    "dagster/table_name": f"warehouse.{READ_SCHEMA}.{table.name}",
                    "preview": dg.MetadataValue.md(_preview(publication, table.name)),
                },
            )

    return run_publish


def _preview(publication: Publication, table: str) -> str:
    """The first rows of a table's newest file."""
    files = publication.files(table)
    if not files:
        return ""
    with pq.ParquetFile(files[-1]) as file:
        first = next(file.iter_batches(batch_size=ROWS), None)
    return preview_table(first.to_pylist()) if first is not None else ""


def publish_night(chain: Chain, as_of: date):
    """Publishes what dbt has built and tested."""
    with connect(chain.paths.warehouse) as connection:
        context = publication_context(connection, chain, as_of)
        publication = publish(connection, chain.paths, as_of=as_of, context=context)
    tell(tr(f"发布 {publication.publication_id}", f"published {publication.publication_id}"))
    return publication


def report_assets() -> list[dg.AssetsDefinition]:
    """Pages for managers and files for marketing, made from the publication only."""
    tables = [published_key(table.name) for table in published_tables()]

    @dg.asset(
        key=["reports", "stores"],
        deps=tables,
        group_name="reports",
        owners=OWNERS,
        kinds={"html"},
        description="One page per shop and one for head office.",
    )
    def store_reports(context: dg.AssetExecutionContext, chain: ChainResource) -> dg.MaterializeResult:
        pages = write_reports(chain.load())
        tell(tr(f"报表：{len(pages)} 页", f"reports: {len(pages)} pages"))
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(pages),
                "pages": dg.MetadataValue.md("\n".join(f"- {page.name}" for page in pages)),
                "index": dg.MetadataValue.path(str(pages[0])),
            }
        )

    @dg.asset(
        key=["exports", "segments"],
        deps=tables,
        group_name="exports",
        owners=OWNERS,
        kinds={"csv"},
        description="One CSV per segment with a manifest.",
    )
    def segment_files(context: dg.AssetExecutionContext, chain: ChainResource) -> dg.MaterializeResult:
        manifest = write_segment_csvs(chain.load())
        tell(tr(f"人群包：{manifest.parent}", f"segments: {manifest.parent}"))
        listed = json.loads(manifest.read_text("utf-8"))
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(segment["rows"] for segment in listed["segments"]),
                "segments": {segment["segment_id"]: segment["rows"] for segment in listed["segments"]},
                "publication_id": listed["publication_id"],
                "manifest": dg.MetadataValue.path(str(manifest)),
            }
        )

    return [store_reports, segment_files]
