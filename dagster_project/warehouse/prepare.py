"""Readies the warehouse for dbt: raw views, rules and run context as tables, and what staging has to digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project.config import Chain, Rules
from dagster_project.contracts import feeds_of, kinds
from dagster_project.lake.candidates import load_candidate_history
from dagster_project.lake.feedback import load_push_events
from dagster_project.privacy import ChainKey, classify_phone
from dagster_project.privacy.phones import DUMMY_NUMBERS
from dagster_project.warehouse.connect import connect
from dagster_project.warehouse.digested import read_state, set_state
from dagster_project.warehouse.sync import sync_files

_META = ("_connection", "_feed", "_batch_id", "_file")


@dataclass
class Prepared:
    """`full_refresh`: staging has to be rebuilt, and why. `raw_rows`: rows of the pending batches per raw table."""

    as_of: date
    full_refresh: bool
    reason: str = ""
    pending: list[str] = field(default_factory=list)
    raw_rows: dict[str, int] = field(default_factory=dict)


def prepare(
    chain: Chain, as_of: date, key: ChainKey, *, models: Path, full_refresh: bool = False
) -> Prepared:
    """Writes everything dbt reads besides the lake.

    Args:
        as_of: nothing that arrived after this night is visible.
        models: the dbt project folder; when its staging code changed, staging is rebuilt.
        full_refresh: rebuild staging in any case.
    """
    with connect(chain.paths.warehouse) as connection:
        sync_files(connection, chain)
        code = _code_hash(models)
        reason = "requested" if full_refresh else _refresh_reason(connection, as_of, code)
        if reason:
            connection.execute("delete from ops.digested_batches")
            # stands until a build was green, so that a killed refresh is taken up again as a refresh
            set_state(connection, "refresh_reason", reason)
        set_state(connection, "staging_code", code)
        anew = _identity_hash(chain, key, models)
        if read_state(connection).get("identity_rules") != anew:
            # stands until a build was green, as above
            set_state(connection, "identity_reason", "rules or code of One ID changed")
            set_state(connection, "identity_rules", anew)
        _raw_views(connection, chain, as_of)
        connection.execute(
            "create or replace table ops.pending_batches as select batch_id from ops.files where status = 'loaded'"
            f" and gated and night <= date '{as_of}'"
            " and batch_id not in (select batch_id from ops.digested_batches) order by batch_id"
        )
        _tables(connection, chain, as_of, key)
        pending = [
            row[0] for row in connection.execute("select batch_id from ops.pending_batches").fetchall()
        ]
        rows = connection.execute(
            "select kind || '__' || feed, sum(rows_loaded)::bigint from ops.files"
            " join ops.pending_batches using (batch_id) where status = 'loaded' group by 1 order by 1"
        ).fetchall()
        return Prepared(as_of, bool(reason), reason, pending, dict(rows))


def _refresh_reason(connection: duckdb.DuckDBPyConnection, as_of: date, code: str) -> str:
    stored = read_state(connection)
    if "refresh_reason" in stored:
        return stored["refresh_reason"]
    if stored.get("staging_code") not in (None, code):
        return "staging code changed"
    # a night that was digested but never published must not shine through an earlier one
    later = connection.execute(
        "select count(*) from ops.digested_batches where night > ?", [as_of]
    ).fetchall()[0][0]
    attempted = stored.get("attempted_as_of")
    if later or (attempted is not None and attempted > as_of.isoformat()):
        return "staging has seen later nights"
    return ""


def _code_hash(models: Path) -> str:
    return _hash_of(models, ["models/staging", "macros"])


def _identity_hash(chain: Chain, key: ChainKey, models: Path) -> str:
    """Of everything that members depend on besides records: other rules or code make every one of them anew."""
    stores = [(s.store_code, s.lng, s.lat) for s in chain.stores]
    rules = repr((chain.rules.identity.hash, placeholder_tokens(chain.rules, key), stores))
    folders = ["models/intermediate/identity", "models/marts/identity"]
    kernels = _hash_of(Path(__file__).parents[1], ["identity"])
    return hashlib.sha256(f"{rules}{_hash_of(models, folders)}{kernels}".encode()).hexdigest()[:16]


def _hash_of(root: Path, folders: list[str]) -> str:
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(p for p in (root / folder).rglob("*") if p.suffix in (".sql", ".py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _raw_views(connection: duckdb.DuckDBPyConnection, chain: Chain, as_of: date) -> None:
    """One view per canonical feed over exactly the batches that the checks let through."""
    lake = chain.paths.lake.as_posix()
    paths: dict[str, list[str]] = {}
    for kind, feed, path in connection.execute(
        "select kind, feed, lake_path from ops.files where status = 'loaded' and gated and night <= ? order by batch_id",
        [as_of],
    ).fetchall():
        paths.setdefault(f"{kind}__{feed}", []).append(f"{lake}/{path}")
    for kind in kinds():
        for feed in feeds_of(kind):
            columns = [*feed.raw_columns(), "_extra", *_META]
            typed = dict.fromkeys(columns, "varchar") | {"_night": "date", "_row_no": "bigint"}
            files = paths.get(feed.table, [])
            body = "select " + ", ".join(f'null::{t} as "{n}"' for n, t in typed.items()) + " where false"
            if files:
                listed = ", ".join("'" + path.replace("'", "''") + "'" for path in files)
                names = ", ".join(f'"{name}"::{kind_} as "{name}"' for name, kind_ in typed.items())
                # a lake written before the contract had a column reads as null there, in whichever files lack it
                body = (
                    f"select {names} from (select * from read_parquet([{listed}], union_by_name = true,"
                    f" hive_partitioning = false) union all by name {body})"
                )
            connection.execute(f"create or replace view raw.{feed.table} as {body}")


def _tables(connection: duckdb.DuckDBPyConnection, chain: Chain, as_of: date, key: ChainKey) -> None:
    rules = chain.rules
    text, integer, number, boolean = pa.string(), pa.int32(), pa.float64(), pa.bool_()
    _write(connection, "run_context", {"as_of_date": pa.date32(), "timezone": text, "cutover_minutes": integer},
           [(as_of, chain.timezone, chain.cutover_minutes)])  # fmt: skip
    _write(
        connection,
        "stores",
        {"store_code": text, "store_name": text, "lng": number, "lat": number, "opened_on": pa.date32(),
         "cutover_minutes": integer, "manager_wecom_userid": text, "wecom_department": text},
        [(s.store_code, s.store_name, s.lng, s.lat, s.opened_on, s.cutover_minutes, s.manager_wecom_userid,
          s.wecom_department) for s in chain.stores],
    )  # fmt: skip
    _write(connection, "connections", {"connection": text, "kind": text, "preset": text},
           [(c.name, c.kind, c.preset) for c in sorted(chain.connections, key=lambda c: c.name)])  # fmt: skip
    _write_rule(connection, "rule_identity", rules.identity, {
        "max_wechat_accounts_per_phone": integer, "max_cards_per_phone": integer, "use_wecom_remark": boolean,
        "payer_min_tickets": integer, "payer_member_tickets": integer, "max_phones_per_member": integer,
        "number_silence_days": integer, "reregister_gap_days": integer, "former_link_min_days": integer,
        "max_household_members": integer, "remark_needs_proof": boolean, "name_agreement_min_share": number,
        "name_agreement_min_pairs": integer, "rule_hash": text,
    })  # fmt: skip
    _write(
        connection,
        "identity_decisions",
        {"decision": text, "connection_a": text, "feed_a": text, "record_id_a": text, "connection_b": text,
         "feed_b": text, "record_id_b": text, "since": pa.date32(), "decided_by": text, "why": text, "line": integer},
        [(d.decision, *d.record_a, *d.record_b, d.since, d.by, d.why, d.line) for d in rules.identity_decisions],
    )  # fmt: skip
    _write_rule(connection, "rule_identity_health", rules.identity.health, {
        "suspect_min_people": integer, "suspect_factor": number, "suspect_tickets_a_day": integer,
        "suspect_busy_days": integer, "alarm_factor": number, "alarm_min_statements": integer,
    })  # fmt: skip
    _write(connection, "placeholder_phones", {"phone_token": text},
           [(token,) for token in placeholder_tokens(rules, key)])  # fmt: skip
    _write_rule(connection, "rule_churn", rules.churn,
                {"l1_days": integer, "l2_days": integer, "l3_days": integer, "rule_hash": text})  # fmt: skip
    _write_rule(connection, "rule_koc", rules.koc,
                {"spend_30d_fen": pa.int64(), "shares_30d": integer, "max_complaints": integer,
                 "rule_hash": text})  # fmt: skip
    _write(connection, "high_margin_categories", {"category": text},
           [(name,) for name in sorted(set(rules.guards.high_margin_categories))])  # fmt: skip
    _write(connection, "rule_segments", {"segment_id": text, "name": text, "definition_hash": text},
           [(s.segment_id, s.name, s.hash) for s in rules.segments])  # fmt: skip
    cap = rules.guards.frequency_cap
    _write(
        connection,
        "rule_campaigns",
        {"campaign_id": text, "name": text, "trigger": text, "tier": text, "holdout_percent": integer,
         "frequency_messages": integer, "frequency_days": integer, "daily_cap": integer, "channel_order": text,
         "planned_time": text, "offer_json": text, "rule_hash": text},
        [(c.campaign_id, c.name, c.trigger, c.tier, c.holdout_percent, cap.messages, cap.days, c.daily_cap,
          ",".join(c.channels), c.send_at,
          json.dumps(c.offer.model_dump(mode="json"), ensure_ascii=False, sort_keys=True), c.hash)
         for c in rules.campaigns],
    )  # fmt: skip
    connection.execute(
        "create or replace table ops.available_feeds as select distinct kind, feed from ops.files"
        f" where (status = 'loaded' and gated or status = 'empty') and night <= date '{as_of}' order by all"
    )
    for name, table in (
        ("candidate_history", load_candidate_history(chain.paths.lake, as_of)),
        ("push_events", load_push_events(chain.paths.lake, as_of)),
    ):
        connection.register("feedback", table)
        connection.execute(f"create or replace table ops.{name} as select * from feedback order by all")
        connection.unregister("feedback")
    set_state(connection, "attempted_as_of", as_of.isoformat())


def placeholder_tokens(rules: Rules, key: ChainKey) -> list[str]:
    """Tokens of the numbers that are nobody's, whoever listed them, sorted."""
    phones = map(classify_phone, {*rules.identity.placeholder_phones, *DUMMY_NUMBERS})
    token = key.token_maker()
    return sorted({token(phone.e164) for phone in phones if phone is not None and phone.e164 is not None})


def _write_rule(
    connection: duckdb.DuckDBPyConnection, name: str, rule: Any, schema: dict[str, pa.DataType]
) -> None:
    """One row of fields of the rule that are called like the columns; `rule_hash` is its hash."""
    row = tuple(rule.hash if column == "rule_hash" else getattr(rule, column) for column in schema)
    _write(connection, name, schema, [row])


def _write(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    schema: dict[str, pa.DataType],
    rows: list[tuple[Any, ...]],
) -> None:
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in schema]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, schema.values(), strict=True)]
    connection.register("rows", pa.table(dict(zip(schema, arrays, strict=True))))
    connection.execute(f"create or replace table ops.{name} as select * from rows")
    connection.unregister("rows")
