"""A warehouse as the rooms below dbt leave it, filled with a small hand-written world, and dbt run over it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import pyarrow as pa
import pytest
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from dagster_project.config import Chain
from dagster_project.config.rules import load_rules
from dagster_project.contracts import feed, feeds_of, kinds
from dagster_project.orchestration.dbt_runner import IN_SILENCE
from dagster_project.privacy import ChainKey
from dagster_project.segments import SegmentFile, plan_variable
from dagster_project.warehouse import digest_identity, digest_sales, ops_schemas
from dagster_project.warehouse.ops import TABLES, Night
from dagster_project.warehouse.sync import create_ops

PROJECT = Path(__file__).parents[2] / "dbt"
NIGHT_1, NIGHT_2 = date(2024, 5, 31), date(2024, 6, 1)
LAPSED = {"metric": "days_since_purchase", "op": ">=", "value": "7"}
EGGS = {"event": "purchase", "where": {"item": "有机蛋"}, "count": ">= 1", "within_days": "90"}
SEGMENTS = SegmentFile.model_validate(
    {
        "segments": [
            {"segment_id": "lapsed", "name": "7天未消费", "all": [LAPSED]},
            {"segment_id": "eggs", "name": "爱买蛋", "all": [EGGS, {"segment": "lapsed"}]},
        ]
    }
).segments

# rules of figures as the package has them; identity's and the tiers' are written out where tests rely on them
RULES = load_rules(Path("no rules of its own"))
PACKAGED = ("rule_commission", "rule_ledger", "rule_markdown", "rule_metrics", "rule_pairs", "window_days")

META = {
    "_connection": "VARCHAR",
    "_feed": "VARCHAR",
    "_night": "DATE",
    "_batch_id": "VARCHAR",
    "_file": "VARCHAR",
    "_row_no": "BIGINT",
    "_extra": "VARCHAR",
}


class Warehouse:
    """Raw and ops of one chain in a DuckDB file."""

    def __init__(self, path: Path, *, as_of: date) -> None:
        self.path = path
        self.batches = 0
        with duckdb.connect(str(path)) as con:
            create_ops(con)
            for kind in kinds():
                for each in feeds_of(kind):
                    columns = dict.fromkeys(each.raw_columns(), "VARCHAR") | META
                    con.execute(f"create table raw.{each.table} ({_ddl(columns)})")
            for table, schema in ops_schemas().items():
                con.register("columns", schema.empty_table())
                con.execute(f"create table ops.{table} as select * from columns")
                con.unregister("columns")
        context = {"as_of_date": as_of, "timezone": "Asia/Shanghai", "cutover_minutes": 240, "run_seq": 1}
        self.ops("run_context", [{**context, "is_refresh": False}])
        churn = {"l1_days": 7, "l2_days": 15, "l3_days": 30, "recall_days": 30}
        self.ops("rule_churn", [{**churn, "rule_hash": "churn0"}])
        koc = {"spend_30d_fen": 30000, "shares_30d": 5, "max_complaints": 0, "silent_share_days": 30}
        self.ops("rule_koc", [{**koc, "rule_hash": "koc0"}])
        night = Night(cast(Chain, SimpleNamespace(rules=RULES)), as_of, cast(ChainKey, None))
        for each in TABLES:
            if each.name in PACKAGED:
                self.ops(each.name, each.arrow(night).to_pylist())
        self.ops(
            "rule_identity_health",
            [
                {
                    "suspect_min_people": 5,
                    "suspect_factor": 3.0,
                    "suspect_tickets_a_day": 4,
                    "suspect_busy_days": 3,
                    "usual_min_identifiers": 20,
                    "alarm_factor": 3.0,
                    "alarm_min_statements": 30,
                    "alarm_days": 28,
                    "alarm_min_days": 7,
                    "shown_days": 92,
                }
            ],
        )
        self.ops(
            "rule_identity",
            [
                {
                    "max_wechat_accounts_per_phone": 1,
                    "max_cards_per_phone": 3,
                    "use_wecom_remark": True,
                    "payer_min_tickets": 2,
                    "payer_member_tickets": 2,
                    "max_phones_per_member": 4,
                    "number_silence_days": 90,
                    "reregister_gap_days": 45,
                    "former_link_min_days": 7,
                    "max_household_members": 6,
                    "two_places_times": 2,
                    "travel_kmh": 80,
                    "till_clock_minutes": 5,
                    "visit_minutes": 60,
                    "name_agreement_min_share": 0.7,
                    "name_agreement_min_pairs": 30,
                    "remark_needs_proof": True,
                    "home_store_max_m": 5000,
                }
            ],
        )

    def ops(self, table: str, rows: Iterable[Mapping[str, Any]], *, replace: bool = False) -> None:
        """Adds rows to an ops table; `replace` empties it first."""
        with duckdb.connect(str(self.path)) as con:
            if replace:
                con.execute(f"delete from ops.{table}")
            for row in rows:
                _insert(con, f"ops.{table}", row)

    def arrive(
        self,
        kind: str,
        name: str,
        night: date,
        rows: Iterable[Mapping[str, Any]],
        *,
        connection: str | None = None,
    ) -> str:
        """One file of a feed; its batch is pending until `next_night`. Returns the batch id."""
        arriving = feed(kind, name)
        connection = connection or f"{kind}_main"
        self.batches += 1
        batch_id = f"{night}|{connection}|{name}|{self.batches:012d}"
        meta = {"_connection": connection, "_feed": name, "_night": night, "_batch_id": batch_id}
        cells = [
            {**row, **meta, "_file": f"{name}.csv", "_row_no": number}
            for number, row in enumerate(rows, start=1)
        ]
        names = list(dict.fromkeys(column for row in cells for column in row))
        with duckdb.connect(str(self.path)) as con:
            if cells:
                con.register(
                    "cells", pa.table({column: [row.get(column) for row in cells] for column in names})
                )
                con.execute(f"insert into raw.{arriving.table} by name select * from cells")
                con.unregister("cells")
            con.execute("insert into ops.pending_batches values (?)", [batch_id])
            con.execute(
                "insert into ops.available_feeds select ?, ?, ?, ?, ? where not exists "
                "(select 1 from ops.available_feeds where feed = ? and connection = ?)",
                [kind, name, connection, night, night, name, connection],
            )
        return batch_id

    def next_night(self, night: date) -> None:
        """Moves on: what was pending has been digested."""
        with duckdb.connect(str(self.path)) as con:
            con.execute("update ops.run_context set as_of_date = ?", [night])
            con.execute("delete from ops.pending_batches")
            digest_identity(con)
            digest_sales(con)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path)) as con:
            return con.execute(sql).fetchall()


def _ddl(columns: Mapping[str, str]) -> str:
    return ", ".join(f'"{name}" {kind}' for name, kind in columns.items())


def _insert(con: duckdb.DuckDBPyConnection, table: str, row: Mapping[str, Any]) -> None:
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" for _ in row)
    con.execute(f"insert into {table} ({names}) values ({marks})", list(row.values()))


@dataclass(frozen=True)
class Dbt:
    """dbt over one warehouse, parsed once."""

    manifest: Manifest
    folder: Path

    def run(self, warehouse: Warehouse, *command: str) -> dict[str, str]:
        """Runs a dbt command; returns status and message of what did not succeed, by node id."""
        os.environ["LINLI_WAREHOUSE"] = str(warehouse.path)
        options = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
        options += ["--target-path", str(self.folder / "target"), "--log-path", str(self.folder / "logs")]
        options += ["--vars", json.dumps({"segment_plan": plan_variable(SEGMENTS)})]
        result = dbtRunner(manifest=self.manifest).invoke([*IN_SILENCE, *command, *options])
        if result.exception is not None:
            raise result.exception
        nodes: Any = result.result
        return {
            each.node.unique_id: f"{each.status}: {each.message}"
            for each in nodes
            if each.status not in ("success", "pass")
        }


@pytest.fixture(scope="session")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, list[str]]:
    """The parsed project, and the deprecations that parsing it from nothing complains about."""
    folder = tmp_path_factory.mktemp("parse")
    os.environ["LINLI_WAREHOUSE"] = str(folder / "warehouse.duckdb")
    complaints: list[str] = []

    def listen(event: Any) -> None:
        if "Deprecat" in event.info.name or event.info.level in ("warn", "error"):
            complaints.append(f"{event.info.name}: {event.info.msg}")

    result = dbtRunner(callbacks=[listen]).invoke(
        [
            *("parse", "--quiet", "--no-partial-parse", "--show-all-deprecations"),
            *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
            *("--target-path", str(folder), "--log-path", str(folder)),
        ]
    )
    assert result.success, result.exception
    return result.result, complaints  # type: ignore[return-value]


@pytest.fixture(scope="session")
def manifest(parsed: tuple[Manifest, list[str]]) -> Manifest:
    return parsed[0]


@pytest.fixture(scope="session")
def dbt(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    return Dbt(manifest, tmp_path_factory.mktemp("dbt"))


@pytest.fixture(scope="session")
def new_warehouse() -> type[Warehouse]:
    """Makes an empty warehouse in a given file."""
    return Warehouse


@dataclass(frozen=True)
class Built:
    """One warehouse after two nights: rows of each night, what failed, and a rebuild of the second night.

    `left`: tables for a model's passing use that dbt left behind after the second night and after the rebuild.
    """

    failures: dict[str, str]
    unit_failures: dict[str, str]
    night_1: dict[str, list[dict[str, Any]]]
    night_2: dict[str, list[dict[str, Any]]]
    rebuilt: dict[str, list[dict[str, Any]]]
    columns: dict[str, list[str]]
    left: list[str]


@pytest.fixture(scope="session")
def built(dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Builds and tests night 1, digests night 2 on top of it, then rebuilds night 2 from nothing."""
    warehouse = Warehouse(tmp_path_factory.mktemp("chain") / "warehouse.duckdb", as_of=NIGHT_1)
    rules(warehouse)
    first_night(warehouse)
    failures = dbt.run(warehouse, "build", "--exclude-resource-type", "unit_test")
    night_1 = rows_of(warehouse)
    unit_failures = dbt.run(warehouse, "test", "--select", "test_type:unit")
    warehouse.next_night(NIGHT_2)
    second_night(warehouse)
    failures |= dbt.run(warehouse, "build", "--exclude-resource-type", "unit_test")
    night_2 = rows_of(warehouse)
    left = left_behind(warehouse)
    failures |= dbt.run(warehouse, "run", "--full-refresh")
    left += left_behind(warehouse)
    columns: dict[str, list[str]] = {}
    for table, column in warehouse.query(
        "select table_schema || '.' || table_name, column_name from information_schema.columns "
        "where table_schema in ('staging', 'intermediate', 'audit') order by 1, ordinal_position"
    ):
        columns.setdefault(table, []).append(column)
    return Built(failures, unit_failures, night_1, night_2, rows_of(warehouse), columns, left)


