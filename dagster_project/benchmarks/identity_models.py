"""Runs the production identity models on the benchmark's world, without dbt in the timed process.

`build` makes an empty chain, lets dbt build it and writes down the compiled SQL of everything between
`int_identity_statements` and the identity marts, whatever models these are. `fill` puts the world where the landing
and staging would have put it, tonight's arrivals too. `resolve` runs what was written down: the seam that is timed.

Timed are the resolver's own models (what changed, `int_identity_claims`, what it needs beside them, all that follows),
the identity marts, and remembering it all for the next night. The search for suspect numbers
(intermediate/identity_health) reads the same statements and depends on no claim: `search` runs it, timed apart. Not
timed are staging (sightings included), the statements themselves, and what facts need of sales: `fill` runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.benchmarks.identity_world import TONIGHT
from dagster_project.benchmarks.models import (
    KEY,
    DbtOf,
    compiled_plan,
    empty_chain,
    fingerprints_of,
    made_of,
    packaged_variables,
    parsed,
    python_function,
    reached,
    read_plan,
    run_models,
    set_as_profile,
    write_plan,
)
from dagster_project.lake.member_ids import member_ids_path
from dagster_project.publish.member_ids import changed_ids
from dagster_project.warehouse import digest_identity
from dagster_project.warehouse.prepare import published_ids_view

HEALTH = "models/intermediate/identity_health/"
START = "int_identity_statements"  # what the resolver starts from; written by `fill`, never computed
RESOLVER = "intermediate.identity"
MARTS = "marts.identity"  # what it has to end with: every model in this folder
IDS = "int_identity_ids"
RESULT = "record_members"


def listed_tokens() -> list[str]:
    """Tokens of the numbers that the packaged rules call placeholders, under the benchmark's key."""
    from dagster_project.config import packaged_chain
    from dagster_project.privacy import ChainKey
    from dagster_project.warehouse.ops import placeholder_tokens

    return placeholder_tokens(packaged_chain(), ChainKey(KEY))


def build(folder: Path) -> list[str]:
    """Makes `folder`/chain with an empty warehouse and `folder`/plan.json; returns the names of the timed models."""
    chain = empty_chain(folder, TONIGHT)
    variables = packaged_variables(chain)
    with parsed(chain.paths.warehouse) as manifest:
        timed = _timed(manifest)
        plan = [
            model
            for model in compiled_plan(
                folder, manifest, _needed(manifest), variables, lambda unique_id: unique_id in timed, _is_mart
            )
            if model.name != START and ".staging." not in model.relation.replace('"', "")
        ]
    write_plan(folder, plan)
    return [model.name for model in plan if model.is_timed]


def _timed(manifest: Any) -> set[str]:
    """What follows from the statements in the resolver's room and the marts', and whatever reads that."""

    def children(unique_id: str) -> Iterable[str]:
        return (name for name in manifest.child_map.get(unique_id, ()) if name.startswith("model."))

    start = f"model.linli.{START}"
    following = reached([start], children) - {start}
    return reached([u for u in following if _room(manifest.nodes[u]) in (RESOLVER, MARTS)], children)


def _needed(manifest: Any) -> set[str]:
    """The marts, the ids that publishing remembers, and every model they are made of."""
    marts = [u for u, node in manifest.nodes.items() if node.resource_type == "model" and _is_mart(node)]
    return made_of(manifest, [*marts, f"model.linli.{IDS}"])


def _room(node: Any) -> str:
    return ".".join(node.fqn[1:-1])


def _is_mart(node: Any) -> bool:
    return _room(node) == MARTS


# ---- the world, where landing and staging would have put it

_STATE = {"cold": "not tonight", "warm": "not revoked"}  # what holds on the night before, and tonight
_SEEN = {"cold": "not tonight", "warm": "true"}  # what was ever seen by then
_ARRIVED = {"cold": "false", "warm": "tonight or revoked"}

