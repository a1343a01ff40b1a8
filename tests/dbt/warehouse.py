"""A warehouse as the rooms below dbt leave it: typed, empty raw and ops tables, filled with hand-written rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.contracts.feeds import Feed, feed, feeds_of, kinds

META = {
    "_connection": "VARCHAR",
    "_feed": "VARCHAR",
    "_night": "DATE",
    "_batch_id": "VARCHAR",
    "_file": "VARCHAR",
    "_row_no": "BIGINT",
    "_extra": "VARCHAR",
}

OPS = {
    "run_context": "as_of_date DATE, timezone VARCHAR, cutover_minutes INTEGER",
    "pending_batches": "batch_id VARCHAR",
    "stores": "store_code VARCHAR, store_name VARCHAR, lng DOUBLE, lat DOUBLE, opened_on DATE, "
    "cutover_minutes INTEGER, manager_wecom_userid VARCHAR, wecom_department VARCHAR",
    "connections": "connection VARCHAR, kind VARCHAR, preset VARCHAR",
    "available_feeds": "kind VARCHAR, feed VARCHAR",
    "placeholder_phones": "phone_token VARCHAR",
    "rule_identity": "max_wechat_accounts_per_phone INTEGER, max_cards_per_phone INTEGER, "
    "use_wecom_remark BOOLEAN, rule_hash VARCHAR",
    "rule_churn": "l1_days INTEGER, l2_days INTEGER, l3_days INTEGER, rule_hash VARCHAR",
    "rule_koc": "spend_30d_fen BIGINT, shares_30d INTEGER, max_complaints INTEGER, rule_hash VARCHAR",
    "high_margin_categories": "category VARCHAR",
    "rule_segments": "segment_id VARCHAR, name VARCHAR, definition_hash VARCHAR",
    "rule_campaigns": "campaign_id VARCHAR, name VARCHAR, trigger VARCHAR, tier VARCHAR, holdout_percent INTEGER, "
    "frequency_messages INTEGER, frequency_days INTEGER, daily_cap INTEGER, channel_order VARCHAR, "
    "planned_time VARCHAR, offer_json VARCHAR, rule_hash VARCHAR",
    "candidate_history": "campaign_id VARCHAR, business_date DATE, member_id VARCHAR, lapse_key VARCHAR, "
    "arm VARCHAR, channel VARCHAR, outcome VARCHAR, detail VARCHAR",
    "push_events": "message_id VARCHAR, campaign_id VARCHAR, business_date DATE, member_id VARCHAR, target VARCHAR, "
    "action VARCHAR, attempt INTEGER, state VARCHAR, vendor_code VARCHAR, vendor_ref VARCHAR, "
    'payload_sha256 VARCHAR, "at" TIMESTAMP, seq INTEGER',
    "files": "connection VARCHAR, kind VARCHAR, feed VARCHAR, night DATE, file VARCHAR, sha256 VARCHAR, "
    "format VARCHAR, encoding VARCHAR, rows_read BIGINT, rows_loaded BIGINT, rows_repeated BIGINT, "
    "rows_rejected BIGINT, status VARCHAR, reason VARCHAR, extra_columns VARCHAR, batch_id VARCHAR, "
    "lake_path VARCHAR, gated BOOLEAN",
    "rejects": "batch_id VARCHAR, connection VARCHAR, feed VARCHAR, file VARCHAR, row_no BIGINT, "
    "column_name VARCHAR, value_kind VARCHAR, rule VARCHAR, action VARCHAR",
}


class Warehouse:
    """Raw and ops of one chain in a DuckDB file."""

    def __init__(self, path: Path, *, as_of: date) -> None:
        self.path = path
        with duckdb.connect(str(path)) as con:
            con.execute("create schema raw; create schema ops")
            for kind in kinds():
                for each in feeds_of(kind):
                    columns = {name: "VARCHAR" for name in each.raw_columns()} | META
                    con.execute(f"create table raw.{each.table} ({_ddl(columns)})")
            for table, ddl in OPS.items():
                con.execute(f"create table ops.{table} ({ddl})")
        self.ops("run_context", [{"as_of_date": as_of, "timezone": "Asia/Shanghai", "cutover_minutes": 240}])
        self.ops("rule_churn", [{"l1_days": 7, "l2_days": 15, "l3_days": 30, "rule_hash": "churn0"}])
        self.ops("rule_koc", [{"spend_30d_fen": 30000, "shares_30d": 5, "max_complaints": 0, "rule_hash": "koc0"}])
        self.ops(
            "rule_identity",
            [{"max_wechat_accounts_per_phone": 2, "max_cards_per_phone": 3, "use_wecom_remark": True}],
        )

    def ops(self, table: str, rows: Iterable[Mapping[str, Any]], *, replace: bool = False) -> None:
        """Adds rows to an ops table; `replace` empties it first."""
        with duckdb.connect(str(self.path)) as con:
            if replace:
                con.execute(f"delete from ops.{table}")
            for row in rows:
                _insert(con, f"ops.{table}", row)

    def arrive(
        self, kind: str, name: str, night: date, rows: Iterable[Mapping[str, Any]], *, connection: str | None = None
    ) -> str:
        """One file of a feed; the batch is pending until `digested`. Returns its batch id."""
        arriving = feed(kind, name)
        connection = connection or f"{kind}_main"
        batch_id = f"{night}|{connection}|{name}|{_serial(self.path, arriving):012d}"
        with duckdb.connect(str(self.path)) as con:
            for number, row in enumerate(rows, start=1):
                meta = {
                    "_connection": connection,
                    "_feed": name,
                    "_night": night,
                    "_batch_id": batch_id,
                    "_file": f"{name}.csv",
                    "_row_no": number,
                }
                _insert(con, f"raw.{arriving.table}", {**row, **meta})
            con.execute("insert into ops.pending_batches values (?)", [batch_id])
            con.execute(
                "insert into ops.available_feeds select ?, ? where not exists "
                "(select 1 from ops.available_feeds where kind = ? and feed = ?)",
                [kind, name, kind, name],
            )
        return batch_id

    def as_of(self, day: date) -> None:
        """Moves to another night: nothing is pending any more."""
        with duckdb.connect(str(self.path)) as con:
            con.execute("update ops.run_context set as_of_date = ?", [day])
            con.execute("delete from ops.pending_batches")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path)) as con:
            return con.execute(sql).fetchall()


def _ddl(columns: Mapping[str, str]) -> str:
    return ", ".join(f'"{name}" {kind}' for name, kind in columns.items())


def _insert(con: duckdb.DuckDBPyConnection, table: str, row: Mapping[str, Any]) -> None:
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" for _ in row)
    con.execute(f"insert into {table} ({names}) values ({marks})", list(row.values()))


def _serial(path: Path, arriving: Feed) -> int:
    with duckdb.connect(str(path)) as con:
        row = con.execute(f"select count(distinct _batch_id) from raw.{arriving.table}").fetchone()
    return int(row[0]) if row else 0