def left_behind(warehouse: Warehouse) -> list[str]:
    return [
        name
        for (name,) in warehouse.query(
            "select table_name from duckdb_tables() where table_name like '%\\_\\_dbt\\_%' escape '\\'"
        )
    ]


def rows_of(warehouse: Warehouse) -> dict[str, list[dict[str, Any]]]:
    """All rows of staging and audit, sorted, by schema.table."""
    tables = warehouse.query(
        "select table_schema, table_name from information_schema.tables where table_schema in ('staging', 'audit')"
    )
    found = {}
    with duckdb.connect(str(warehouse.path)) as con:
        for schema, table in tables:
            cursor = con.execute(f"select * from {schema}.{table} order by all")
            names = [column[0] for column in cursor.description or ()]
            found[f"{schema}.{table}"] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return found


def rules(warehouse: Warehouse) -> None:
    """Two shops (B ends its day at midnight), one recall and one first-order campaign without hold-out."""
    warehouse.ops("stores", [{"store_code": "A"}, {"store_code": "B", "cutover_minutes": 0}])
    warehouse.ops("high_margin_categories", [{"category": "熟食"}])
    warehouse.ops(
        "rule_segments",
        [{"segment_id": s.segment_id, "name": s.name, "definition_hash": s.hash} for s in SEGMENTS],
    )
    limits: dict[str, Any] = {
        "holdout_percent": 0,
        "frequency_messages": 1,
        "frequency_days": 7,
        "daily_cap": 100,
    }
    limits |= {"channel_order": "wecom,groupbuy_coupon", "offer_json": "{}", "rule_hash": "c0"}
    warehouse.ops(
        "rule_campaigns",
        [
            {
                "campaign_id": "recall",
                "trigger": "churn_tier",
                "tier": "L2",
                "planned_time": "10:00",
                **limits,
            },
            {"campaign_id": "welcome", "trigger": "potential_group_buyer", "planned_time": "10:30", **limits},
        ],
    )


