"""What a night knows about itself, as tables of schema `ops`: one module per domain, the schemas in one place.

Some tables are made otherwise than from the chain's configuration: `available_feeds` and `pending_batches` from
`ops.files`, the feedback and decisions of earlier days from the lake. `FROM_QUERIES` and `FROM_LAKE` say what they look like.
"""

from __future__ import annotations

import pyarrow as pa

from dagster_project.lake.candidates import HISTORY
from dagster_project.lake.feedback import PUSH_EVENTS
from dagster_project.lake.markdown import AUDIENCE, PLAN
from dagster_project.lake.member_ids import PUBLISHED_IDS
from dagster_project.warehouse.ops import campaigns, commission, context, goods, identity, ledger, members
from dagster_project.warehouse.ops.identity import placeholder_tokens
from dagster_project.warehouse.ops.table import DATE, TEXT, Night, OpsTable, Schema, write

__all__ = [
    "FROM_LAKE",
    "FROM_QUERIES",
    "TABLES",
    "Night",
    "OpsTable",
    "placeholder_tokens",
    "schemas",
    "write",
]

TABLES: tuple[OpsTable, ...] = (
    *context.TABLES,
    *identity.TABLES,
    *members.TABLES,
    *ledger.TABLES,
    *commission.TABLES,
    *goods.TABLES,
    *campaigns.TABLES,
)
FROM_QUERIES: dict[str, Schema] = {
    "pending_batches": {"batch_id": TEXT},
    # feeds of which a file ever arrived, with the first and the last night
    "available_feeds": {
        "kind": TEXT,
        "feed": TEXT,
        "connection": TEXT,
        "first_night": DATE,
        "last_night": DATE,
    },
}
FROM_LAKE: dict[str, pa.Schema] = {
    "candidate_history": HISTORY,
    "push_events": PUSH_EVENTS,
    "markdown_kept_plan": PLAN,
    "markdown_kept_audience": AUDIENCE,
    "published_ids": PUBLISHED_IDS,
}


def schemas() -> dict[str, pa.Schema]:
    """Columns of every ops table that a run writes anew, by name."""
    found = {table.name: pa.schema(list(table.schema.items())) for table in TABLES}
    found |= {name: pa.schema(list(schema.items())) for name, schema in FROM_QUERIES.items()}
    return found | FROM_LAKE