_ROWS = {
    "intermediate.int_identity_statements": "select *, {record_key} from world.statements where {state}",
    "staging.stg_identity__sightings": """
        select
            *, case when revoked then date '{tonight}' - 1 else first_seen_on end as last_seen_on,
            cast(md5_number_lower(namespace || ':' || identifier) >> 1 as bigint) as identifier_key, {record_key}
        from world.statements where {seen}""",
    "staging.stg_identity__arrivals": """
        select distinct connection, kind, feed, record_id, {record_key} from world.statements where {arrived}""",
    "staging.stg_pos__members": """
        select
            {record}, records.record_id as member_ref, {phone}, split_part(openid, ':', 1) as wx_appid,
            split_part(openid, ':', 2) as wx_openid, store_code as home_store, happened_at as created_at,
            happened_at as updated_at, person % 3 = 0 as consent_marketing, happened_at as consent_at, unionid,
            name_token
        from {told} where records.feed = 'members'""",
    "staging.stg_groupbuy__users": """
        select
            {record}, split_part(records.record_id, '|', 1) as appid, split_part(records.record_id, '|', 2) as openid, unionid,
            {phone}, case when is_verified then happened_at end as phone_verified_at, happened_at as registered_at,
            121 + person % 997 / 1000.0 as lng, 31 + person % 991 / 1000.0 as lat, happened_at as updated_at
        from {told} where records.feed = 'users'""",
    "staging.stg_groupbuy__orders": """
        select
            {record}, {sale_no}, records.record_id as order_id, store_code, split_part(openid, ':', 1) as appid,
            split_part(openid, ':', 2) as openid, unionid, phone as buyer_phone_token, masked as buyer_phone_masked,
            case when phone is not null then 'plain' end as buyer_phone_kind, true as phone_verified,
            happened_at as created_at, happened_at as paid_at, 'paid' as status, 2000 as order_amount_fen,
            happened_at as updated_at, name_token as receiver_name_token
        from {told} where records.feed = 'orders'""",
    "staging.stg_wecom__contacts": """
        select
            {record}, 'staff' as userid, records.record_id as external_userid, unionid, {phone}, happened_at as createtime,
            (phone is not null)::integer as remark_phone_count, name_token as remark_name_token
        from {told} where records.feed = 'contacts'""",
    "staging.stg_pos__tickets": """
        select
            {record}, {sale_no}, store_code, split_part(records.record_id, '|', 2) as ticket_id, 'sale' as kind, happened_at as sold_at,
            1000 as gross_fen, 0 as discount_fen, 1000 as net_fen, split_part(card, ':', 2) as member_ref, {phone},
            split_part(payer, ':', 1) as pay_appid, split_part(payer, ':', 2) as pay_openid
        from {told} where records.feed = 'tickets'""",
}  # fmt: skip

_PARTS = {
    "record_key": "cast(md5_number_lower(connection || '|' || feed || '|' || record_id) >> 1 as bigint) as record_key",
    "record": """
        records.connection || '|' || records.feed || '|' || records.record_id as row_key, row_key as record_key, records.record_id,
        records.connection, arrived_on, arrived_on as first_arrived_on, 'bench.csv' as file_name, records.record as row_no,
        arrived_on || '|' || records.connection as batch_id""",
    "sale_no": "cast(md5_number_lower(row_key) >> 1 as bigint) as sale_no",
    "phone": "phone as phone_token, masked as phone_masked, case when phone is not null then 'plain' end as phone_kind",
    "told": "(select * from world.records where {records_state}) as records inner join told using (record)",
}  # fmt: skip

_TOLD = """
create or replace temp table told as
select
    record,
    -- what was withdrawn tonight came with a new version
    case when record in (select record from world.statements where revoked and {arrived}) then date '{tonight}'
    else min(first_seen_on) end as arrived_on,
    min(identifier) filter (namespace = 'phone') as phone, min(masked) as masked,
    min(identifier) filter (namespace = 'openid' and role = 'own') as openid,
    min(identifier) filter (role = 'payer') as payer, min(identifier) filter (namespace = 'unionid') as unionid,
    min(identifier) filter (namespace = 'pos_member') as card, bool_or(basis = 'verified_phone') as is_verified
from world.statements
where {state} and ended_at is null
group by record
"""

_STORES = """
insert into ops.stores by name
select
    printf('S%03d', i) as store_code, store_code as store_name, 121 + i % 7 / 7.0 as lng, 31 + i // 7 / 7.0 as lat,
    null::date as opened_on
from range(50) as t(i)
where store_code not in (select store_code from ops.stores)
"""


