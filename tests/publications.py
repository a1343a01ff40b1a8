"""Publications of a few tables that a test wrote by hand."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from duckdb import DuckDBPyConnection

from dagster_project.lake.candidates import CANDIDATES
from dagster_project.publish import PublicationContext, publish, published_tables
from dagster_project.publish.publication import PublishPaths


def open_audit(con: DuckDBPyConnection, as_of: date) -> None:
    """Schema audit, empty, and the night of the run."""
    con.execute("create schema audit; create schema ops")
    con.execute("create table ops.run_context as select ?::date as as_of_date", [as_of])


def publish_audit(con: DuckDBPyConnection, paths: PublishPaths, as_of: date, names: Collection[str]) -> None:
    """Publishes these tables of schema audit on a night on which no campaign chose anybody."""
    columns = ", ".join(f"null::varchar {c.name}" for c in CANDIDATES if c.name != "business_date")
    con.execute(
        "create or replace table audit.campaign_candidates as"
        f" select null::date business_date, {columns} where false"
    )
    tables = [table for table in published_tables() if table.name in {*names, "campaign_candidates"}]
    publish(con, paths, as_of=as_of, context=PublicationContext(), tables=tables)
