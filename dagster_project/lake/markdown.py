"""Decisions about the evening markdown, one file per day: the list, the audience, and what was decided of each member.

`lake/linli/markdown_decisions/<D>/decisions.parquet`: rows of all three, told apart by `kind` (plan, audience,
candidate), in one file, so that a kill never leaves one of them without the others. What is here was decided: the night
of D, a repeated run and a rebuilt warehouse read it and decide nothing of it again.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dagster_project.lake.candidates import CANDIDATES, with_columns, with_due_day
from dagster_project.lake.files import write_atomically

QUANTITY = pa.decimal128(18, 3)
# the columns of ops.markdown_kept_plan
PLAN = pa.schema(
    [
        ("store_code", pa.string()),
        ("business_date", pa.date32()),
        ("sku", pa.string()),
        ("item_name", pa.string()),
        ("category", pa.string()),
        ("unit", pa.string()),
        ("on_hand_qty", QUANTITY),
        ("received_qty", QUANTITY),
        ("left_ratio", pa.float64()),
        ("snapshot_at", pa.timestamp("us")),
        ("price_fen", pa.int64()),
        ("markdown_fen", pa.int64()),
        ("price_factor", pa.float64()),
        ("audience_size", pa.int32()),
        ("rule_hash", pa.string()),
    ]
)
# the columns of ops.markdown_kept_audience
AUDIENCE = pa.schema(
    [
        ("business_date", pa.date32()),
        ("store_code", pa.string()),
        ("member_id", pa.string()),
        ("distance_km", pa.float64()),
        ("orders_30d", pa.int32()),
        ("rule_hash", pa.string()),
    ]
)
KINDS = {"plan": PLAN, "audience": AUDIENCE, "candidate": CANDIDATES}
_FILE = pa.unify_schemas([pa.schema([("kind", pa.string())]), *KINDS.values()])


def markdown_path(lake: Path, day: date) -> Path:
    """Where the decisions of one afternoon stand."""
    return lake / "linli" / "markdown_decisions" / day.isoformat() / "decisions.parquet"


def keep_markdown(lake: Path, day: date, decided: dict[str, pa.Table]) -> None:
    """Writes an afternoon's decisions, in one rename.

    Args:
        decided: kind → all rows of the day, earlier runs' included, in the schema of KINDS.
    """
    parts = []
    for kind, schema in KINDS.items():
        rows = with_columns(decided[kind], schema).sort_by(
            [
                (name, "ascending")
                for name in ("store_code", "sku", "campaign_id", "member_id")
                if name in schema.names
            ]
        )
        parts.append(
            with_columns(rows, _FILE).set_column(0, "kind", pa.array([kind] * rows.num_rows, pa.string()))
        )
    table = pa.concat_tables(parts)
    write_atomically(markdown_path(lake, day), lambda part: pq.write_table(table, part, compression="zstd"))


def load_markdown(lake: Path, kind: str, upto: date) -> pa.Table:
    """Rows of one kind of all days up to `upto`, in its schema of KINDS, oldest day first."""
    schema = KINDS[kind]
    folder = lake / "linli" / "markdown_decisions"
    tables = []
    for path in sorted(folder.glob("*/decisions.parquet")):
        if date.fromisoformat(path.parent.name) <= upto:
            rows = pq.read_table(path)
            tables.append(with_columns(rows.filter(pc.field("kind") == kind), schema))
    return pa.concat_tables([schema.empty_table(), *tables])


def load_markdown_candidates(lake: Path, upto: date) -> pa.Table:
    """Candidates of all afternoons up to `upto`, in the schema HISTORY: their message is due on the day itself."""
    return with_due_day(load_markdown(lake, "candidate", upto), 0)
