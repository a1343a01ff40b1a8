"""Lands the nightly pull of an API source: one full snapshot a night, never pulled twice once complete."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date

import pyarrow as pa

from dagster_project.config import Chain, Connection
from dagster_project.contracts import feed as contract_feed
from dagster_project.lake.batches import Manifest, list_manifests, read_manifest
from dagster_project.landing.feed import FeedLanding, TableLanding, new_manifest
from dagster_project.landing.readers import TextTable
from dagster_project.lang import tr
from dagster_project.privacy import ChainKey
from dagster_project.sources.errors import SourceError

# landed last: which staff members' pages were read to the end is what makes the night a snapshot
_COMMIT_FEED = "snapshot_staff"


def land_pull(
    chain: Chain,
    connection: Connection,
    night: date,
    key: ChainKey,
    pull: Callable[[], tuple[dict[str, pa.Table], list[str]]],
) -> dict[str, FeedLanding]:
    """Pulls and lands all feeds of an API connection for one night.

    Args:
        pull: returns the feeds' tables (string columns, contract names) and notes; not called when the night's
            snapshot is already complete in the lake.

    A source that cannot be read (down, wrong secret) is a note on every feed, not an error: the others go on.
    """
    feeds = {feed.name: FeedLanding(connection.name, feed.name) for feed in connection.feeds}
    known = [read_manifest(path) for path in list_manifests(chain.paths.lake, connection.name, night=night)]
    if any(manifest.feed == _COMMIT_FEED for manifest in known):
        for manifest in known:
            feeds[manifest.feed].manifests.append(manifest)
        return feeds
    try:
        tables, notes = pull()
    except SourceError as error:
        for landing in feeds.values():
            landing.empty_nights.append(night)
            landing.complete = False
            landing.notes.append(tr(f"来源不可用：{error}", f"source unavailable: {error}"))
        return feeds
    for name in sorted(tables, key=lambda name: (name == _COMMIT_FEED, name)):
        feeds[name].manifests.append(_land(chain, connection, name, night, tables[name], key))
    for landing in feeds.values():
        landing.notes.extend(notes)
    return feeds


def _land(
    chain: Chain, connection: Connection, name: str, night: date, table: pa.Table, key: ChainKey
) -> Manifest:
    feed = contract_feed(connection.kind, name)
    blank = new_manifest(
        connection, feed, night, f"api-{name}", _content_hash(table, connection.name, name, night)
    )
    numbered = table.append_column("_row_no", pa.array(range(1, table.num_rows + 1), pa.int64()))
    landing = TableLanding(chain, feed, key)
    landing.add(blank, lambda: TextTable(numbered, "api", "utf-8"))
    return landing.flush()[0]


def _content_hash(table: pa.Table, *origin: object) -> str:
    """Two nights with the same answer are two snapshots, so the night is part of the hash."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return hashlib.sha256("|".join(str(part) for part in origin).encode() + sink.getvalue()).hexdigest()
