"""Commission, incentives and settlements of thousands of random forests of recommenders, against the oracle."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from dbt.cli.main import dbtRunner

from dagster_project.orchestration.dbt_runner import IN_SILENCE, parsed_project, project_files
from tests.koc.forests import LEADERS, NIGHT, READINGS, STAFF, STORES, World
from tests.oracle import commissions as oracle
from tests.oracle import incentives, koc
from tests.oracle.log import Known

PROJECT = Path(__file__).parents[2] / "dbt"
MODELS = (
    *(
        "int_invite_accounts",
        "koc",
        "koc_evidence",
        "invite_codes",
        "int_inviters",
        "int_referrals",
        "int_koc_answers",
    ),
    *("commissions", "commission_refusals", "commission_statements", "koc_ranking", "int_group_joins"),
    *("staff_incentives", "int_leader_earnings", "leader_contributions", "settlements"),
)
FORESTS = 3000
KOC = koc.Rules(fewest_fen=2000, fewest_shares=1)
COMMISSION: dict[str, Any] = {
    "koc_level1_bp": 1500, "koc_level2_bp": 500, "koc_refund_window_days": 7, "koc_require_koc": True,
    "koc_attribution": "invite_code", "koc_max_circle": 16, "koc_refuse_shared_phone": True, "cashier_join_fen": 200, "cashier_stay_days": 7,
    "cashier_first_order_fen": 300, "cashier_first_order_days": 30, "cashier_scenes": "1,2,3",
    "leader_groupbuy_bp": 800, "leader_counter_bp": 100, "leader_bind_days": 20, "rule_hash": "r",
}  # fmt: skip


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """Relation and SQL of each model, in the order of building."""
    folder = tmp_path_factory.mktemp("compiled")
    os.environ["LINLI_WAREHOUSE"] = str(folder / "warehouse.duckdb")
    options = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    options += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    outcome = dbtRunner(manifest=parsed_project(project_files())).invoke(
        [*IN_SILENCE, "compile", "--select", *MODELS, *options]
    )
    assert outcome.success, outcome.exception
    results: Any = outcome.result
    nodes = {r.node.name: r.node for r in results}
    return {name: (f"{nodes[name].schema}.{name}", nodes[name].compiled_code) for name in MODELS}


class Chain:
    """A warehouse with the inputs of one world, and the models built on it."""

    def __init__(
        self, path: Path, world: World, compiled: Mapping[str, tuple[str, str]], **rule: Any
    ) -> None:
        self.world = world
        self.rule = COMMISSION | rule
        self.known = Known(world.events, NIGHT, world.members)
        self.con = duckdb.connect(str(path / "warehouse.duckdb"))
        self._fill()
        for relation, sql in compiled.values():
            self.con.execute(f"create table {relation} as {sql}")
        terms = oracle.Terms(
            require_koc=self.rule["koc_require_koc"],
            attribution=tuple(self.rule["koc_attribution"].split(",")),
        )
        self.books = oracle.books(self.known, terms, KOC, world.retired, world.held)

    def _fill(self) -> None:
        con = self.con
        for schema in ("ops", "staging", "intermediate", "audit"):
            con.execute(f"create schema {schema}")
        rule = {"spend_30d_fen": KOC.fewest_fen, "shares_30d": KOC.fewest_shares, "rule_hash": "k"}
        rule |= {"max_complaints": 0, "silent_share_days": KOC.silent_share_days}
        shares = sorted(e.night for e in self.world.events if e.kind == "share" and e.night)
        feed = {"kind": "groupbuy", "feed": "shares", "connection": "g"}
        tables = {
            **self.world.tables,
            "ops.rule_commission": [self.rule],
            "ops.rule_koc": [rule],
            "ops.run_context": [{"as_of_date": NIGHT, "cutover_minutes": 240}],
            "ops.available_feeds": [{**feed, "first_night": shares[0], "last_night": shares[-1]}],
        }
        for name, rows in tables.items():
            con.register("rows", pa.Table.from_pylist(rows))
            con.execute(f"create table {name} as select * from rows")
            con.unregister("rows")
        con.execute(
            "create table intermediate.int_orders as select *, md5_number_lower(order_key) >> 1 as order_no, "
            "(md5_number_lower(member_id) >> 1)::bigint as member_no from raw_orders"
        )
        con.execute(
            "create table intermediate.int_refunds as select *, md5_number_lower(order_key) >> 1 as order_no from raw_refunds"
        )
        spent = "business_date > date '" + str(NIGHT) + "' - 30 and is_purchase"
        con.execute(
            f"""create or replace table audit.member_metrics as
            select date '{NIGHT}' as as_of_date, member_id, coalesce(sum(spend_fen) filter ({spent}), 0)::bigint as spend_30d_fen
            from audit.member_metrics left join intermediate.int_orders using (member_id) group by member_id"""
        )

    def rows(self, sql: str, key: int) -> dict[Any, Any]:
        return {tuple(row[:key]): tuple(row[key:]) for row in self.con.execute(sql).fetchall()}


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, compiled: dict[str, tuple[str, str]]) -> Chain:
    return Chain(tmp_path_factory.mktemp("forests"), World(1, FORESTS), compiled)


def differences(mine: Mapping[Any, Any], theirs: Mapping[Any, Any]) -> list[Any]:
    keys = sorted(set(mine) | set(theirs), key=str)
    return [(key, mine.get(key), theirs.get(key)) for key in keys if mine.get(key) != theirs.get(key)][:5]


_ENTRIES = """select order_key, beneficiary_member_id, level, entry_no, base_fen, amount_fen, status, business_date, due_on,
    koc_at_order, month from audit.commissions"""
_REFUSALS = "select order_key, level, beneficiary_member_id, reason from audit.commission_refusals"


def agree_on_commission(chain: Chain) -> None:
    entries = {
        key: (e.base, e.amount, e.status, e.day, e.due_on, e.koc, e.month)
        for key, e in chain.books.entries.items()
    }
    assert differences(entries, chain.rows(_ENTRIES, 4)) == []
    assert differences(chain.books.refusals, chain.rows(_REFUSALS, 2)) == []


def test_every_entry_and_refusal_is_the_oracle_s(chain: Chain) -> None:
    agree_on_commission(chain)
    # and the forests hold every case
    assert {reason for _, reason in chain.books.refusals.values()} == {
        *("self", "duplicate_account", "circular", "not_koc", "unknown_code", "shared_code", "test_order"),
    }
    statuses = Counter((e.status, e.koc) for e in chain.books.entries.values())
    wanted = {
        ("due", "yes"),
        ("pending", "yes"),
        ("pending", "unknown"),
        ("clawed_back", "yes"),
        ("clawed_back", "unknown"),
    }
    assert wanted == statuses.keys() and min(statuses.values()) > 20
    assert max(number for *_, number in chain.books.entries) >= 2


@pytest.mark.parametrize("attribution", ["sharer,invite_code", "inviter,sharer"])
def test_other_ways_to_bring_an_order(
    attribution: str, tmp_path: Path, compiled: dict[str, tuple[str, str]]
) -> None:
    chain = Chain(tmp_path, World(2, 300), compiled, koc_attribution=attribution, koc_require_koc=False)
    agree_on_commission(chain)
    assert {e.koc for e in chain.books.entries.values()} == {"yes", "no", "unknown"}


def test_statements_add_up_to_the_fen(chain: Chain) -> None:
    found = chain.rows(
        "select month, beneficiary_member_id, orders, level1_fen, level2_fen, clawed_back_fen, pending_fen, due_fen "
        "from audit.commission_statements",
        2,
    )
    mine = {
        key: (s.orders, s.level_1, s.level_2, s.clawed_back, s.pending, s.due)
        for key, s in oracle.statements(chain.books).items()
    }
    assert differences(mine, found) == []
    sums: Counter[tuple[str, str]] = Counter()
    for (_, member, _, _), row in chain.rows(_ENTRIES, 4).items():
        sums[row[-1], member] += row[1]
    for key, (_, level_1, level_2, back, pending, due) in found.items():
        assert level_1 + level_2 + back == pending + due == sums[key], key


def test_what_an_order_earned_in_all_is_the_share_of_what_is_left_of_it(chain: Chain) -> None:
    given_back = oracle.refund_days(chain.known)
    earned: dict[tuple[str, int], int] = defaultdict(int)
    payees: dict[tuple[str, int], set[str]] = defaultdict(set)
    for (order, member, level, _), row in chain.rows(_ENTRIES, 4).items():
        earned[order, level] += row[1]
        payees[order, level].add(member)
    for (order, level), amount in earned.items():
        one = chain.known.bought[order]
        left = max(0, one.net - sum(given_back.get(order, {}).values()))
        assert amount == oracle.half_up(left, 1500 if level == 1 else 500), order
        assert len(payees[order, level]) == 1 and one.member not in payees[order, level]


def test_the_ranking_and_the_recommenders_are_the_oracle_s(chain: Chain) -> None:
    ranked = (
        "select month, place, member_id, brought_orders, brought_fen, commission_fen from audit.koc_ranking"
    )
    found = chain.rows(ranked, 2)
    assert differences(oracle.ranking(chain.books), found) == []
    per_month = Counter(month for month, _ in found)
    assert all(
        {place for month, place in found if month == one} == set(range(1, n + 1))
        for one, n in per_month.items()
    )
    answers = koc.koc(chain.known, KOC)
    people = chain.rows("select member_id, spend_30d_fen, shares_30d, complaints, eligible from audit.koc", 1)
    mine = {(m,): (k.spend, k.shares, k.complaints, k.eligible) for m, k in answers.items()}
    assert differences(mine, {key: row for key, row in people.items() if key in mine}) == []
    assert {row[-1] for key, row in people.items() if key not in mine} == {"no"}
    assert Counter(row[-1] for row in people.values())["yes"] > 100


def test_evidence_is_the_oracle_s(chain: Chain) -> None:
    rows = chain.con.execute("select member_id, kind, ref from audit.koc_evidence").fetchall()
    found = {(m, kind, ref if kind == "order" else ref.split("|", 2)[2]) for m, kind, ref in rows}
    mine = {
        (member, *what)
        for member, one in koc.koc(chain.known, KOC).items()
        if one.eligible != "no"
        or one.spend >= KOC.fewest_fen
        or any(kind != "order" for kind, _ in one.evidence)
        for what in one.evidence
    }
    assert found == mine and {kind for _, kind, _ in found} == {"order", "share", "complaint"}


def test_cashiers_leaders_and_shops_are_the_oracle_s(chain: Chain) -> None:
    staff = [incentives.Staff(*row) for row in sorted(STAFF, key=lambda row: row[:2])]
    leaders = {row[:2] for row in LEADERS}
    terms = incentives.Terms(bind_days=20)
    credited = incentives.staff_credits(chain.known, READINGS, staff, STORES, terms)
    mine: dict[Any, Any] = {
        k: (c.store_code, c.joined, c.stayed, c.first_orders, c.amount) for k, c in credited.items()
    }
    found = chain.rows(
        "select month, connection, staff_id, store_code, joined_members, stayed_members, first_orders, amount_fen "
        "from audit.staff_incentives",
        3,
    )
    assert differences(mine, found) == [] and sum(row[2] for row in found.values()) > 100
    mine = {
        k: (len(c.members), c.groupbuy_orders, c.groupbuy_fen, c.refund_fen, c.counter_orders, c.counter_fen,
            c.commission, c.counter_commission)
        for k, c in incentives.leader_contributions(chain.known, leaders, terms).items()
    }  # fmt: skip
    found = chain.rows(
        "select month, connection, leader_id, members, groupbuy_orders, groupbuy_fen, refund_fen, counter_orders, "
        "counter_fen, commission_fen, counter_commission_fen from audit.leader_contributions",
        3,
    )
    assert differences(mine, found) == []
    settled = incentives.settlements(chain.known, chain.books, credited, leaders, terms)
    mine = {
        k: (s.sales, s.refund, s.sales - s.refund, s.commission, s.incentive, s.due)
        for k, s in settled.items()
    }
    found = chain.rows(
        "select month, party_kind, party_id, sales_fen, refund_fen, net_fen, commission_fen, incentive_fen, due_fen "
        "from audit.settlements",
        3,
    )
    assert differences(mine, found) == []


def test_shops_settle_all_that_is_earned(chain: Chain) -> None:
    [(shops, leaders, earned, brought, incentive, credited)] = chain.con.execute(
        """select
            (select sum(commission_fen) from audit.settlements where party_kind = 'shop'),
            (select sum(due_fen) from audit.settlements where party_kind = 'leader'),
            (select sum(commission_fen + counter_commission_fen) from audit.leader_contributions),
            (select sum(amount_fen) from audit.commissions),
            (select sum(incentive_fen) from audit.settlements),
            (select sum(amount_fen) from audit.staff_incentives)"""
    ).fetchall()
    assert leaders == earned and shops == earned + brought and incentive == credited
