"""Ten thousand histories of points and coupons through the real models, against books kept in plain Python.

Every town lives in the same warehouse. `LINLI_TOWNS` makes it larger: the benchmark runs 100,000.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from dbt.cli.main import dbtRunner

from dagster_project.contracts import feed
from dagster_project.orchestration.dbt_runner import IN_SILENCE
from dagster_project.warehouse import digest_sales
from tests.dbt.conftest import PROJECT, Warehouse
from tests.identity.conftest import manifest
from tests.ledger.towns import (
    BEGIN,
    EVENING,
    GROUP,
    MORNING,
    NIGHTS,
    NOON,
    POS,
    VALID_HOURS,
    Towns,
    minted,
    towns,
)
from tests.oracle.ledgers import balances, coupons, entries, posting_differences, reported_differences
from tests.oracle.log import Known

COUNT = int(os.environ.get("LINLI_TOWNS", "10000"))
FACTORS = {POS: 1000, GROUP: 500}
LEDGERS = ("points_ledger", "points_balances", "points_differences", "ledger_transfers")
LEDGERS += ("coupons", "coupon_ledger", "coupon_exceptions", "engagements")
# where the points of an entry come from or go to
OTHER_SIDES = {
    "earn": "issued",
    "spend": "spent",
    "expire": "expired",
    "adjust": "adjusted",
    "reverse": "reversed",
}
OTHER_SIDES |= {"lock": "locked", "release": "locked"}
_NOT_OURS = (
    "path:models/staging/identity",
    "path:models/intermediate/identity",
    "path:models/marts/identity",
)
_NOT_OURS += ("path:models/intermediate/identity_health",)
_KINDS = {POS: "pos", GROUP: "groupbuy"}
_NUMBER = "(md5_number_lower(connection || '|' || feed || '|' || record_id) >> 1)::bigint"
_ARRIVED = " union all ".join(
    f"select _connection as connection, '{kind}' as kind, _feed as feed, {key} as record_id, _batch_id as batch_id from raw.{table}"
    for kind, table, key in (
        ("pos", "pos__points", "entry_id"),
        ("pos", "pos__coupon_events", "event_id"),
        ("groupbuy", "groupbuy__coupon_events", "event_id"),
    )
)


class Books:
    """A warehouse in which the nights of all towns are kept; One ID's answers are given."""

    def __init__(self, folder: Path, world: Towns) -> None:
        self.folder, self.world = folder, world
        self.warehouse = Warehouse(folder / "warehouse.duckdb", as_of=NIGHTS[0])
        self.batches = 0
        about = {"tolerance_points": 0, "rule_hash": "l0"}
        self.warehouse.ops("rule_ledger", [about], replace=True)
        self.warehouse.ops(
            "point_factors", [{"connection": c, "factor_permille": f} for c, f in FACTORS.items()]
        )
        for template, hours in VALID_HOURS.items():
            rule = {"template_id": template, "valid_hours": hours, "amount_fen": 500, "rule_hash": "t0"}
            self.warehouse.ops("rule_coupon_templates", [rule])
        self.warehouse.ops(
            "available_feeds",
            [
                {
                    "kind": "pos",
                    "feed": "points",
                    "connection": POS,
                    "first_night": NIGHTS[0],
                    "last_night": NIGHTS[-1],
                }
            ],
        )

    def night(self, night: date, run_seq: int) -> None:
        """Files of the night, whose everything is by then, and the models. A later night is killed when half of its files
        had arrived, and everybody was somebody else."""
        with duckdb.connect(str(self.warehouse.path)) as con:
            con.execute("update ops.run_context set as_of_date = ?, run_seq = ?", [night, run_seq])
            con.execute("delete from ops.pending_batches")
        if night == NIGHTS[0]:
            self._arrive(night, self.world.rows(BEGIN))
            self._arrive(night, self.world.rows(night))
        else:
            files = self.world.rows(night)
            self._arrive(night, {name: rows[::2] for name, rows in files.items()})
            alone = {account: minted(account) for account in self.world.members[night]}
            self._own(alone)
            self.build()
            self._arrive(night, {name: rows[1::2] for name, rows in files.items()})
        self._own(self.world.members[night])
        self.build()
        with duckdb.connect(str(self.warehouse.path)) as con:
            con.execute("update ops.run_context set previous_as_of = as_of_date")
            digest_sales(con)

    def _arrive(self, night: date, files: Mapping[tuple[str, str], list[dict[str, Any]]]) -> None:
        with duckdb.connect(str(self.warehouse.path)) as con:
            for (connection, name), rows in files.items():
                if rows:
                    self._land(con, night, connection, name, rows)
            con.execute("create schema if not exists staging")
            con.execute(
                "create or replace table staging.stg_identity__arrivals as select distinct connection, kind, feed, record_id,"
                f" {_NUMBER} as record_key from ({_ARRIVED}) where batch_id in (select batch_id from ops.pending_batches)"
            )

    def _own(self, members: Mapping[tuple[str, str], str | None]) -> None:
        with duckdb.connect(str(self.warehouse.path)) as con:
            _owners(con, self.world, members)

    def _land(
        self,
        con: duckdb.DuckDBPyConnection,
        night: date,
        connection: str,
        name: str,
        rows: list[dict[str, Any]],
    ) -> None:
        self.batches += 1
        batch = f"{night}|{connection}|{name}|{self.batches:012d}"
        meta = {
            "_connection": connection,
            "_feed": name,
            "_night": night,
            "_batch_id": batch,
            "_file": "f.csv",
        }
        columns = sorted({column for row in rows for column in row})
        table = pa.table({column: [row.get(column) for row in rows] for column in columns})
        for column, value in meta.items():
            table = table.append_column(column, pa.array([value] * len(rows)))
        table = table.append_column("_row_no", pa.array(range(len(rows))))
        con.register("arrived", table)
        con.execute(f"insert into raw.{feed(_KINDS[connection], name).table} by name select * from arrived")
        con.execute("insert into ops.pending_batches values (?)", [batch])
        con.unregister("arrived")

    def build(self, *options: str) -> None:
        os.environ["LINLI_WAREHOUSE"] = str(self.warehouse.path)
        folders = {"project-dir": PROJECT, "profiles-dir": PROJECT}
        folders |= {"target-path": self.folder / "target", "log-path": self.folder / "logs"}
        result = dbtRunner(manifest=manifest()).invoke(
            [
                *(*IN_SILENCE, "run"),
                *("--select", "+path:models/marts/ledger", "+engagements"),
                *("--exclude", *_NOT_OURS),
                *options,
            ]
            + [part for name, path in folders.items() for part in (f"--{name}", str(path))]
        )
        failed = [(r.node.name, r.message) for r in result.result or () if r.status != "success"]
        assert result.success, result.exception or failed

    def read(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.warehouse.path)) as con:
            con.execute("set search_path = 'audit,intermediate'")
            return con.execute(query).fetchall()


