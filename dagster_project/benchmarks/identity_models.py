"""Runs the production identity models on the benchmark's world, without dbt in the timed process.

`build` makes an empty chain, lets dbt build it and writes down the compiled SQL of everything between
`int_identity_statements` and the identity marts, whatever models these are. `fill` puts the world where the landing
and staging would have put it, tonight's arrivals too. `resolve` runs what was written down: the seam that is timed.

Timed are the resolver's own models (what changed, `int_identity_claims`, what it needs beside them, all that follows),
the identity marts, and remembering it all for the next night. The search for suspect numbers
(intermediate/identity_health) reads the same statements, but belongs to the health of identifiers and depends on no
claim: `fill` runs it, untimed, as it does what staging feeds.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from graphlib import TopologicalSorter
from importlib.resources import files
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.benchmarks.identity_world import TONIGHT
from dagster_project.warehouse import digest_identity

START = "int_identity_statements"  # what the resolver starts from; written by `fill`, never computed
RESOLVER = "intermediate.identity"
MARTS = "marts.identity"  # what it has to end with: every model in this folder
RESULT = "record_members"
_DBT = Path(__file__).resolve().parents[2] / "dbt"
_KEY = b"b" * 32


@dataclass
class Model:
    """One model as the timed process needs it.

    cold, warm: SQL of a first and of a later build; a Python model has `path` instead. affected: the relation whose
    rows say what a later build takes out, by affected_columns. is_timed: the resolver's own, or made of what is.
    is_mart: a result.
    """

    name: str
    relation: str
    materialized: str
    unique_key: list[str]
    strategy: str
    affected: str
    affected_columns: list[str]
    language: str
    cold: str
    warm: str
    path: str
    refs: dict[str, str]
    config: dict[str, Any]
    is_timed: bool
    is_mart: bool


def listed_tokens() -> list[str]:
    """Tokens of the numbers that the packaged rules call placeholders, under the benchmark's key."""
    from dagster_project.config import packaged_chain
    from dagster_project.privacy import ChainKey
    from dagster_project.warehouse.ops import placeholder_tokens

    return placeholder_tokens(packaged_chain(), ChainKey(_KEY))


def build(folder: Path) -> list[str]:
    """Makes `folder`/chain with an empty warehouse and `folder`/plan.json; returns the names of the timed models."""
    # dbt and Dagster are imported here alone: the timed process needs neither
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    from dagster_project.config import load_chain
    from dagster_project.orchestration.dbt_runner import parsed_project, project_files, segment_variables
    from dagster_project.privacy import ChainKey
    from dagster_project.warehouse.prepare import prepare

    root = folder / "chain"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(str(files("dagster_project").joinpath("templates/chain")), root)
    chain = load_chain(root, resolve_secrets=False)
    prepare(chain, TONIGHT, ChainKey(_KEY), models=_DBT)
    os.environ["LINLI_WAREHOUSE"] = str(chain.paths.warehouse)
    variables = segment_variables(chain)
    manifest = parsed_project(variables, project_files())
    needed = _needed(manifest)
    try:
        _dbt(folder, manifest, ["run"], variables, needed)
        cold = _compiled(_dbt(folder, manifest, ["compile", "--full-refresh"], variables, needed))
        warm = _compiled(_dbt(folder, manifest, ["compile"], variables, needed))
    finally:
        DuckDBConnectionManager.close_all_connections()
    timed = _timed(manifest)
    plan = [
        _model(manifest, unique_id, cold, warm, is_timed=unique_id in timed)
        for unique_id in _in_order(manifest, needed)
        if manifest.nodes[unique_id].name != START and manifest.nodes[unique_id].fqn[1] != "staging"
    ]
    (folder / "plan.json").write_text(json.dumps([asdict(model) for model in plan]), "utf-8")
    return [model.name for model in plan if model.is_timed]


def _dbt(folder: Path, manifest: Any, command: list[str], variables: str, models: Iterable[str]) -> Any:
    from dbt.cli.main import dbtRunner

    target = folder / "target"
    target.mkdir(exist_ok=True)
    names = sorted(manifest.nodes[unique_id].name for unique_id in models)
    folders = ["--project-dir", str(_DBT), "--profiles-dir", str(_DBT)]
    folders += ["--target-path", str(target), "--log-path", str(target)]
    with (target / "dbt.out").open("a", encoding="utf-8") as chatter, redirect_stdout(chatter):
        outcome: Any = dbtRunner(manifest=manifest).invoke(
            [*command, "--quiet", "--vars", variables, *folders, "--select", *names]
        )
    if not outcome.success:
        failed = [
            f"{r.node.name}: {r.message}" for r in outcome.result or () if r.status not in ("success", "pass")
        ]
        raise RuntimeError(f"dbt {command[0]}: {outcome.exception or failed}")
    return outcome.result


