"""Readies the warehouse for dbt: raw views, rules and run context as tables, and what staging has to digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from dagster_project.config import Chain
from dagster_project.contracts import feeds_of, kinds
from dagster_project.lake.candidates import load_candidate_history
from dagster_project.lake.feedback import load_push_events
from dagster_project.lake.markdown import load_markdown, load_markdown_candidates
from dagster_project.lake.member_ids import PUBLISHED_IDS, member_ids_files
from dagster_project.privacy import ChainKey
from dagster_project.publish import decided_up_to
from dagster_project.warehouse.connect import connect
from dagster_project.warehouse.digested import read_state, set_state
from dagster_project.warehouse.ops import TABLES, Night, placeholder_tokens, write
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
        forget_later_counts(connection, as_of)
        code = staging_code(models)
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
        made_of = _models_hash(chain, models)
        if read_state(connection).get("models") not in (None, made_of):
            # models that keep what a night did not touch would keep what others made
            set_state(connection, "models_reason", "models, business days or rules of figures changed")
        set_state(connection, "models", made_of)
        connection.execute(
            "create or replace table ops.pending_batches as select batch_id from ops.files where status = 'loaded'"
            f" and gated and night <= date '{as_of}'"
            " and batch_id not in (select batch_id from ops.digested_batches) order by batch_id"
        )
        _raw_views(connection, chain)
        write_tables(connection, make_night(connection, chain, as_of, key, is_refresh=bool(reason)))
        pending = [
            row[0] for row in connection.execute("select batch_id from ops.pending_batches").fetchall()
        ]
        rows = connection.execute(
            "select kind || '__' || feed, sum(rows_loaded)::bigint from ops.files"
            " join ops.pending_batches using (batch_id) where status = 'loaded' group by 1 order by 1"
        ).fetchall()
        return Prepared(as_of, bool(reason), reason, pending, dict(rows))


def make_night(
    connection: duckdb.DuckDBPyConnection,
    chain: Chain,
    as_of: date,
    key: ChainKey,
    *,
    is_refresh: bool = False,
    stock_on: date | None = None,
) -> Night:
    """What the ops tables of a run are made from; see `Night`."""
    stored = read_state(connection)
    built = stored.get("built_as_of")
    return Night(
        chain,
        as_of,
        key,
        run_seq=int(stored.get("run_seq", "0")) + 1,
        previous_as_of=date.fromisoformat(built) if built else None,
        is_refresh=is_refresh,
        stock_on=stock_on,
    )


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


def staging_code(models: Path) -> str:
    """Hash of the code that staging was made by."""
    return _hash_of(models, ["models/staging", "macros"])


def _identity_hash(chain: Chain, key: ChainKey, models: Path) -> str:
    """Of everything that members depend on besides records: other rules or code make every one of them anew."""
    stores = [(s.store_code, s.lng, s.lat) for s in chain.stores]
    rules = repr((chain.rules.identity.hash, placeholder_tokens(chain, key), stores))
    folders = ["models/intermediate/identity", "models/marts/identity"]
    kernels = _hash_of(Path(__file__).parents[1], ["identity"])
    return hashlib.sha256(f"{rules}{_hash_of(models, folders)}{kernels}".encode()).hexdigest()[:16]


def _models_hash(chain: Chain, models: Path) -> str:
    """Of everything that facts and figures depend on besides records and what is compared night by night: where days
    end, the rules of metrics, points, commissions, markdowns and pairs, the models themselves."""
    ends = sorted((s.store_code, s.cutover_minutes) for s in chain.stores if s.cutover_minutes is not None)
    of = chain.rules
    rules = [rule.hash for rule in (of.metrics, of.ledger, of.commission, of.markdown, of.pairs)]
    high_margin = sorted(chain.rules.guards.high_margin_categories)
    made_of = repr((chain.timezone, chain.cutover_minutes, ends, rules, high_margin))
    code = _hash_of(models, ["models/intermediate", "models/marts"])
    return hashlib.sha256(f"{made_of}{code}".encode()).hexdigest()[:16]


def _hash_of(root: Path, folders: list[str]) -> str:
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(p for p in (root / folder).rglob("*") if p.suffix in (".sql", ".py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _raw_views(connection: duckdb.DuckDBPyConnection, chain: Chain) -> None:
    """One view per canonical feed over exactly the batches that are pending: all that the checks let through in a
    refresh, else those that staging does not know. Nothing reads what staging has digested."""
    lake = chain.paths.lake.as_posix()
    paths: dict[str, list[str]] = {}
    for kind, feed, path in connection.execute(
        "select kind, feed, lake_path from ops.files where status = 'loaded'"
        " and batch_id in (select batch_id from ops.pending_batches) order by batch_id"
    ).fetchall():
        paths.setdefault(f"{kind}__{feed}", []).append(f"{lake}/{path}")
    for kind in kinds():
        for feed in feeds_of(kind):
            raw_view(connection, kind, feed.name, paths.get(feed.table, []))


def raw_view(connection: duckdb.DuckDBPyConnection, kind: str, name: str, files: list[str]) -> None:
    """The raw view of one feed over these files of the lake."""
    feed = next(each for each in feeds_of(kind) if each.name == name)
    columns = [*feed.raw_columns(), "_extra", *_META]
    typed = dict.fromkeys(columns, "varchar") | {"_night": "date", "_row_no": "bigint"}
    body = "select " + ", ".join(f'null::{t} as "{n}"' for n, t in typed.items()) + " where false"
    if files:
        listed = ", ".join("'" + path.replace("'", "''") + "'" for path in files)
        names = ", ".join(f'"{column}"::{kind_} as "{column}"' for column, kind_ in typed.items())
        # a lake written before the contract had a column reads as null there, in whichever files lack it
        body = (
            f"select {names} from (select * from read_parquet([{listed}], union_by_name = true,"
            f" hive_partitioning = false) union all by name {body})"
        )
    connection.execute(f"create or replace view raw.{feed.table} as {body}")


def forget_later_counts(connection: duckdb.DuckDBPyConnection, as_of: date) -> None:
    """Lets staging digest every stock count again when an afternoon has shown it one that came after `as_of`."""
    seen = read_state(connection).get("counted_on")
    if seen is None or seen <= as_of.isoformat():
        return
    connection.execute(
        "delete from ops.digested_batches where batch_id in (select batch_id from ops.files where feed = 'stock')"
    )
    connection.execute("delete from staging.stg_pos__stock")
    connection.execute("delete from ops.state where name = 'counted_on'")


def write_tables(connection: duckdb.DuckDBPyConnection, night: Night) -> None:
    """Every ops table of a run, besides the pending batches."""
    as_of, lake = night.as_of, night.chain.paths.lake
    # decisions of an afternoon are published before its night: a run of the night before must not lose them
    upto = night.stock_on or decided_up_to(night.chain.paths, as_of)
    for table in TABLES:
        write(connection, table.name, table.arrow(night))
    connection.execute(
        "create or replace table ops.available_feeds as"
        " select kind, feed, connection, min(night) as first_night, max(night) as last_night from ops.files"
        f" where (status = 'loaded' and gated or status = 'empty') and night <= date '{as_of}'"
        " group by all order by all"
    )
    history = [load_candidate_history(lake, as_of), load_markdown_candidates(lake, upto)]
    write(connection, "candidate_history", pa.concat_tables(history), "order by all")
    write(connection, "push_events", load_push_events(lake, upto), "order by all")
    write(connection, "markdown_kept_plan", load_markdown(lake, "plan", upto), "order by all")
    write(connection, "markdown_kept_audience", load_markdown(lake, "audience", upto), "order by all")
    published_ids_view(connection, lake, as_of)
    set_state(connection, "attempted_as_of", as_of.isoformat())


def published_ids_view(connection: duckdb.DuckDBPyConnection, lake: Path, as_of: date) -> None:
    """ops.published_ids where they stand: they are as many as members, and a night asks for few of them."""
    files = ", ".join(
        "'" + path.as_posix().replace("'", "''") + "'" for path in member_ids_files(lake, as_of)
    )
    types = {pa.date32(): "date", pa.int32(): "integer", pa.bool_(): "boolean"}
    none = ", ".join(
        f"null::{types.get(column.type, 'varchar')} as {column.name}" for column in PUBLISHED_IDS
    )
    body = (
        f"from read_parquet([{files}], hive_partitioning = false)" if files else f"select {none} where false"
    )
    connection.execute(f"create or replace view ops.published_ids as {body}")
