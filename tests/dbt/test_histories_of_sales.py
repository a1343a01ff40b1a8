"""Sales over seeded random histories: whatever arrives in whatever order, and wherever a night is killed, facts are what
a build of everything makes of the same arrivals, and what changed was announced.

A warehouse holds many towns: a few tickets, orders, products and people whose numbers nobody else has, so that one run
of the models proves as many histories as there are towns. Nights run what dbt compiled, and dbt itself makes the build of
everything that they are held against. Whose a sale is, is given: One ID is tested elsewhere.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from dbt.contracts.graph.manifest import Manifest

from dagster_project.benchmarks.models import Model, compiled_plan
from dagster_project.warehouse import digest_sales
from tests.plans import run_plan

Row = dict[str, Any]
TOWNS = 300
FACTS = ("orders", "order_lines", "refunds")
WINDOWS = (7, 30, 90)
SHOPS = ("A", "B", "C")
_POS = ("tickets", "ticket_lines", "tenders", "products", "members", "staff", "points")
STAGED = tuple(f"stg_pos__{feed}" for feed in _POS)
STAGED += tuple(
    f"stg_groupbuy__{feed}" for feed in ("orders", "order_lines", "refunds", "leaders", "activities")
)
# a ledger's beginning is asked of what arrived alone, like staging
STAGED += ("int_point_ledgers",)
SETTLED = ("int_sale_references", "int_sale_dimensions", "int_touched_sales", "int_pos_returns_linked")
SETTLED += ("int_pos_tickets_settled", "int_groupbuy_refunds_done", "int_groupbuy_orders_settled")
SETTLED += ("int_sales_netted", "int_purchases_netted", "int_pos_lines_settled", "int_groupbuy_lines_settled")
OWNED = ("int_order_lines", "int_refunds", "int_orders", "int_touched_orders", "int_record_owners", *FACTS)
TOUCHED = ("int_touched_days", "int_touched_members", "int_touched_sale_days", "int_touched_product_days")
TOUCHED += ("int_touched_seller_days",)
OF_DAYS = ("product_days", "cashier_days", "leader_days")
UNBALANCED = ("int_pos_lines_unbalanced", "int_pos_tenders_unbalanced")
COUNTED = (
    "int_order_items",
    "int_product_refunds",
    *OF_DAYS,
    "int_pair_touched_days",
    "int_pair_days",
    *UNBALANCED,
)
MODELS = (*STAGED, *SETTLED, *OWNED, *TOUCHED, *COUNTED, "int_stale_members")
# what a rebuild must have made the same, besides the facts
KEPT = {
    "audit": OF_DAYS,
    "intermediate": ("int_purchases_netted", "int_order_items", "int_pair_days", *UNBALANCED),
}
# views show what the others hold: built once
VIEWS = ("int_groupbuy_refunds_done", "int_purchases_netted", "int_order_lines", "int_touched_orders", *FACTS)
# what a killed night had reached: what is touched, sales but not their lines, whose they are, all but the stale members
EARLY = (*STAGED, *SETTLED[:3])
HALF = (*STAGED, *SETTLED[:9])
OWNERS = (*STAGED, *SETTLED, *OWNED)
LATE = MODELS[:-1]
# nights: where they were killed before they were built, and whether they were published or the next one takes them along
NIGHTS = (((), True), ((LATE,), False), ((HALF,), True), ((EARLY, OWNERS), True))


class Town:
    """Few numbers, used again and again, so that everything meets everything."""

    def __init__(self, number: int, rng: np.random.Generator) -> None:
        self.name, self.rng = f"t{number}-", rng
        self.told: dict[tuple[str, str, str], list[Row]] = {}  # what a file said of a thing, the newest last

    def one(self, letter: str, of: int) -> str:
        return f"{self.name}{letter}{self.rng.integers(of)}"

    def pick(self, *values: Any) -> Any:
        return values[int(self.rng.integers(len(values)))]

    def maybe(self, share: float, value: Any) -> Any:
        return value if self.rng.random() < share else None

    def yuan(self, most: int = 50) -> str:
        return f"{self.rng.integers(1, most)}.{self.rng.integers(10)}0"

    def at(self, night: date) -> str:
        """Some time before the night, at times at the edge of a business day."""
        day = night - timedelta(days=int(self.rng.integers(1, self.pick(3, 40, 100))))
        clock = self.pick(time(3, 59, 59), time(4, 0), time(0, 0), time(int(self.rng.integers(24)), 30))
        return str(datetime.combine(day, clock))

    def night(self, night: date) -> list[tuple[str, str, Row]]:
        """(connection, feed, row) of what a night brings."""
        makers = [self.ticket] * 6 + [self.order] * 3 + [self.refund, self.line, self.order_line, self.tender]
        makers += [self.product, self.card, self.staff, self.leader, self.activity]
        picked = [
            makers[place] for place in self.rng.integers(len(makers), size=int(self.rng.integers(2, 7)))
        ]
        rows = [row for maker in picked for row in maker(night)]
        for connection, feed, row in rows:
            if feed in THINGS:
                self.told.setdefault((connection, feed, str(row[THINGS[feed]])), []).append(row)
        return rows

    def taken_back(self) -> list[tuple[str, str, Row]]:
        """What was said of things before the last time."""
        return [(c, feed, rows[-2]) for (c, feed, _), rows in self.told.items() if len(rows) > 1]

    def ticket(self, night: date) -> Iterable[tuple[str, str, Row]]:
        shop, number = self.pick("A", "A", "B", "C"), self.one("k", 5)
        kind = self.pick("sale", "sale", "sale", "return", "return", "return", "void", "void", "recharge")
        row = {
            "store_code": shop,
            "ticket_id": number,
            "kind": kind,
            "sold_at": self.at(night),
            "net": self.yuan(),
        }
        row |= {"origin_ticket_id": None if kind == "sale" else self.maybe(0.9, self.one("k", 5))}
        row |= {"member_ref": self.maybe(0.5, self.one("c", 3)), "discount": self.maybe(0.3, self.yuan(5))}
        row |= {
            "updated_at": self.maybe(0.5, self.at(night)),
            "cashier_id": self.maybe(0.5, self.one("s", 2)),
        }
        yield "pos_main", "tickets", row
        for number_of_line in range(int(self.rng.integers(3))):
            yield from self.line(night, shop, number, str(number_of_line))

    def line(
        self, _night: date, shop: str | None = None, ticket: str | None = None, line_no: str | None = None
    ) -> Iterable[tuple[str, str, Row]]:
        row = {"store_code": shop or self.pick(*SHOPS), "ticket_id": ticket or self.one("k", 5)}
        row |= {
            "line_no": line_no or str(self.rng.integers(2)),
            "sku": self.one("p", 3),
            "amount": self.yuan(),
        }
        row |= {"qty": "1.5", "item_name": self.maybe(0.5, "菜"), "category": self.maybe(0.5, "蔬菜")}
        row |= {"category_l1": self.maybe(0.5, "生鲜"), "price": self.maybe(0.5, self.yuan())}
        yield "pos_main", "ticket_lines", row

    def tender(self, _night: date) -> Iterable[tuple[str, str, Row]]:
        row = {"store_code": self.pick(*SHOPS), "ticket_id": self.one("k", 5), "tender_no": "1"}
        yield (
            "pos_main",
            "tenders",
            row | {"method": self.pick("stored_value", "cash"), "amount": self.yuan()},
        )

    def order(self, night: date) -> Iterable[tuple[str, str, Row]]:
        connection, number, at = self.pick("group_main", "group_two"), self.one("g", 5), self.at(night)
        row = {
            "order_id": number,
            "created_at": at,
            "paid_at": self.maybe(0.8, at),
            "order_amount": self.yuan(),
        }
        row |= {"status": self.pick("unpaid", "paid", "completed", "closed"), "leader_id": self.one("l", 3)}
        row |= {
            "store_code": self.maybe(0.4, self.pick(*SHOPS)),
            "activity_id": self.maybe(0.5, self.one("a", 2)),
        }
        row |= {"seller_role": self.pick(None, "direct", "supplier", "helper")}
        row |= {"refund_amount": self.maybe(0.3, self.yuan(5)), "updated_at": self.maybe(0.5, self.at(night))}
        row |= {"buyer_phone_token": self.one("f", 4), "buyer_phone_kind": "plain"}
        yield connection, "orders", row
        yield from self.order_line(night, connection, number)

    def order_line(
        self, _night: date, connection: str | None = None, order: str | None = None
    ) -> Iterable[tuple[str, str, Row]]:
        row = {
            "order_id": order or self.one("g", 5),
            "line_no": str(self.rng.integers(2)),
            "sku": self.one("p", 3),
        }
        row |= {"amount": self.yuan(), "refunded": self.maybe(0.3, self.yuan(5)), "qty": "2"}
        yield connection or self.pick("group_main", "group_two"), "order_lines", row

    def refund(self, night: date) -> Iterable[tuple[str, str, Row]]:
        row = {"refund_id": self.one("r", 4), "order_id": self.one("g", 5), "amount": self.yuan(5)}
        row |= {"status": self.pick("applied", "done", "done", "withdrawn"), "line_no": self.maybe(0.5, "0")}
        yield (
            self.pick("group_main", "group_two"),
            "refunds",
            row | {"finished_at": self.maybe(0.8, self.at(night))},
        )

    def product(self, _night: date) -> Iterable[tuple[str, str, Row]]:
        row = {
            "sku": self.one("p", 3),
            "item_name": self.pick("菠菜", "青菜"),
            "category": self.pick("叶菜", "蔬菜"),
        }
        row |= {"category_l1": self.maybe(0.7, "生鲜"), "cost": self.pick("1.00", "2.00")}
        yield self.pick("pos_main", "pos_two"), "products", row

    def card(self, night: date) -> Iterable[tuple[str, str, Row]]:
        row = {"member_ref": self.one("c", 3), "phone_token": self.one("f", 4), "phone_kind": "plain"}
        yield "pos_main", "members", row | {"updated_at": self.maybe(0.5, self.at(night))}

    def staff(self, _night: date) -> Iterable[tuple[str, str, Row]]:
        kind = self.pick("plain", "masked")
        yield (
            "pos_main",
            "staff",
            {"staff_id": self.one("s", 2), "phone_token": self.one("f", 4), "phone_kind": kind},
        )

    def leader(self, _night: date) -> Iterable[tuple[str, str, Row]]:
        row = {"leader_id": self.one("l", 3), "store_code": self.maybe(0.8, self.pick(*SHOPS))}
        yield self.pick("group_main", "group_two"), "leaders", row

    def activity(self, _night: date) -> Iterable[tuple[str, str, Row]]:
        row = {"activity_id": self.one("a", 2), "store_code": self.maybe(0.8, self.pick(*SHOPS))}
        yield self.pick("group_main", "group_two"), "activities", row


THINGS = {"products": "sku", "staff": "staff_id", "leaders": "leader_id", "activities": "activity_id"}
KINDS = {
    "tickets": "pos",
    "ticket_lines": "pos",
    "tenders": "pos",
    "products": "pos",
    "members": "pos",
    "staff": "pos",
}


@dataclass
class Seen:
    """What readers, or the models of figures, last saw: fingerprints by day, by member, and by window."""

    days: Mapping[str, dict[Any, int]] = field(default_factory=dict)
    members: dict[str, int] = field(default_factory=dict)


class Chain:
    """The warehouse of all towns, and what a night does to it."""

    def __init__(self, warehouse: Any, dbt: Any, plan: list[Model], seed: int) -> None:
        self.warehouse, self.dbt, self.plan = warehouse, dbt, plan
        self.rng = np.random.default_rng(seed)
        self.towns = [Town(number, np.random.default_rng([seed, number])) for number in range(TOWNS)]
        self.owners = dict.fromkeys((town.name for town in self.towns), 0)
        self.published, self.windows = Seen(), {}
        rules(warehouse)

    def run(self, _why: str, sql: str) -> None:
        with duckdb.connect(str(self.warehouse.path)) as con:
            con.execute(sql)

    def arrive(self, night: date) -> None:
        """A night of every town, some files an older night's; and some sales belong to others from now on."""
        files: dict[tuple[str, str, date], list[Row]] = {}
        for town in self.towns:
            labelled = (
                night - timedelta(days=int(self.rng.integers(1, 30))) if self.rng.random() < 0.2 else night
            )
            for connection, feed, row in town.night(night):
                files.setdefault((connection, feed, labelled), []).append(row)
            if self.rng.random() < 0.2:
                self.owners[town.name] += 1
        self.land(files)
        own(self.warehouse, self.owners)

    def take_back(self, night: date) -> None:
        """Products, staff, leaders and activities are again what they were."""
        files: dict[tuple[str, str, date], list[Row]] = {}
        for town in self.towns:
            for connection, feed, row in town.taken_back():
                files.setdefault((connection, feed, night), []).append(row)
        self.land(files)

    def land(self, files: Mapping[tuple[str, str, date], list[Row]]) -> None:
        # while the file is open, no arrival opens and writes it anew
        with duckdb.connect(str(self.warehouse.path)):
            for (connection, feed, labelled), rows in files.items():
                kind = KINDS.get(feed, "groupbuy")
                self.warehouse.arrive(kind, feed, labelled, rows, connection=connection)

    def build(self, night: date, models: Iterable[str] = MODELS) -> None:
        self.run("tonight", f"update ops.run_context set as_of_date = date '{night}'")
        views = () if self.published.days == {} else VIEWS
        with duckdb.connect(str(self.warehouse.path)) as con:
            run_plan(con, self.plan, set(models) - set(views))

    def green(self) -> None:
        """What the night does after a green build."""
        with duckdb.connect(str(self.warehouse.path)) as con:
            con.execute("delete from ops.pending_batches")
            con.execute("update ops.run_context set previous_as_of = as_of_date")
            digest_sales(con)
        now = self.of_windows()
        stale = self.column("select member_id from intermediate.int_stale_members")
        assert differing(self.windows, now) <= stale
        self.windows = now

    def publish(self) -> set[Any]:
        """Everything that is otherwise than in the last publication was announced; returns the days that were."""
        now = self.seen()
        touched = self.warehouse.query("select fact, business_date from intermediate.int_touched_days")
        for fact in FACTS:
            days = {day for of, day in touched if of == fact}
            assert None in days or differing(self.published.days.get(fact, {}), now.days[fact]) <= days, fact
        members = self.column("select member_id from intermediate.int_touched_members")
        assert differing(self.published.members, now.members) <= members
        self.published = now
        self.run("the next one", "update ops.run_context set run_seq = run_seq + 1")
        return {day for _, day in touched}

    def column(self, sql: str) -> set[Any]:
        return {row[0] for row in self.warehouse.query(sql)}

    def seen(self) -> Seen:
        by_day = "select business_date, bit_xor(hash(fact)) from audit.{} as fact group by all"
        by_member = """select member_id, bit_xor(row) from (
            select member_id, hash(fact) as row from audit.orders as fact
            union all select member_id, hash(fact) from audit.refunds as fact
            union all select member_id, hash(fact) from audit.order_lines as fact
                inner join audit.orders using (order_key)) where member_id is not null group by all"""
        return Seen(
            {fact: dict(self.warehouse.query(by_day.format(fact))) for fact in FACTS},
            dict(self.warehouse.query(by_member)),
        )

    def of_windows(self) -> dict[tuple[str, int], Any]:
        """(member, window) → spend and refunds in it."""
        found = self.warehouse.query(
            """select member_id, days, sum(spend), count(*) from (
                select member_id, business_date, spend_fen as spend from audit.orders
                union all select member_id, business_date, -amount_fen from audit.refunds)
            cross join ops.window_days cross join ops.run_context
            where business_date between as_of_date - days + 1 and as_of_date and member_id is not null group by all"""
        )
        return {(member, days): rest for member, days, *rest in found}

    def facts(self) -> dict[str, list[Any]]:
        tables = [("audit", fact) for fact in FACTS]
        tables += [(schema, model) for schema, models in KEPT.items() for model in models]
        return {
            model: self.warehouse.query(f"select * from {schema}.{model} order by all")
            for schema, model in tables
        }

    def rebuilt(self, folder: Path) -> dict[str, list[Any]]:
        """What a build of everything makes of the same arrivals."""
        other = Chain.__new__(Chain)
        other.warehouse = type(self.warehouse).__new__(type(self.warehouse))
        other.warehouse.path = folder / "warehouse.duckdb"
        folder.mkdir()
        self.run("all in one file", "checkpoint")
        shutil.copy(self.warehouse.path, other.warehouse.path)
        made = [model for model in MODELS if model not in VIEWS]
        assert self.dbt.run(other.warehouse, "run", "--full-refresh", "--select", *made) == {}
        return other.facts()