def _compiled(results: Any) -> dict[str, str]:
    return {result.node.unique_id: result.node.compiled_code for result in results}


def _reached(starts: Iterable[str], beside: Callable[[str], Iterable[str]]) -> set[str]:
    """The starts and every model that can be come to from them, going from each to those beside it."""
    found = set(starts)
    queue = list(found)
    while queue:
        near = {name for name in beside(queue.pop()) if name.startswith("model.")} - found
        found |= near
        queue += near
    return found


def _timed(manifest: Any) -> set[str]:
    """What follows from the statements in the resolver's room and the marts', and whatever reads that."""

    def children(unique_id: str) -> Iterable[str]:
        return manifest.child_map.get(unique_id, ())

    start = f"model.linli.{START}"
    following = _reached([start], children) - {start}
    return _reached([u for u in following if _room(manifest.nodes[u]) in (RESOLVER, MARTS)], children)


def _needed(manifest: Any) -> set[str]:
    """The marts and every model they are made of."""
    marts = [u for u, node in manifest.nodes.items() if node.resource_type == "model" and _is_mart(node)]
    return _reached(marts, lambda unique_id: manifest.nodes[unique_id].depends_on.nodes)


def _room(node: Any) -> str:
    return ".".join(node.fqn[1:-1])


def _is_mart(node: Any) -> bool:
    return _room(node) == MARTS


def _in_order(manifest: Any, models: set[str]) -> list[str]:
    """Every model after those it reads; by name among equals, so that two plans of one project are equal."""
    sorter = TopologicalSorter({m: set(manifest.nodes[m].depends_on.nodes) & models for m in models})
    sorter.prepare()
    ordered: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        sorter.done(*ready)
        ordered += ready
    return ordered


def _model(
    manifest: Any, unique_id: str, cold: dict[str, str], warm: dict[str, str], *, is_timed: bool
) -> Model:
    node = manifest.nodes[unique_id]
    if node.config.pre_hook or node.config.post_hook:
        raise NotImplementedError(f"{node.name}: the benchmark runs no hooks")
    is_python = node.language == "python"
    key = node.config.unique_key or []
    keys = [key] if isinstance(key, str) else list(key)
    affected = node.config.meta.get("affected", "")
    parents = [
        manifest.nodes.get(name) or manifest.sources[name]
        for name in node.depends_on.nodes
        if _is_table(name)
    ]
    return Model(
        name=node.name,
        relation=node.relation_name or "",
        materialized=node.config.materialized,
        unique_key=keys,
        strategy=node.config.incremental_strategy or "append",
        affected=next(p.relation_name for p in parents if p.name == affected) if affected else "",
        affected_columns=node.config.meta.get("affected_columns", keys),
        language=node.language,
        cold="" if is_python else cold[unique_id],
        warm="" if is_python else warm[unique_id],
        path=node.original_file_path,
        refs={_ref_name(parent): parent.relation_name for parent in parents},
        config={name: value for name, value in node.config.to_dict().items() if _is_plain(value)},
        is_timed=is_timed,
        is_mart=_is_mart(node),
    )


def _is_table(unique_id: str) -> bool:
    return unique_id.split(".")[0] in ("model", "seed", "snapshot", "source")


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool | list)


def _ref_name(node: Any) -> str:
    return f"{node.source_name}.{node.name}" if node.resource_type == "source" else node.name


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
            {record}, records.record_id as order_id, store_code, split_part(openid, ':', 1) as appid,
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
            {record}, store_code, split_part(records.record_id, '|', 2) as ticket_id, 'sale' as kind, happened_at as sold_at,
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
    """The built warehouse with two threads and the world attached as `world`, read-only."""
    connection = duckdb.connect(str(folder / "chain" / "warehouse.duckdb"))
    connection.execute("set threads = 2; set enable_progress_bar = false; set timezone = 'Asia/Shanghai'")
    connection.execute(f"attach '{folder / 'world.duckdb'}' as world (read_only)")
    return connection


def fill(connection: duckdb.DuckDBPyConnection, folder: Path, night: str) -> None:
    """Statements and staging as they stand on `night`: `cold`, the one before, or `warm`, tonight.

    Models that the resolver reads beside the statements are run too; none of this is its work. A column that the
    world does not know stays null.
    """
    state = _STATE[night]
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
    run_models(connection, [m for m in _plan(folder) if not m.is_timed], night)
    connection.execute("checkpoint")


def _plan(folder: Path) -> list[Model]:
    return [Model(**model) for model in json.loads((folder / "plan.json").read_text("utf-8"))]