def _owners(
    con: duckdb.DuckDBPyConnection, world: Towns, members: Mapping[tuple[str, str], str | None]
) -> None:
    """What One ID says in a night: whose every record is, and of which account each identifier is a node."""
    records = [(*record, members.get(account)) for record, account in world.accounts.items()]
    nodes = [
        (number, *account, minted(account), BEGIN, members[account]) for number, account in enumerate(members)
    ]
    con.execute("create schema if not exists audit; create schema if not exists intermediate")
    for table, names, more, rows in (
        (
            "int_record_recognitions",
            ("connection", "feed", "record_id", "member_id"),
            f", 'given' as kind, 'given' as basis, {_NUMBER} as record_key",
            records,
        ),
        (
            "int_identity_nodes",
            ("node_no", "namespace", "identifier", "minted_id", "first_seen_on", "member_id"),
            "",
            nodes,
        ),
    ):
        cells = list(zip(*rows, strict=True))
        con.register("given", pa.table(dict(zip(names, map(list, cells), strict=True))))
        con.execute(f"create or replace table intermediate.{table} as select *{more} from given")
        con.unregister("given")
    con.execute(
        "create or replace view audit.record_members as"
        " select connection, feed, record_id, member_id, basis from intermediate.int_record_recognitions"
    )
    con.execute(
        "create or replace table intermediate.int_identity_members as"
        " select * from intermediate.int_identity_nodes where member_id is not null"
    )
    con.execute(
        "create or replace table intermediate.int_identity_events as select 'merged' as kind,"
        " minted_id as other_member_id, member_id, date '2026-03-02' as occurred_on"
        " from intermediate.int_identity_members where minted_id <> member_id"
    )
    con.execute(
        "create or replace table intermediate.int_identity_redirects as select minted_id as retired_member_id,"
        " member_id, date '2026-03-02' as merged_on from intermediate.int_identity_members where minted_id <> member_id"
    )


@pytest.fixture(scope="module")
def world() -> Towns:
    return towns(COUNT, seed=5)