def person(name: str) -> dict[str, str]:
    """Phone columns as the door leaves them."""
    return {"phone_token": f"token-{name}", "phone_masked": "138****0000", "phone_kind": "plain"}


def first_night(warehouse: Warehouse) -> None:
    """Wang buys in both channels and shares; Li lapsed and joined; Chen lapsed for long; somebody tests the shop."""
    warehouse.arrive(
        "pos",
        "members",
        NIGHT_1,
        [
            {"member_ref": "C-wang", **person("wang"), "consent_marketing": "Y"},
            {
                "member_ref": "C-li",
                **person("li"),
                "consent_marketing": "Y",
                "consent_at": "2024-01-01 10:00:00",
            },
            {"member_ref": "C-chen", **person("chen")},
        ],
    )
    ticket = {"store_code": "A", "kind": "sale"}
    warehouse.arrive(
        "pos",
        "tickets",
        NIGHT_1,
        [
            {**ticket, "ticket_id": "1", "sold_at": "2024-05-21 03:59:59", "net": "200.00", "member_ref": "C-wang"},
            {**ticket, "ticket_id": "2", "sold_at": "2024-05-16 18:00:00", "net": "35.50", "member_ref": "C-li"},
            {**ticket, "ticket_id": "3", "sold_at": "2024-05-01 18:00:00", "net": "20.00", "member_ref": "C-chen"},
            {**ticket, "ticket_id": "4", "sold_at": "2024-05-31 10:00:00", "net": "9.99"},
            {**ticket, "ticket_id": "5", "kind": "recharge", "sold_at": "2024-05-31 10:00:00", "net": "500.00",
             "member_ref": "C-li"},
            {**ticket, "ticket_id": "1", "store_code": "B", "sold_at": "2024-05-31 00:00:00", "net": "12.00"},
        ],
    )  # fmt: skip
    warehouse.arrive(
        "pos",
        "ticket_lines",
        NIGHT_1,
        [
            {"store_code": "A", "ticket_id": "2", "line_no": "1", "sku": "egg", "item_name": "有机蛋",
             "category": "蛋", "qty": "1", "amount": "20.00"},
            {"store_code": "A", "ticket_id": "2", "line_no": "2", "sku": "duck", "item_name": "烤鸭",
             "category": "熟食", "qty": "0.5", "amount": "15.50"},
        ],
    )  # fmt: skip
    warehouse.arrive(
        "groupbuy",
        "users",
        NIGHT_1,
        [{"appid": "wx1", "openid": "o-wang", **person("wang"), "phone_verified_at": "2024-04-01 10:00:00",
          "own_invite_code": "INV-WANG"}],
    )  # fmt: skip
    order = {"store_code": "A", "status": "completed", "appid": "wx1"}
    warehouse.arrive(
        "groupbuy",
        "orders",
        NIGHT_1,
        [
            {**order, "order_id": "g1", "openid": "o-wang", "created_at": "2024-05-30 20:00:00",
             "paid_at": "2024-05-30 20:01:00", "order_amount": "100.00"},
            {**order, "order_id": "g2", "openid": "o-wang", "created_at": "2024-05-30 21:00:00",
             "status": "unpaid", "order_amount": "70.00"},
            {**order, "order_id": "g3", "openid": "o-test", "created_at": "2024-05-30 21:00:00",
             "receiver_name_is_test": "Y", "order_amount": "70.00"},
        ],
    )  # fmt: skip
    warehouse.arrive(
        "groupbuy",
        "shares",
        NIGHT_1,
        [
            {"share_id": f"s{n}", "appid": "wx1", "openid": "o-wang", "shared_at": "2024-05-30 09:00:00"}
            for n in range(5)
        ],
    )
    wecom(warehouse, NIGHT_1)