def own(warehouse: Any, epochs: Mapping[str, int]) -> None:
    """Whose each record is: nobody's, or one of three of its town, dealt anew when the town's number goes up."""
    with duckdb.connect(str(warehouse.path)) as con:
        con.register(
            "epochs",
            pa.table(
                {
                    "town": pa.array(list(epochs), pa.string()),
                    "epoch": pa.array(list(epochs.values()), pa.int64()),
                }
            ),
        )
        con.execute(
            """create or replace table intermediate.int_record_recognitions as
            with records as (
                select distinct _connection as connection, 'pos' as kind, 'tickets' as feed,
                    store_code || '|' || ticket_id as record_id, ticket_id as number from raw.pos__tickets
                union
                select distinct _connection, 'groupbuy', 'orders', order_id, order_id from raw.groupbuy__orders
            )
            select connection, kind, feed, record_id,
                (md5_number_lower(connection || '|' || feed || '|' || record_id) >> 1)::bigint as record_key,
                case when hash(record_id) % 4 > 0
                    then town || 'm' || hash(record_id || epoch) % 3 end as member_id,
                'given' as basis
            from records inner join epochs on town = split_part(number, '-', 1) || '-'"""
        )
        con.execute(
            """create or replace table audit.members as select distinct member_id
            from intermediate.int_record_recognitions where member_id is not null;
            create schema if not exists staging;
            create or replace table staging.stg_identity__arrivals as
            select connection, kind, feed, record_id, record_key from intermediate.int_record_recognitions where false"""
        )


