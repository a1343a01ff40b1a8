"""A small world in DuckDB: raw feeds and rules as tables, the identity models of the real dbt project on top.

dbt compiles the models once a session; a world's nights run what it compiled, which takes a tenth of the time that dbt
takes to run it. A world made with `by_dbt` lets dbt run its nights, so that tests can hold one against the other.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt.cli.main import dbtRunner

from dagster_project.benchmarks.models import (
    Model,
    compiled_plan,
    made_of,
    reached,
    read_plan,
    write_plan,
)
from dagster_project.contracts import feeds_of, kinds
from dagster_project.orchestration.dbt_runner import IN_SILENCE, parsed_project, project_files
from dagster_project.publish.member_ids import changed_ids
from dagster_project.warehouse import digest_identity, digest_sales, ops_schemas
from tests.plans import run_plan

PROJECT = Path(__file__).parents[2] / "dbt"
MODELS = ("members", "record_members", "member_identifiers", "member_events", "identity_refusals")
MODELS += ("int_identity_redirects", "int_identity_ids", "identity_links", "member_redirects")
FACTS = ("orders", "order_lines", "refunds", "int_touched_days", "int_touched_members")
META = ("_connection", "_feed", "_batch_id", "_file", "_extra")


def manifest() -> Any:
    return parsed_project(project_files())


class World:
    """Arrivals are added night by night; `build` runs the models as a night would.

    `in_morsels`: each query is torn into small pieces for four threads, as only large tables are otherwise.
    """

    def __init__(
        self, folder: Path, plan: list[Model], *, by_dbt: bool = False, in_morsels: bool = False
    ) -> None:
        self.folder, self.plan, self.by_dbt, self.in_morsels = folder, plan, by_dbt, in_morsels
        self.path = folder / "warehouse.duckdb"
        self.rows = 0
        self.has_new_rules = False
        with self.open() as con:
            for schema in ("raw", "ops"):
                con.execute(f"create schema {schema}")
            for kind in kinds():
                for feed in feeds_of(kind):
                    columns = "".join(f'"{name}" varchar, ' for name in (*feed.raw_columns(), *META))
                    con.execute(f"create table raw.{feed.table} ({columns} _night date, _row_no bigint)")
            con.execute("create table ops.pending_batches (batch_id varchar)")
            con.execute(
                "create table ops.digested_identity_inputs (input_key bigint, fingerprint bigint, connection varchar,"
                " kind varchar, feed varchar, record_id varchar, namespace varchar, identifier varchar)"
            )
            con.execute("create table ops.digested_identity_ids (identifier_key bigint, member_id varchar)")
            con.execute(
                "create table ops.digested_sale_dimensions (dimension_no bigint, what varchar, connection varchar,"
                " name varchar, fingerprint bigint)"
            )
            con.execute("create table ops.digested_windows (days integer)")
            con.execute("create table ops.window_days (days integer)")
            con.execute(
                "create table ops.run_context as select date '2026-03-01' as_of_date, 240 cutover_minutes, 1::bigint run_seq"
            )
            con.execute("create table ops.placeholder_phones as select 'PLACEHOLDER' phone_token")
            con.execute(
                "create table ops.rule_identity as select 1 max_wechat_accounts_per_phone,"
                " 3 max_cards_per_phone, true use_wecom_remark, 2 payer_min_tickets, 2 payer_member_tickets, 4 max_phones_per_member,"
                " 90 number_silence_days, 45 reregister_gap_days, 7 former_link_min_days,"
                " 6 max_household_members, 2 two_places_times, 80 travel_kmh, 5 till_clock_minutes, 60 visit_minutes, 0.7 name_agreement_min_share, 30 name_agreement_min_pairs, true remark_needs_proof, 5000 home_store_max_m, 'h' rule_hash"
            )
            con.execute(
                "create table ops.rule_identity_health as select 5 suspect_min_people, 3.0::double suspect_factor,"
                " 4 suspect_tickets_a_day, 3 suspect_busy_days, 20 usual_min_identifiers, 3.0::double alarm_factor,"
                " 30 alarm_min_statements, 28 alarm_days, 7 alarm_min_days, 92 shown_days"
            )
            con.execute(
                "create table ops.identity_decisions (decision varchar, connection_a varchar, feed_a varchar,"
                " record_id_a varchar, connection_b varchar, feed_b varchar, record_id_b varchar, since date,"
                " decided_by varchar, why varchar, line integer)"
            )
            con.execute(
                "create table ops.stores as select * from (values"
                " ('S1', '一店', 121.40, 31.20, null::date, null::integer),"
                " ('S2', '二店', 121.45, 31.20, null::date, null::integer))"
                " as s(store_code, store_name, lng, lat, opened_on, cutover_minutes)"
            )

            for table, schema in ops_schemas().items():
                con.register("columns", schema.empty_table())
                con.execute(f"create table if not exists ops.{table} as select * from columns")
                con.unregister("columns")

    @contextmanager
    def open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        con = duckdb.connect(str(self.path))
        try:
            yield con
        finally:
            con.close()

    def arrive(self, night: str, connection: str, table: str, *rows: dict[str, Any]) -> None:
        """Rows of one file of `table` (e.g. pos__tickets); `phone="P1"` becomes a plain token and a mask."""
        feed = table.split("__")[1]
        with self.open() as con:
            for row in rows:
                self.rows += 1
                cells = {"_connection": connection, "_feed": feed, "_night": night, "_row_no": self.rows}
                cells |= {"_batch_id": f"{night}|{connection}|{feed}|{self.rows}", "_file": "f.csv"}
                for name, value in row.items():
                    if name in ("phone", "buyer_phone", "receiver_phone"):
                        cells |= {
                            f"{name}_token": value,
                            f"{name}_masked": f"mask {value}",
                            f"{name}_kind": "plain",
                        }
                    else:
                        cells[name] = value
                names = ", ".join(f'"{name}"' for name in cells)
                marks = ", ".join("?" for _ in cells)
                con.execute(f"insert into raw.{table} ({names}) values ({marks})", list(cells.values()))
                con.execute("insert into ops.pending_batches values (?)", [cells["_batch_id"]])

    def rule(self, name: str, value: Any) -> None:
        with self.open() as con:
            con.execute(f"update ops.rule_identity set {name} = ?", [value])
        self.has_new_rules = True

    def build(self, *, rebuild: bool = False) -> None:
        """Models up to members; afterwards nothing is pending. `rebuild` digests every batch anew; after a change of the
        rules all members are made anew, as the night does."""
        if self.has_new_rules and not rebuild:
            staged = {model.name for model in self.plan if ".staging." in model.relation.replace('"', "")}
            self.run(*MODELS, only=staged)
            self.run(*MODELS, without=staged, rebuild=True)
        else:
            self.run(*MODELS, rebuild=rebuild)
        self.has_new_rules = False
        with self.open() as con:
            con.execute("delete from ops.pending_batches")
            digest_identity(con)
            digest_sales(con)

    @property
    def night(self) -> str:
        """The night that the next build is for."""
        with self.open() as con:
            [(night,)] = con.execute("select as_of_date::varchar from ops.run_context").fetchall()
        return str(night)

    def as_of(self, night: str) -> None:
        with self.open() as con:
            con.execute("update ops.run_context set as_of_date = ?", [night])

    def publish(self) -> None:
        """Shows readers what was built: the ids of the night are known from then on."""
        night = date.fromisoformat(self.night)
        with self.open() as con:
            con.execute(f"create temp table shown as {changed_ids(night)}")
            con.execute("delete from ops.published_ids where night = ?", [night])
            con.execute("insert into ops.published_ids by name select * from shown")

    def remember(self, other: "World") -> None:
        """The rules, the decisions and the published ids of another world, and its night."""
        with self.open() as con:
            con.execute(f"attach '{other.path}' as other (read_only)")
            for table in ("run_context", "rule_identity", "identity_decisions", "published_ids"):
                con.execute(f"delete from ops.{table}")
                con.execute(f"insert into ops.{table} by name select * from other.ops.{table}")

    def run(
        self,
        *names: str,
        only: set[str] | None = None,
        without: set[str] | None = None,
        rebuild: bool = False,
    ) -> None:
        """Runs models and all that they are made of, or what `only` and `without` leave of these."""
        refs = {model.name: model.refs for model in self.plan}
        wanted = reached(names, lambda name: refs[name].keys() & refs.keys()) - (without or set())
        wanted &= only or wanted
        if self.by_dbt:
            self.dbt("run", "--select", *sorted(wanted), *(["--full-refresh"] if rebuild else []))
            return
        with self.open() as con:
            if self.in_morsels:
                con.execute("pragma verify_parallelism")
                con.execute("set threads = 4")
            run_plan(con, self.plan, wanted, rebuild=rebuild)

    def dbt(self, *command: str) -> None:
        os.environ["LINLI_WAREHOUSE"] = str(self.path)
        folders = {"project-dir": PROJECT, "profiles-dir": PROJECT}
        folders |= {"target-path": self.folder / "target", "log-path": self.folder / "logs"}
        options = [part for name, path in folders.items() for part in (f"--{name}", str(path))]
        result = dbtRunner(manifest=manifest()).invoke([*IN_SILENCE, *command, *options])
        failed = [
            (r.node.name, r.message) for r in result.result or () if r.status not in ("success", "pass")
        ]
        assert result.success, result.exception or failed

    def read(self, query: str) -> list[tuple[Any, ...]]:
        with self.open() as con:
            con.execute("set search_path = 'audit,intermediate,main'")
            return con.execute(query).fetchall()

    def member_of(self, feed: str, record_id: str) -> tuple[str | None, str]:
        """(member_id, basis) of one record."""
        [found] = self.read(
            f"select member_id, basis from record_members where feed = '{feed}' and record_id = '{record_id}'"
        )
        return found


def compiled(folder: Path) -> list[Model]:
    """The plan of everything that these tests build, compiled in an empty world."""
    world = World(folder, [])
    asked = (f"model.linli.{name}" for name in (*MODELS, *FACTS, "identity_suspects"))
    os.environ["LINLI_WAREHOUSE"] = str(world.path)
    return compiled_plan(
        folder, manifest(), made_of(manifest(), asked), "{}", lambda _: True, lambda _: False
    )


@pytest.fixture(scope="session")
def identity_plan(tmp_path_factory: pytest.TempPathFactory) -> list[Model]:
    """What dbt compiled, once for all workers of a session."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "identity_plan"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "plan.json").exists():
            write_plan(shared, compiled(tmp_path_factory.mktemp("identity_plan_of")))
    return read_plan(shared)


@pytest.fixture
def new_world(tmp_path: Path, identity_plan: list[Model]) -> Callable[..., World]:
    """Makes an empty world under a name of its own."""

    def make(name: str, **how: bool) -> World:
        folder = tmp_path / name
        folder.mkdir()
        return World(folder, identity_plan, **how)

    return make


@pytest.fixture(scope="session")
def world_in(identity_plan: list[Model]) -> Callable[[Path], World]:
    """Makes an empty world in a given folder, for fixtures that live longer than a test."""
    return lambda folder: World(folder, identity_plan)


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    return new_world("world")
