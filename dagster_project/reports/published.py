"""The published tables as typed in-memory views, bound to the one publication that was current when opened.

Readers never open the warehouse: its writer holds the lock, and half a night could be seen there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import duckdb

from dagster_project.config import Chain
from dagster_project.lang import tr
from dagster_project.publish import Publication, PublishError, current_publication
from dagster_project.publish.relations import parquet_files

# Only the columns that reports and lists use. A table or column the publication lacks reads as empty or null,
# so that a publication of an older release can still be shown.
TABLES: Mapping[str, Mapping[str, str]] = {
    "orders": {
        "order_key": "VARCHAR",
        "channel": "VARCHAR",
        "connection": "VARCHAR",
        "store_code": "VARCHAR",
        "member_id": "VARCHAR",
        "business_date": "DATE",
        "net_fen": "BIGINT",
        "refund_fen": "BIGINT",
        "is_test": "BOOLEAN",
        "is_purchase": "BOOLEAN",
        "spend_fen": "BIGINT",
    },
    "record_members": {
        "connection": "VARCHAR",
        "feed": "VARCHAR",
        "record_id": "VARCHAR",
        "member_id": "VARCHAR",
        "basis": "VARCHAR",
    },
    "members": {
        "member_id": "VARCHAR",
        "phone_masked": "VARCHAR",
        "external_userid": "VARCHAR",
        "wecom_staff_userid": "VARCHAR",
        "has_pos": "BOOLEAN",
        "has_groupbuy": "BOOLEAN",
        "has_wecom": "BOOLEAN",
        "home_store_code": "VARCHAR",
        "last_purchase_on": "DATE",
        "consent_marketing": "VARCHAR",
    },
    "member_identifiers": {
        "member_id": "VARCHAR",
        "namespace": "VARCHAR",
        "identifier": "VARCHAR",
        "valid_from": "DATE",
        "valid_to": "DATE",
        "is_shared": "BOOLEAN",
    },
    "member_events": {
        "kind": "VARCHAR",
        "member_id": "VARCHAR",
        "other_member_id": "VARCHAR",
    },
    "member_metrics": {
        "as_of_date": "DATE",
        "member_id": "VARCHAR",
        "groupbuy_orders_total": "INTEGER",
        "spend_30d_fen": "BIGINT",
        "spend_90d_fen": "BIGINT",
    },
    "churn_tiers": {
        "as_of_date": "DATE",
        "member_id": "VARCHAR",
        "last_purchase_on": "DATE",
        "days_since": "INTEGER",
        "tier": "VARCHAR",
        "usual_item": "VARCHAR",
    },
    "koc": {
        "as_of_date": "DATE",
        "member_id": "VARCHAR",
        "spend_30d_fen": "BIGINT",
        "shares_30d": "INTEGER",
        "complaints": "INTEGER",
        "eligible": "VARCHAR",
        "reason": "VARCHAR",
        "invite_code": "VARCHAR",
    },
    "segments": {"segment_id": "VARCHAR", "name": "VARCHAR", "definition_hash": "VARCHAR"},
    "segment_members": {
        "as_of_date": "DATE",
        "segment_id": "VARCHAR",
        "member_id": "VARCHAR",
        "reason": "VARCHAR",
    },
    "store_days": {
        "store_code": "VARCHAR",
        "business_date": "DATE",
        "orders": "BIGINT",
        "net_fen": "BIGINT",
        "identified_orders": "BIGINT",
        "new_members": "BIGINT",
        "counter_fen": "BIGINT",
        "groupbuy_orders": "BIGINT",
        "groupbuy_fen": "BIGINT",
    },
    "koc_evidence": {"as_of_date": "DATE", "member_id": "VARCHAR", "kind": "VARCHAR", "counts": "BOOLEAN"},
    "commission_statements": {
        "month": "VARCHAR",
        "beneficiary_member_id": "VARCHAR",
        "orders": "INTEGER",
        "clawed_back_fen": "BIGINT",
        "pending_fen": "BIGINT",
        "due_fen": "BIGINT",
    },
    "leader_contributions": {
        "month": "VARCHAR",
        "leader_id": "VARCHAR",
        "store_code": "VARCHAR",
        "groupbuy_fen": "BIGINT",
        "counter_fen": "BIGINT",
        "commission_fen": "BIGINT",
        "counter_commission_fen": "BIGINT",
    },
    "staff_incentives": {
        "month": "VARCHAR",
        "staff_id": "VARCHAR",
        "store_code": "VARCHAR",
        "joined_members": "INTEGER",
        "stayed_members": "INTEGER",
        "first_orders": "INTEGER",
        "amount_fen": "BIGINT",
    },
    "points_differences": {
        "difference_id": "VARCHAR",
        "business_date": "DATE",
        "member_id": "VARCHAR",
        "kind": "VARCHAR",
        "difference": "DECIMAL(18, 3)",
    },
    "coupon_exceptions": {
        "exception_id": "VARCHAR",
        "kind": "VARCHAR",
        "business_date": "DATE",
        "member_id": "VARCHAR",
        "amount_fen": "BIGINT",
    },
    "markdown_plan": {"business_date": "DATE", "sku": "VARCHAR", "item_name": "VARCHAR", "unit": "VARCHAR"},
    "markdown_results": {
        "store_code": "VARCHAR",
        "business_date": "DATE",
        "sku": "VARCHAR",
        "left_qty": "DECIMAL(18, 3)",
        "sold_qty": "DECIMAL(18, 3)",
        "sold_fen": "BIGINT",
        "would_be_wasted_qty": "DECIMAL(18, 3)",
        "wasted_qty": "DECIMAL(18, 3)",
        "saved_fen": "BIGINT",
    },
    "experiment_results": {
        "campaign_id": "VARCHAR",
        "arm": "VARCHAR",
        "assigned": "INTEGER",
        "converted": "INTEGER",
        "lift": "DOUBLE",
        "ci_low": "DOUBLE",
        "ci_high": "DOUBLE",
        "srm_p": "DOUBLE",
        "recall_days": "INTEGER",
    },
    "recognition_rates": {
        "business_date": "DATE",
        "store_code": "VARCHAR",
        "channel": "VARCHAR",
        "is_recognised": "BOOLEAN",
        "basis": "VARCHAR",
        "sales": "BIGINT",
    },
    "recognition_gains": {
        "business_date": "DATE",
        "store_code": "VARCHAR",
        "channel": "VARCHAR",
        "sales": "BIGINT",
        "identifiable_sales": "BIGINT",
        "own_channel_sales": "BIGINT",
        "recognised_sales": "BIGINT",
        "gained_sales": "BIGINT",
        "linked_sales": "BIGINT",
    },
    "identity_suspects": {
        "namespace": "VARCHAR",
        "identifier": "VARCHAR",
        "masked": "VARCHAR",
        "reason": "VARCHAR",
        "store_code": "VARCHAR",
        "flagged_on": "DATE",
    },
    "identifier_health": {
        "namespace": "VARCHAR",
        "store_code": "VARCHAR",
        "business_date": "DATE",
        "statements": "BIGINT",
        "records_max": "BIGINT",
        "placeholder_statements": "BIGINT",
        "invalid_phones": "BIGINT",
        "usual_statements": "BIGINT",
        "usual_records_max": "BIGINT",
        "usual_bad_values": "BIGINT",
        "is_volume_alarm": "BOOLEAN",
        "is_top_alarm": "BOOLEAN",
        "is_bad_alarm": "BOOLEAN",
        "is_alarm": "BOOLEAN",
    },
    "campaign_candidates": {
        "campaign_id": "VARCHAR",
        "business_date": "DATE",
        "member_id": "VARCHAR",
        "arm": "VARCHAR",
        "channel": "VARCHAR",
        "outcome": "VARCHAR",
        "lapse_key": "VARCHAR",
    },
}
# A hold-out stays one for as long as the lapse lasts, so every decision counts; they are few rows a night.
_WHOLE = frozenset({"campaign_candidates"})


def open_publication(chain: Chain) -> Publication:
    """What readers see now. All pages and lists of one run are written from this one publication.

    Raises:
        PublishError: nothing has been published yet.
    """
    publication = current_publication(chain.paths)
    if publication is None:
        raise PublishError(
            tr(
                f"{chain.paths.published} 里还没有任何发布：请先运行 linli run --chain {chain.root}",
                f"nothing is published in {chain.paths.published}: run linli run --chain {chain.root} first",
            )
        )
    return publication


def connect(publication: Publication, *, facts_since: date | None = None) -> duckdb.DuckDBPyConnection:
    """An in-memory database with one view per table of `TABLES`.

    As-of tables show the publication's own night, facts the days from `facts_since` on (none when it is None), so
    what is opened does not grow with the chain's history; only of the campaigns' decisions all are shown.
    """
    con = duckdb.connect()
    for table, columns in TABLES.items():
        since = date.min if facts_since and table in _WHOLE else facts_since
        con.execute(f'create view "{table}" as {_select(publication, table, columns, since)}')
    return con


def rows_by_name(result: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """All rows of an executed query, each by column name."""
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def rows_of(publication: Publication, table: str) -> str | None:
    """A FROM item over a table: an as-of table on the publication's own night, a fact up to it; None without a file."""
    entry = publication.tables.get(table)
    if entry is None:
        return None
    pairs = zip(publication.files(table), sorted(entry.partitions), strict=True)
    files = [path for path, key in pairs if _is_wanted(publication, entry.shape.kind, key, date.min)]
    return parquet_files(files) if files else None


def _select(
    publication: Publication, table: str, columns: Mapping[str, str], facts_since: date | None
) -> str:
    entry = publication.tables.get(table)
    files = (
        [
            path
            for path, key in zip(publication.files(table), sorted(entry.partitions), strict=True)
            if _is_wanted(publication, entry.shape.kind, key, facts_since)
        ]
        if entry
        else []
    )
    there = entry.shape.names if entry and files else ()
    picks = ", ".join(
        f'cast({name if name in there else "null"} as {kind}) as "{name}"' for name, kind in columns.items()
    )
    return f"select {picks} " + (f"from {parquet_files(files)}" if files else "limit 0")


def _is_wanted(publication: Publication, kind: str, key: str, facts_since: date | None) -> bool:
    if kind == "state" or not key:
        return True
    if kind == "as_of":
        return key == publication.as_of.isoformat()
    return facts_since is not None and facts_since.isoformat() <= key <= publication.as_of.isoformat()