def differing(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> set[Any]:
    """Keys of which the two say otherwise; of (member, window) the member."""
    keys = {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}
    return {key[0] if isinstance(key, tuple) else key for key in keys}


def assert_same(one: Mapping[str, list[Any]], other: Mapping[str, list[Any]]) -> None:
    for name, rows in one.items():
        assert set(rows) == set(other[name]), (
            name,
            sorted(map(str, set(rows) - set(other[name])))[:3],
            sorted(map(str, set(other[name]) - set(rows)))[:3],
        )
        assert len(rows) == len(other[name])


def rules(warehouse: Any) -> None:
    """Two shops, the windows of figures, and schemas for what stands in for One ID."""
    warehouse.ops("stores", [{"store_code": "A"}, {"store_code": "B", "cutover_minutes": 0}])
    warehouse.ops("window_days", [{"days": days} for days in WINDOWS])
    with duckdb.connect(str(warehouse.path)) as con:
        con.execute("create schema if not exists intermediate; create schema if not exists audit")


@pytest.fixture(scope="module")
def plan(
    manifest: Manifest, new_warehouse: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> list[Model]:
    """The models as dbt compiles them in a warehouse in which nothing has arrived."""
    folder = tmp_path_factory.mktemp("plan")
    warehouse = new_warehouse(folder / "warehouse.duckdb", as_of=date(2024, 5, 1))
    rules(warehouse)
    own(warehouse, {})
    os.environ["LINLI_WAREHOUSE"] = str(warehouse.path)
    models = {f"model.linli.{name}" for name in MODELS}
    return compiled_plan(folder, manifest, models, "{}", lambda _: True, lambda _: False)


@pytest.fixture
def new_chain(
    tmp_path: Path, dbt: Any, plan: list[Model], new_warehouse: Callable[..., Any]
) -> Callable[[int], Chain]:
    return lambda seed: Chain(
        new_warehouse(tmp_path / "warehouse.duckdb", as_of=date(2024, 5, 1)), dbt, plan, seed
    )


def test_nights_in_any_order_with_kills_end_where_a_rebuild_does(
    new_chain: Callable[[int], Chain], tmp_path: Path
) -> None:
    chain = new_chain(1)
    night = date(2024, 5, 1)
    chain.arrive(night)
    chain.build(night)
    chain.green()
    assert None in chain.publish()
    for number, (killed_after, is_published) in enumerate(NIGHTS):
        night += timedelta(days=int(chain.rng.integers(1, 12)))
        chain.arrive(night)
        for reached in killed_after:
            chain.build(night, reached)
            # what had arrived was not all, and some of it was a mistake
            chain.arrive(night)
            chain.take_back(night)
        chain.build(night)
        chain.green()
        if is_published:
            assert None not in chain.publish()
        if number > 1:
            assert_same(chain.facts(), chain.rebuilt(tmp_path / f"rebuilt_{number}"))
    facts = chain.facts()
    assert len(facts["refunds"]) > TOWNS
    assert all(facts[model] for models in KEPT.values() for model in models)