def wecom(warehouse: Warehouse, night: date) -> None:
    warehouse.arrive("wecom", "snapshot_staff", night, [{"userid": "staff1", "complete": "Y"}])
    warehouse.arrive(
        "wecom",
        "contacts",
        night,
        [{"userid": "staff1", "external_userid": "wm-li", "createtime": "2024-05-16 18:30:00",
          "remark_phone_count": "1", **person("li")}],
    )  # fmt: skip


def second_night(warehouse: Warehouse) -> None:
    """Chen returns everything, Wang withdraws an order, a night lands late, and the message to Li is confirmed."""
    warehouse.arrive(
        "pos",
        "tickets",
        NIGHT_2,
        [{"store_code": "B", "ticket_id": "9", "kind": "return", "sold_at": "2024-06-01 11:00:00",
          "origin_ticket_id": "3", "net": "20.00"}],
    )  # fmt: skip
    warehouse.arrive(
        "pos",
        "tickets",
        date(2024, 5, 30),
        [
            {
                "store_code": "A",
                "ticket_id": "4",
                "kind": "sale",
                "sold_at": "2024-05-31 10:00:00",
                "net": "8.88",
            }
        ],
    )
    warehouse.arrive(
        "groupbuy",
        "refunds",
        NIGHT_2,
        [{"refund_id": "r1", "order_id": "g1", "amount": "40.01", "status": "done",
          "applied_at": "2024-06-01 08:00:00"}],
    )  # fmt: skip
    wecom(warehouse, NIGHT_2)
    warehouse.arrive(
        "wecom",
        "message_results",
        NIGHT_2,
        [{"msgid": "msg1", "userid": "staff1", "external_userid": "wm-li", "status": "1",
          "send_time": "2024-06-01 10:05:00"}],
    )  # fmt: skip
    columns = (
        "campaign_id",
        "business_date",
        "member_id",
        "lapse_key",
        "arm",
        "channel",
        "outcome",
        "detail",
    )
    decided = warehouse.query(
        f"select {', '.join(columns)} from intermediate.int_campaign_candidates_decided"
    )
    warehouse.ops("candidate_history", [dict(zip(columns, row, strict=True)) for row in decided])
    [(li,)] = warehouse.query("select member_id from audit.record_members where record_id = 'C-li'")
    event: dict[str, Any] = {
        "message_id": "m1",
        "campaign_id": "recall",
        "business_date": NIGHT_1,
        "member_id": li,
    }
    event |= {"target": "wecom", "action": "message", "attempt": 1, "at": "2024-06-01 10:00:00"}
    warehouse.ops(
        "push_events",
        [
            {**event, "state": "intent", "seq": 1},
            {**event, "state": "accepted", "vendor_code": "0", "vendor_ref": "msg1", "seq": 2},
        ],
    )