def open_warehouse(folder: Path) -> duckdb.DuckDBPyConnection:
    """The built warehouse as a night opens it, with two threads and the world attached as `world`, read-only."""
    connection = duckdb.connect(str(folder / "chain" / "warehouse.duckdb"))
    set_as_profile(connection)
    connection.execute("set threads = 2")
    connection.execute(f"attach '{folder / 'world.duckdb'}' as world (read_only)")
    return connection


def fill(connection: duckdb.DuckDBPyConnection, folder: Path, night: str) -> None:
    """Statements and staging as they stand on `night`: `cold`, the one before, or `warm`, tonight.

    Models that the resolver reads beside the statements are run too, but for the search for suspects; none of this is
    its work. A column that the world does not know stays null. What the night before made is published by then.
    """
    state = _STATE[night]
    if night == "warm":
        _publish(connection, folder / "chain" / "lake", TONIGHT - timedelta(days=1))
    parts = {
        name: text.replace("{records_state}", "true" if night == "warm" else state)
        for name, text in _PARTS.items()
    }
    connection.execute(_STORES)
    known = {"state": state, "seen": _SEEN[night], "arrived": _ARRIVED[night], "tonight": TONIGHT}
    connection.execute(_TOLD.format(**known))
    for table, rows in _ROWS.items():
        query = rows.format(**known, **parts)
        given = {column for column, *_ in connection.execute(f"describe {query}").fetchall()}
        wanted = [
            column for column, *_ in connection.execute(f"describe {table}").fetchall() if column in given
        ]
        connection.execute(f"delete from {table}")
        connection.execute(f"insert into {table} by name select {', '.join(wanted)} from ({query})")
    connection.execute(
        "create or replace table ops.pending_batches as"
        " select batch_id from staging.stg_pos__tickets union select batch_id from staging.stg_groupbuy__orders"
    )
    connection.execute("delete from ops.pending_batches where batch_id not like ?", [f"{TONIGHT}%"])
    beside = [m for m in read_plan(folder) if not m.is_timed and not m.path.startswith(HEALTH)]
    run_models(connection, beside, night)
    connection.execute("checkpoint")


def _publish(connection: duckdb.DuckDBPyConnection, lake: Path, night: date) -> None:
    path = member_ids_path(lake, night)
    path.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(f"copy ({changed_ids(night)}) to '{path}' (format parquet)")
    published_ids_view(connection, lake, night)


# ---- the timed part


def search(connection: duckdb.DuckDBPyConnection, folder: Path, night: str) -> Callable[[], None]:
    """Readies the search for numbers that are nobody's own, which goes before `resolve`; the returned function runs it.

    Raises:
        LookupError: the plan has no such models, so that nothing would be timed.
    """
    models = [model for model in read_plan(folder) if model.path.startswith(HEALTH)]
    if not models:
        raise LookupError(f"no model of {HEALTH} feeds the resolver")

    def run() -> None:
        run_models(connection, models, night)
        connection.execute("checkpoint")

    return run


def resolve(connection: duckdb.DuckDBPyConnection, folder: Path, night: str) -> Callable[[], str]:
    """Readies the production models; the returned function runs them and returns the relation that it filled.

    That has connection, feed, record_id and member_id, one row per record. `night`: `cold` builds all, `warm` as a
    night after a build does.
    """
    models = [model for model in read_plan(folder) if model.is_timed]
    loaded = {model.name: python_function(model) for model in models if model.language == "python"}
    # compiled code compiles itself on first use: on what the build before left in the tables
    for model in models:
        if model.language == "python":
            loaded[model.name](DbtOf(connection, model, is_later=False), connection)
    [result] = [model.relation for model in models if model.name == RESULT]

    def run() -> str:
        run_models(connection, models, night, loaded)
        digest_identity(connection)
        connection.execute("checkpoint")
        return result

    return run


def fingerprints(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, tuple[Any, ...]]:
    """Row count and order-free hash of every identity mart; equal for equal tables."""
    return fingerprints_of(connection, [model for model in read_plan(folder) if model.is_mart])
