"""A publication whose every column is what the models' contracts promise, so that documents can be tried on it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from dagster_project.publish import PublicationContext, publish, published_tables

REPOSITORY = Path(__file__).parents[2]
NIGHT = "2026-01-20"
# a few rows per table, by the columns that matter; what is not named is null
_ROWS: dict[str, list[dict[str, Any]]] = {
    "members": [
        {"member_id": "m1", "phone_masked": "138****8000", "has_pos": True, "consent_marketing": "Y"},
        {"member_id": "m2", "has_pos": True, "has_groupbuy": True, "has_wecom": True},
    ],
    "record_members": [
        {"connection": "pos", "feed": "tickets", "record_id": "S1|1", "member_id": "m1", "basis": "phone"},
        {"connection": "pos", "feed": "tickets", "record_id": "S1|2", "basis": "no_identifier"},
    ],
    "member_identifiers": [
        {"member_id": "m1", "namespace": "phone", "identifier": "t1", "valid_from": "2026-01-01",
         "basis": "pos.tickets.phone", "is_shared": False},
        {"member_id": "m2", "namespace": "openid", "identifier": "wx:a", "valid_from": "2026-01-01",
         "basis": "groupbuy.users.openid", "is_shared": False},
    ],
    "member_events": [
        {"event_id": "e1", "occurred_on": "2026-01-18", "kind": "merged", "member_id": "m1", "other_member_id": "m0",
         "evidence": "rule"},
    ],
    "identity_refusals": [
        {"namespace_a": "pos_member", "identifier_a": "pos:A", "namespace_b": "phone", "identifier_b": "t9",
         "reason": "shared_phone", "evidence": "cards 4 > 3"},
    ],
    "orders": [
        {"order_key": f"o{number}", "channel": channel, "member_id": member, "business_date": day,
         "net_fen": 1000, "spend_fen": 1000, "is_purchase": True, "is_test": False}
        for number, (channel, member, day) in enumerate([
            ("pos", "m1", "2026-01-01"), ("pos", "m1", "2026-01-05"), ("groupbuy", "m2", "2026-01-19"),
            ("pos", None, "2026-01-19"),
        ])
    ],
    "member_metrics": [
        {"as_of_date": NIGHT, "member_id": "m1", "spend_90d_fen": 2000},
        {"as_of_date": NIGHT, "member_id": "m2", "spend_90d_fen": 1000},
    ],
    "churn_tiers": [
        {"as_of_date": NIGHT, "member_id": "m1", "tier": "L3", "days_since": 31, "last_purchase_on": "2026-01-05"},
        {"as_of_date": NIGHT, "member_id": "m2", "tier": "active", "days_since": 1, "last_purchase_on": "2026-01-19"},
    ],
    "experiment_results": [
        {"campaign_id": "c", "as_of_date": NIGHT, "arm": "treatment", "assigned": 1, "delivered": 1, "converted": 1,
         "recall_days": 30, "lift": 0.5, "ci_low": -0.2, "ci_high": 0.9},
        {"campaign_id": "c", "as_of_date": NIGHT, "arm": "holdout", "assigned": 2, "delivered": 0, "converted": 1,
         "recall_days": 30},
    ],
    "campaign_candidates": [
        {"campaign_id": "c", "business_date": "2026-01-10", "member_id": "m2", "arm": "treatment", "outcome": "sent"},
        {"campaign_id": "c", "business_date": "2026-01-10", "member_id": "m1", "arm": "holdout", "outcome": "held_out"},
    ],
}  # fmt: skip


def _contracts() -> dict[str, dict[str, str]]:
    """Published table → column → type, from the models' own contracts."""
    published = {table.name for table in published_tables()}
    found: dict[str, dict[str, str]] = {}
    for path in sorted((REPOSITORY / "dbt" / "models" / "marts").rglob("*.yml")):
        for model in yaml.safe_load(path.read_text("utf-8")).get("models", []):
            if model["name"] in published:
                found[model["name"]] = {c["name"]: c["data_type"] for c in model["columns"]}
    return found


@pytest.fixture(scope="session", params=["full", "empty"])
def published_chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain folder of which only published/ matters: with a few rows, or with every table empty."""
    root = tmp_path_factory.mktemp(f"chain_{request.param}")

    class Paths:
        lake = root / "lake"
        published = root / "published"

    with duckdb.connect(str(root / "warehouse.duckdb")) as con:
        con.execute("create schema audit; create schema ops")
        con.execute(f"create table ops.run_context as select date '{NIGHT}' as as_of_date")
        for name, columns in _contracts().items():
            typed = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
            con.execute(f"create table audit.{name} ({typed})")
            for row in _ROWS.get(name, []) if request.param == "full" else []:
                marks = ", ".join("?" for _ in row)
                con.execute(
                    f"insert into audit.{name} ({', '.join(row)}) values ({marks})", list(row.values())
                )
        publish(con, Paths(), as_of=date.fromisoformat(NIGHT), context=PublicationContext())
    return root
