"""Decisions of earlier nights, kept in the lake so that a rebuilt warehouse remembers whom it has already chosen."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

# what the lake keeps of a decision
CANDIDATES = pa.schema(
    [
        ("campaign_id", pa.string()),
        ("business_date", pa.date32()),
        ("member_id", pa.string()),
        ("lapse_key", pa.string()),
        ("arm", pa.string()),
        ("channel", pa.string()),
        ("outcome", pa.string()),
        ("detail", pa.string()),
        ("subject", pa.string()),
        ("rule_hash", pa.string()),
    ]
)
# the columns of ops.candidate_history: with the day on which the message is due, the one after the night's own
HISTORY = pa.schema([*CANDIDATES, ("due_on", pa.date32())])


def decisions_path(lake: Path, night: date) -> Path:
    """Where the decisions of one night stand."""
    return lake / "linli" / "campaign_candidates" / night.isoformat() / "decisions.parquet"


def load_candidate_history(lake: Path, as_of: date) -> pa.Table:
    """Decisions of the nights before `as_of`, in the schema HISTORY, oldest night first."""
    folder = lake / "linli" / "campaign_candidates"
    nights = sorted(path.parent for path in folder.glob("*/decisions.parquet"))
    tables = [
        with_due_day(with_columns(pq.read_table(night / "decisions.parquet"), CANDIDATES), 1)
        for night in nights
        if date.fromisoformat(night.name) < as_of
    ]
    return pa.concat_tables([HISTORY.empty_table(), *tables])


def with_columns(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table in this schema; a column that its file was written without is null."""
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def with_due_day(decisions: pa.Table, days: int) -> pa.Table:
    """Decisions (schema CANDIDATES) with `due_on`, so many days after their business date (schema HISTORY)."""
    due = [
        None if day is None else day + timedelta(days=days) for day in decisions["business_date"].to_pylist()
    ]
    return decisions.append_column("due_on", pa.array(due, pa.date32()))
