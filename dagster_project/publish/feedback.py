"""Tonight's campaign decisions go back into the lake, so that a warehouse can be rebuilt from the lake alone."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
from duckdb import DuckDBPyConnection

from dagster_project.lake import write_atomically
from dagster_project.lake.candidates import CANDIDATES, decisions_path
from dagster_project.lang import tr
from dagster_project.publish.errors import PublishError
from dagster_project.publish.publication import Publication, PublishPaths
from dagster_project.publish.relations import (
    Partition,
    Shape,
    columns_of,
    digests,
    literal,
    projection,
    write_parquet,
)

_SHAPE = Shape(
    "state",
    tuple((column.name, "DATE" if column.type == pa.date32() else "VARCHAR") for column in CANDIDATES),
    ("campaign_id", "member_id"),
)
_KEPT = "ops.candidate_decisions"


def _source(con: DuckDBPyConnection, as_of: date) -> str:
    # The audited table may already show what became of a push; what was decided is in the model before it.
    decided = columns_of(con, "intermediate").get("int_campaign_candidates_decided")
    audited = columns_of(con, "audit").get("campaign_candidates", ())
    name = "intermediate.int_campaign_candidates_decided" if decided else "audit.campaign_candidates"
    have = {column for column, _ in decided or audited}
    missing = [column for column in _SHAPE.names if column not in have]
    if missing:
        names = ", ".join(missing)
        raise PublishError(
            tr(
                f"{name} 缺少列 {names}：请在模型中补上",
                f"{name} lacks columns {names}: add them to the model",
            )
        )
    return f"(select {projection(_SHAPE, have)} from {name} where business_date = date {literal(as_of)})"


def decisions_digest(con: DuckDBPyConnection, as_of: date) -> Partition:
    """Rows and digest of the decisions of the night `as_of`.

    Raises PublishError when a column of the feed is missing.
    """
    return digests(con, _SHAPE, _source(con, as_of), split=False)[""]


def prepare_decisions(con: DuckDBPyConnection) -> None:
    """Makes the table that keeps the decisions of the newest publication until they are safe in the lake."""
    columns = ", ".join(f"{name} {kind}" for name, kind in _SHAPE.columns)
    con.execute(f"create table if not exists {_KEPT} ({columns})")
    for name, kind in _SHAPE.columns:  # a warehouse made before the lake kept this column
        con.execute(f"alter table {_KEPT} add column if not exists {name} {kind}")


def keep_decisions(con: DuckDBPyConnection, as_of: date) -> None:
    """Keeps the decisions in the warehouse, in the caller's transaction: what a kill must not lose."""
    con.execute(f"delete from {_KEPT}")
    con.execute(f"insert into {_KEPT} select * from {_source(con, as_of)}")


def write_decisions(con: DuckDBPyConnection, paths: PublishPaths, publication: Publication) -> None:
    """Writes the kept decisions of `publication` into the lake, in one rename.

    Does nothing when the warehouse keeps those of another publication.
    """
    if digests(con, _SHAPE, _KEPT, split=False)[""] != publication.decisions:
        return

    def write(path: Path) -> None:
        write_parquet(con, _SHAPE, f"select * from {_KEPT}", path)

    write_atomically(decisions_path(paths.lake, publication.as_of), write)
