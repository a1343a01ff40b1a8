"""Decisions of earlier nights, kept in the lake so that a rebuilt warehouse remembers whom it has already chosen."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

# the columns of ops.candidate_history
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
    ]
)


def decisions_path(lake: Path, night: date) -> Path:
    """Where the decisions of one night stand."""
    return lake / "linli" / "campaign_candidates" / night.isoformat() / "decisions.parquet"


def load_candidate_history(lake: Path, as_of: date) -> pa.Table:
    """Decisions of the nights before `as_of`, in the schema CANDIDATES, oldest night first."""
    folder = lake / "linli" / "campaign_candidates"
    nights = sorted(path.parent for path in folder.glob("*/decisions.parquet"))
    tables = [
        pq.read_table(night / "decisions.parquet", columns=CANDIDATES.names).cast(CANDIDATES)
        for night in nights
        if date.fromisoformat(night.name) < as_of
    ]
    return pa.concat_tables(tables) if tables else CANDIDATES.empty_table()