@pytest.fixture(scope="module")
def books(world: Towns, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Every ledger after each night, and after a rebuild of the last."""
    kept = Books(tmp_path_factory.mktemp("books"), world)
    found: dict[str, Any] = {}
    for turn, night in enumerate(NIGHTS, start=1):
        kept.night(night, turn)
        found[str(night)] = _state(kept)
    with duckdb.connect(str(kept.warehouse.path)) as con:
        con.execute("update ops.run_context set is_refresh = true")
    kept.build("--full-refresh")
    found["rebuilt"] = _state(kept)
    yield found


def _state(kept: Books) -> dict[str, list[dict[str, Any]]]:
    out = {}
    with duckdb.connect(str(kept.warehouse.path)) as con:
        for table in LEDGERS:
            cursor = con.execute(f"select * from audit.{table} order by all")
            names = [column[0] for column in cursor.description or ()]
            out[table] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return out


def _same(name: str, ours: Any, theirs: Any) -> None:
    one, other = Counter(ours), Counter(theirs)
    assert not one - other and not other - one, (
        name,
        sorted((one - other).elements(), key=repr)[:3],
        sorted((other - one).elements(), key=repr)[:3],
    )


@pytest.mark.parametrize("night", NIGHTS, ids=str)
def test_the_books_are_those_kept_by_hand(world: Towns, books: dict[str, Any], night: date) -> None:
    state = books[str(night)]
    known = Known(world.known(night), night, world.owners(night))
    factors = {connection: Decimal(factor) / 1000 for connection, factor in FACTORS.items()}
    _same(
        "entries",
        [
            (
                r["entry_id"],
                r["member_id"],
                r["account"],
                r["occurred_at"],
                r["kind"],
                r["points"],
                r["channel"],
            )
            for r in state["points_ledger"]
        ],
        [(e.entry_id, e.member, e.account, e.at, e.kind, e.points, e.channel) for e in entries(known)],
    )
    held = balances(known, factors)
    _same(
        "balances",
        [
            (r["member_id"], r["balance"], r["locked"], r["available"], r["pos_points"], r["groupbuy_points"])
            for r in state["points_balances"]
        ],
        [
            (m, b.balance, b.locked, b.available, b.by_channel["pos"], b.by_channel["groupbuy"])
            for m, b in held.items()
        ],
    )
    told = defaultdict(list)
    for row in state["points_differences"]:
        told[row["kind"]].append(row)
    _same(
        "below nothing",
        [(r["member_id"], r["business_date"]) for r in told.pop("negative_balance", [])],
        [(m, day) for m, b in held.items() for day in b.negative_days],
    )
    _same(
        "reported",
        [(r["account"], r["difference"]) for r in told.pop("balance", [])],
        [(f"{POS}:{card}", off) for card, off in reported_differences(known).items()],
    )
    nobody = {(e.account, POS if e.channel == "pos" else GROUP) for e in entries(known)
              if e.member is None and e.kind not in ("lock", "release")}  # fmt: skip
    _same("unowned", [(r["account"], r["connection"]) for r in told.pop("unowned", [])], nobody)
    _same(
        "postings",
        {(kind, _record_of(row)) for kind, rows in told.items() for row in rows},
        posting_differences(known),
    )
    lives = coupons(known, VALID_HOURS)
    _same(
        "coupons",
        [
            (
                r["coupon_code"],
                r["status"],
                r["template_id"] or "",
                r["member_id"],
                r["issued_at"],
                r["redeemed_at"],
            )
            for r in state["coupons"]
        ],
        [(c.code, c.status, c.template_id, c.holder, c.issued_at, c.redeemed_at) for c in lives.values()],
    )
    _same(
        "exceptions",
        [(r["coupon_code"], r["kind"], r["exception_id"].split("|")[4]) for r in state["coupon_exceptions"]],
        [(c.code, kind, record) for c in lives.values() for kind, record in c.exceptions],
    )
    assert {r["coupon_code"]: r["exceptions"] for r in state["coupons"]} == {
        c.code: len(c.exceptions) for c in lives.values()
    }


def _record_of(row: dict[str, Any]) -> str:
    """The ticket a difference is about."""
    if row["kind"] == "posted_twice":
        return f"S1|{row['difference_id'].split('|')[2]}"
    return "|".join(row["evidence"].split(",")[0].split("|")[2:4])


@pytest.mark.parametrize("night", NIGHTS, ids=str)
def test_the_trial_balance_comes_to_nothing(world: Towns, books: dict[str, Any], night: date) -> None:
    """What members hold and what nobody owns, as two published tables have them, against the other sides of all entries,
    as the log has them."""
    state = books[str(night)]
    other_sides: dict[str, Decimal] = defaultdict(Decimal)
    for entry in entries(Known(world.known(night), night, world.owners(night))):
        factor = Decimal(FACTORS[entry.entry_id.split("|")[0]]) / 1000
        other_sides[OTHER_SIDES[entry.kind]] -= entry.points * factor
    posted: dict[str, Decimal] = defaultdict(Decimal)
    for row in state["points_ledger"]:
        posted[row["counter_account"].split(":")[0]] -= row["chain_points"]
    assert posted == other_sides
    held = sum(row["balance"] for row in state["points_balances"])
    nobodys = sum(
        row["ledger"] * FACTORS[row["connection"]] / 1000
        for row in state["points_differences"]
        if row["kind"] == "unowned"
    )
    assert held + nobodys + sum(points for side, points in other_sides.items() if side != "locked") == 0
    assert held and nobodys


@pytest.mark.parametrize("night", NIGHTS, ids=str)
def test_a_member_holds_her_own_accounts_and_what_merges_moved(books: dict[str, Any], night: date) -> None:
    state = books[str(night)]
    alone: dict[str, Decimal] = defaultdict(Decimal)
    sign = {"issued": 1, "spent": -1, "expired": -1}
    for row in state["points_ledger"]:
        other = row["counter_account"].split(":")[0]
        assert row["points"] * sign.get(other, 0) >= 0
        assert row["chain_points"] == row["points"] * FACTORS[row["connection"]] / 1000
        if other != "locked" and row["member_id"] is not None:
            namespace = "pos_member" if row["account"].startswith(POS) else "openid"
            alone[minted((namespace, row["account"]))] += row["chain_points"]
    sides: dict[str, Decimal] = defaultdict(Decimal)
    for row in state["ledger_transfers"]:
        moved = row["points"] if row["what"] == "points" else Decimal(row["coupons"])
        sides[row["transfer_id"].rsplit("|", 1)[0]] += moved
        if row["what"] == "points":
            alone[row["from_member_id"] if row["points"] * _way(row) < 0 else row["to_member_id"]] += moved
    assert not any(sides.values())
    held = {r["member_id"]: r["balance"] for r in state["points_balances"]}
    assert {m: p for m, p in held.items() if p} == {m: p for m, p in alone.items() if p}
    assert len(sides) > COUNT / 10


def _way(row: dict[str, Any]) -> int:
    """1 when the side that left is the negative one: of an account below nothing it is the other way round."""
    return 1 if row["transfer_id"].endswith("|out") == (row["points"] < 0) else -1


def test_night_by_night_ends_where_a_rebuild_does(books: dict[str, Any]) -> None:
    for table in LEDGERS:
        last, rebuilt = (Counter(map(repr, books[turn][table])) for turn in (str(NIGHTS[-1]), "rebuilt"))
        assert last == rebuilt, (table, list(last - rebuilt)[:2], list(rebuilt - last)[:2])


def test_an_older_posting_that_arrives_late_moves_where_the_ledger_begins(books: dict[str, Any]) -> None:
    of_the_day = {f"S1|{ticket}" for ticket in (MORNING, NOON, EVENING)}
    for night, told in zip(NIGHTS, (set(), {f"S1|{EVENING}"}), strict=True):
        missing = [r for r in books[str(night)]["points_differences"] if r["kind"] == "earn_not_posted"]
        assert {_record_of(row) for row in missing} & of_the_day == told


def test_everything_that_can_happen_did(books: dict[str, Any]) -> None:
    """A world in which nothing is wrong proves nothing."""
    state = books[str(NIGHTS[-1])]
    assert {r["kind"] for r in state["points_ledger"]} == {
        *("earn", "spend", "adjust", "expire", "reverse", "lock", "release"),
    }
    assert {r["kind"] for r in state["points_differences"]} == {
        *("balance", "earn_not_posted", "spend_not_posted", "amount_differs", "reversal_not_posted"),
        *("posted_twice", "unowned", "negative_balance"),
    }
    assert {r["kind"] for r in state["coupon_exceptions"]} == {
        *("redeemed_twice", "after_expiry", "before_issue", "other_member", "never_issued", "after_void"),
        *("issued_twice", "holder_unknown", "use_not_posted"),
    }
    assert {r["status"] for r in state["coupons"]} == {"issued", "locked", "redeemed", "expired", "voided"}