# ---- the timed part


def resolve(connection: duckdb.DuckDBPyConnection, folder: Path, night: str) -> Callable[[], str]:
    """Readies the production models; the returned function runs them and returns the relation that it filled.

    That has connection, feed, record_id and member_id, one row per record. `night`: `cold` builds all, `warm` as a
    night after a build does.
    """
    models = [model for model in _plan(folder) if model.is_timed]
    loaded = {model.name: _function(model) for model in models if model.language == "python"}
    # compiled code compiles itself on first use: on what the build before left in the tables
    for model in models:
        if model.language == "python":
            loaded[model.name](_Dbt(connection, model, is_later=False), connection)
    [result] = [model.relation for model in models if model.name == RESULT]

    def run() -> str:
        run_models(connection, models, night, loaded)
        digest_identity(connection)
        connection.execute("checkpoint")
        return result

    return run


def fingerprints(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, tuple[Any, ...]]:
    """Row count and order-free hash of every identity mart; equal for equal tables."""
    marts = [model for model in _plan(folder) if model.is_mart]
    return {
        model.name: connection.execute(
            f"select count(*), sum(hash(t)::hugeint), bit_xor(hash(t)) from {model.relation} as t"
        ).fetchall()[0]
        for model in marts
    }


def run_models(
    connection: duckdb.DuckDBPyConnection,
    models: list[Model],
    night: str,
    loaded: dict[str, Callable[..., Any]] | None = None,
) -> None:
    """Runs models in order, each stored as its materialisation says."""
    for model in models:
        if model.materialized == "ephemeral":
            continue  # dbt has put it into those that read it
        body = model.warm if night == "warm" else model.cold
        is_later = night == "warm" and model.materialized == "incremental"
        if model.language == "python":
            function = (loaded or {}).get(model.name) or _function(model)
            connection.register("bench_rows", function(_Dbt(connection, model, is_later), connection))
            body = "select * from bench_rows"
        _store(connection, model, body, is_later)
        if model.language == "python":
            connection.unregister("bench_rows")


def _store(connection: duckdb.DuckDBPyConnection, model: Model, body: str, is_later: bool) -> None:
    if model.materialized == "view":
        connection.execute(f"create or replace view {model.relation} as {body}")
    elif not is_later:
        if model.materialized not in ("table", "incremental"):
            raise NotImplementedError(f"{model.name}: materialised as {model.materialized}")
        connection.execute(f"create or replace table {model.relation} as {body}")
    else:
        connection.execute(f"create or replace temp table bench_arrivals as {body}")
        if model.strategy == "replaced":
            connection.execute(f"delete from {model.relation}")
        elif model.strategy == "affected":
            _delete(connection, model, model.affected, model.affected_columns)
        elif model.unique_key and model.strategy != "append":
            _delete(connection, model, "bench_arrivals", model.unique_key)
        connection.execute(f"insert into {model.relation} by name select * from bench_arrivals")
        connection.execute("drop table bench_arrivals")


def _delete(connection: duckdb.DuckDBPyConnection, model: Model, affected: str, columns: list[str]) -> None:
    pairs = zip(model.unique_key, columns, strict=True)
    # two keys that are null are one row's only where the rows themselves say what goes
    is_same = "=" if model.strategy == "affected" else "is not distinct from"
    same = " and ".join(f"kept.{mine} {is_same} affected.{theirs}" for mine, theirs in pairs)
    connection.execute(
        f"delete from {model.relation} as kept where exists (select 1 from {affected} as affected where {same})"
    )


def _function(model: Model) -> Callable[..., Any]:
    """`model` of a Python model's file."""
    spec = spec_from_file_location(model.name, _DBT / model.path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Callable[..., Any] = module.model
    return function


class _Config:
    """What `dbt.config` is to a Python model: called to declare, asked with `get`."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def __call__(self, **_declared: Any) -> None:
        return None

    def get(self, name: str, default: Any = None) -> Any:
        value = self._values.get(name)
        return default if value is None else value


class _Dbt:
    """The part of dbt's object that a Python model sees: ref, source, this, is_incremental, config."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, model: Model, is_later: bool) -> None:
        self._connection, self._model = connection, model
        self.config = _Config(model.config)
        self.this = model.relation
        self.is_incremental = is_later

    def ref(self, *names: str, **_: Any) -> duckdb.DuckDBPyRelation:
        return self._connection.sql(f"select * from {self._model.refs[names[-1]]}")

    def source(self, *names: str) -> duckdb.DuckDBPyRelation:
        return self._connection.sql(f"select * from {self._model.refs['.'.join(names)]}")
