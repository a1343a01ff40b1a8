"""The event log tells what the landing files tell, and the cases that the books of the business have to survive."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields
from datetime import date
from pathlib import Path

import duckdb
import pytest

from dagster_project.config import load_chain
from dagster_project.sandbox.world import load_world
from dagster_project.simulator import Rates, Traps, simulate
from dagster_project.simulator.events import COLUMNS, KINDS
from dagster_project.simulator.run import simulate as run_simulation

_END = date(2026, 11, 21)
_DAYS = {False: 60, True: 150}


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "traps"])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, duckdb.DuckDBPyConnection]]:
    out = tmp_path_factory.mktemp("events") / "chain"
    simulate(
        out,
        basis="synthetic",
        persons=2500,
        stores=4,
        days=_DAYS[request.param],
        seed=11,
        end=_END,
        traps=Traps() if request.param else None,
    )
    con = duckdb.connect()
    con.execute(
        f"create table event as select * from read_csv('{out}/truth/events.csv.gz', all_varchar = true, header = true)"
    )
    for name, path in (
        ("tickets", "pos_main/tickets"),
        ("ticket_lines", "pos_main/ticket_lines"),
        ("points", "pos_main/points"),
        ("orders", "group_main/orders"),
        ("order_lines", "group_main/order_lines"),
        ("refunds", "group_main/refunds"),
        ("pos_coupons", "pos_main/coupon_events"),
        ("stock", "pos_main/stock"),
    ):
        files = f"read_csv('{out}/landing/{path}/*/{path.split('/')[1]}_*', all_varchar = true)"
        con.execute(f"create table {name} as select * from {files}")
    users = f"read_parquet('{out}/landing/group_main/users/*/users_*', union_by_name = true)"
    con.execute(f"create table users as select * from {users}")
    coupons = f"read_parquet('{out}/landing/group_main/coupon_events/*/coupon*', union_by_name = true)"
    con.execute(f"create table group_coupons as select * from {coupons}")
    yield out, con
    con.close()


def _rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[object, ...]]:
    return con.execute(sql).fetchall()


def test_the_log_has_its_columns_kinds_and_numbers(made: tuple[Path, duckdb.DuckDBPyConnection]) -> None:
    _, con = made
    assert [row[0] for row in _rows(con, "describe event")] == list(COLUMNS)
    kinds = {row[0] for row in _rows(con, "select distinct kind from event")}
    assert kinds == set(KINDS)
    [(rows, numbers, last)] = _rows(con, "select count(*), count(distinct seq), max(seq::bigint) from event")
    assert rows == numbers == last
    [(broken,)] = _rows(con, "select count(*) from event where detail is not null and not json_valid(detail)")
    assert broken == 0
    # nothing is known before it happened, and no phone stands in it
    [(early,)] = _rows(
        con, """select count(*) from event where ("at"::timestamp - interval 4 hour)::date > night::date"""
    )
    assert early == 0
    [(phones,)] = _rows(
        con,
        """select count(*) from event where regexp_matches(coalesce(ref, '') || ' ' || coalesce(detail, ''),
            '(^|[^0-9A-Za-z])1[3-9][0-9]{9}([^0-9]|$)')""",
    )
    assert phones == 0


def test_the_log_and_the_landing_files_tell_the_same_sales(
    made: tuple[Path, duckdb.DuckDBPyConnection],
) -> None:
    _, con = made
    told = """select kind, record_id, amount_fen::bigint, "at" from event
        where kind in ('sale', 'void', 'return', 'recharge')"""
    landed = """select distinct kind, store_code || '|' || ticket_id, (net::decimal(12, 2) * 100)::bigint, sold_at from tickets"""
    assert _rows(con, f"({told}) except ({landed})") == []
    assert _rows(con, f"({landed}) except ({told})") == []
    told = """select record_id, line_no, sku, qty::decimal(10, 3), amount_fen::bigint from event
        where kind in ('sale_line', 'return_line')"""
    landed = """select distinct store_code || '|' || ticket_id, line_no, sku, qty::decimal(10, 3),
        (amount::decimal(12, 2) * 100)::bigint from ticket_lines"""
    assert _rows(con, f"({told}) except ({landed})") == []
    assert _rows(con, f"({landed}) except ({told})") == []


def test_the_log_and_the_landing_files_tell_the_same_orders_and_points(
    made: tuple[Path, duckdb.DuckDBPyConnection],
) -> None:
    _, con = made
    told = (
        "select record_id, amount_fen::bigint from event where kind in ('order_placed', 'order_helper_copy')"
    )
    landed = "select distinct order_id, (order_amount::decimal(12, 2) * 100)::bigint from orders"
    assert _rows(con, f"({told}) except ({landed})") == []
    assert _rows(con, f"({landed}) except ({told})") == []
    paid = "select record_id, \"at\" from event where kind = 'order_paid'"
    landed = (
        "select distinct order_id, paid_at from orders where paid_at is not null and seller_role <> 'helper'"
    )
    assert _rows(con, f"({paid}) except ({landed})") == []
    assert _rows(con, f"({landed}) except ({paid})") == []
    told = "select record_id, points::bigint from event where kind like 'points\\_%' escape '\\' and kind <> 'points_unposted'"
    landed = "select distinct entry_id, if(kind in ('spend', 'expire'), -points::bigint, points::bigint) from points"
    assert _rows(con, f"({told}) except ({landed})") == []
    assert _rows(con, f"({landed}) except ({told})") == []
    told = (
        "select record_id, ref, split_part(kind, '_', 2) from event where kind like 'coupon\\_%' escape '\\'"
    )
    landed = """select event_id, coupon_code, event from pos_coupons union
        select event_id, coupon_code, event from group_coupons"""
    assert _rows(con, f"({told}) except ({landed})") == []
    assert _rows(con, f"({landed}) except ({told})") == []
    done = "select record_id, ref, amount_fen::bigint from event where kind = 'refund_done'"
    landed = "select distinct refund_id, order_id, (amount::decimal(12, 2) * 100)::bigint from refunds where status = 'done'"
    assert _rows(con, f"({done}) except ({landed})") == []
    assert _rows(con, f"({landed}) except ({done})") == []


def test_the_points_go_wrong_as_the_rates_say(made: tuple[Path, duckdb.DuckDBPyConnection]) -> None:
    _, con = made
    unposted = dict(
        _rows(con, "select state, count(*) from event where kind = 'points_unposted' group by state")
    )
    assert unposted.keys() == {"earn", "adjust"}
    [(below,)] = _rows(
        con,
        """select count(distinct card) from (
            select detail->>'card' as card, sum(points::bigint) over (
                partition by detail->>'card' order by "at"::timestamp, record_id) as balance
            from event where feed = 'points' and kind <> 'points_unposted') where balance < 0""",
    )
    assert below > 0
    # the member file agrees with what was posted by then, but for the faults
    [(cards, wrong)] = _rows(
        con,
        """with told as (select record_id as card, "at"::timestamp as t, night, points::bigint as points from event where kind = 'card_state'),
        booked as (
            select told.card, told.night, any_value(told.points) as points, coalesce(sum(e.points::bigint), 0) as ledger
            from told left join (select *, detail->>'card' as card from event where feed = 'points' and kind <> 'points_unposted') e
                on e.card = told.card and e."at"::timestamp <= told.t and e.night <= told.night
            group by all)
        select count(distinct card), count(distinct card) filter (where points <> ledger) from booked""",
    )
    assert 0 < wrong < 0.03 * cards  # type: ignore[operator]


def test_coupons_are_abused(made: tuple[Path, duckdb.DuckDBPyConnection]) -> None:
    _, con = made
    con.execute(
        """create or replace temp table life as
        select ref as code, min("at"::timestamp) filter (where kind = 'coupon_issued') as issued,
            min("at"::timestamp) filter (where kind = 'coupon_redeemed') as used,
            max("at"::timestamp) filter (where kind = 'coupon_redeemed') as used_last,
            min("at"::timestamp) filter (where kind in ('coupon_expired', 'coupon_voided')) as ended,
            count(*) filter (where kind = 'coupon_redeemed' and connection = 'pos_main') as at_till,
            count(*) filter (where kind = 'coupon_redeemed' and connection = 'group_main') as in_group,
            min(person_id) filter (where kind = 'coupon_issued') as holder,
            min(person_id) filter (where kind = 'coupon_redeemed') as user
        from event where feed = 'coupon_events' group by ref"""
    )
    cases = _rows(
        con,
        """select count(*) filter (where used < issued), count(*) filter (where used is not null and issued is null),
            count(*) filter (where used_last > ended), count(*) filter (where at_till > 1 or in_group > 1),
            count(*) filter (where holder <> user) from life""",
    )[0]
    assert all(number > 0 for number in cases), cases  # type: ignore[operator]
    # an order that was never paid used nothing; some that were paid do not post the use
    holding = """select e.record_id, e.detail->>'coupon_code' as code from event e
        where e.kind = 'order_placed' and e.detail->>'coupon_code' is not null and e.record_id {} (
            select record_id from event where kind = 'order_paid')"""
    used = "select detail->>'used_on' from event where kind = 'coupon_redeemed' and detail is not null"
    assert _rows(con, f"select 1 from ({holding.format('not in')}) where record_id in ({used})") == []
    assert _rows(con, f"select count(*) from ({holding.format('not in')})")[0][0] > 0  # type: ignore[operator]
    assert _rows(con, f"select count(*) from ({holding.format('in')}) where record_id not in ({used})") != [
        (0,)
    ]


def test_who_brings_whom_goes_in_circles_and_levels(made: tuple[Path, duckdb.DuckDBPyConnection]) -> None:
    _, con = made
    con.execute(
        """create or replace temp table brought as
        with code as (select distinct person_id, detail->>'own_invite_code' as code from event
            where kind = 'registered' and detail->>'own_invite_code' is not null)
        select distinct e.person_id as pid, c.person_id as by_pid from event e
        join code c on c.code = coalesce(e.ref, e.detail->>'invite_code') where e.kind in ('registered', 'order_placed')"""
    )
    own, two, levels = _rows(
        con,
        """select count(*) filter (where pid = by_pid),
            (select count(*) from brought a join brought b on a.by_pid = b.pid and b.by_pid = a.pid and a.pid <> b.pid),
            (select count(*) from brought a join brought b on a.by_pid = b.pid and a.pid <> a.by_pid and b.pid <> b.by_pid)
        from brought""",
    )[0]
    assert own > 0 and levels > 0  # type: ignore[operator]
    assert two >= 0  # type: ignore[operator]
    # nobody registers the account that owns a code with that code
    assert (
        _rows(
            con,
            "select 1 from event where kind = 'registered' and ref = detail->>'own_invite_code'",
        )
        == []
    )


def test_circles_of_two_and_three_exist_where_asked_for(tmp_path: Path) -> None:
    simulate(
        tmp_path,
        basis="synthetic",
        persons=1500,
        stores=1,
        days=20,
        seed=3,
        end=_END,
        rates=Rates(invite_circle=1.0, sharer=0.2),
    )
    con = duckdb.connect()
    con.execute(
        f"create table event as select * from read_csv('{tmp_path}/truth/events.csv.gz', all_varchar = true)"
    )
    con.execute(
        """create table brought as
        select e.person_id as pid, c.person_id as by_pid from event e join event c
            on c.kind = 'registered' and c.detail->>'own_invite_code' = e.ref
        where e.kind = 'registered' and e.person_id <> c.person_id group by all"""
    )
    [(two,)] = _rows(
        con, "select count(*) from brought a join brought b on a.by_pid = b.pid and b.by_pid = a.pid"
    )
    [(three,)] = _rows(
        con,
        """select count(*) from brought a join brought b on a.by_pid = b.pid join brought c on b.by_pid = c.pid
        where c.by_pid = a.pid and a.pid <> c.pid and a.pid <> b.pid and b.pid <> c.pid""",
    )
    assert two > 0 and three > 0  # type: ignore[operator]


def test_shops_stock_and_markdowns(made: tuple[Path, duckdb.DuckDBPyConnection]) -> None:
    out, con = made
    chain = load_chain(out, resolve_secrets=False)
    assert sum(store.lng is None for store in chain.stores) == 1
    [(carried,)] = _rows(
        con, "select count(*) from stock where received_qty::double = 0 and on_hand_qty::double > 0"
    )
    assert carried > 0  # type: ignore[operator]
    con.execute(
        f"create or replace temp table marked as select store_code, business_date from read_csv('{out}/truth/markdowns.csv')"
    )
    [(off, lines, dear)] = _rows(
        con,
        """with evening as (
            select l.*, m.store_code is not null as cheap from ticket_lines l
            join tickets t using (store_code, ticket_id)
            left join marked m on m.store_code = l.store_code and m.business_date = (t.sold_at::timestamp - interval 4 hour)::date
            where t.kind = 'sale' and l.category = '叶菜'
                and hour(t.sold_at::timestamp) >= 17 and hour(t.sold_at::timestamp) < 24)
        select count(*) filter (where cheap and discount::double < amount::double - 0.01), count(*) filter (where cheap),
            count(*) filter (where not cheap and abs(discount::double - amount::double) <= 0.01) from evening""",
    )
    assert off == 0 and lines > 0 and dear < 0.1 * lines  # type: ignore[operator]
    effects = duckdb.sql(
        f"select min(markdown_effect), max(markdown_effect) from '{out}/truth/effects.csv'"
    ).fetchall()
    assert 0.2 <= effects[0][0] < effects[0][1] <= 1


def test_codes_tags_and_staff(made: tuple[Path, duckdb.DuckDBPyConnection]) -> None:
    out, con = made
    corp = load_world(out / "sandbox" / "wecom_world.json")
    members = [m for chat in corp.group_chats.values() for m in chat.members if m.type == 2]
    states = {m.state for m in members if m.join_scene == 3}
    assert any(state.startswith("csh") for state in states) and any(
        state.startswith("S0") for state in states
    )
    assert any(m.join_scene == 3 and not m.state for m in members)
    assert all(not m.state for m in members if m.join_scene != 3)
    follows = [(c, f) for c in corp.contacts.values() for f in c.follow]
    assert {bool(f.state.startswith(("csh", "mgr")) or "E0" in f.state) for _, f in follows} == {True, False}
    # a tag is there from when it was set until it was taken off
    timed = [(c, f, *t) for c, f in follows for t in f.tag_times]
    contact, follow, tag, since, until = next(row for row in timed if row[4] is not None)
    assert (
        tag not in follow.tags(since - 1) and tag in follow.tags(since) and tag not in follow.tags(until or 0)
    )
    gone = _rows(
        con, f"select 1 from event where kind = 'tag_gone' and record_id = '{contact.external_userid}'"
    )
    assert gone
    # cashiers shop with their own cards: the number on the card is in the staff list
    [(sales,)] = _rows(
        con,
        """select count(*) from event s join event c on c.kind = 'card_state' and c.record_id = s.detail->>'card'
        where s.kind = 'sale' and c.detail->>'staff_id' is not null and c.detail->>'role' = 'cashier'""",
    )
    assert sales > 0  # type: ignore[operator]


def test_refunds_finish_late_and_orders_are_paid_late(made: tuple[Path, duckdb.DuckDBPyConnection]) -> None:
    _, con = made
    [(late,)] = _rows(
        con,
        """select count(*) from event r join event o on o.kind = 'order_placed' and o.record_id = r.ref
        where r.kind like 'refund%' and r.kind <> 'refund_applied' and r."at"::timestamp > o."at"::timestamp + interval 30 day""",
    )
    [(paid,)] = _rows(con, "select count(*) from event where kind = 'order_paid' and state = 'late'")
    assert late > 0 and paid > 0  # type: ignore[operator]


def test_every_rate_of_the_business_cases_can_be_turned_off(tmp_path: Path) -> None:
    names = [f.name for f in fields(Rates)]
    cases = names[names.index("points_expired") : names.index("store_unlocated") + 1]
    assert all(getattr(Rates(), name) > 0 for name in cases)
    none = Rates(**dict.fromkeys([*cases, "points_unposted", "order_unpaid", "coupon_double"], 0.0))
    simulate(tmp_path, basis="synthetic", persons=600, stores=3, days=45, seed=2, end=_END, rates=none)
    con = duckdb.connect()
    con.execute(
        f"create table event as select * from read_csv('{tmp_path}/truth/events.csv.gz', all_varchar = true)"
    )
    kinds = {row[0] for row in con.execute("select distinct kind from event").fetchall()}
    assert not kinds & {"points_expire", "points_unposted", "order_unpaid", "tag_gone"}
    assert all(store.lng is not None for store in load_chain(tmp_path, resolve_secrets=False).stores)


def test_the_log_can_be_left_out_and_changes_nothing_else(tmp_path: Path) -> None:
    def digest(folder: Path) -> dict[str, str]:
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != "events.csv.gz"
        }

    for name, events in (("with", True), ("again", True), ("without", False)):
        run_simulation(
            tmp_path / name,
            basis="synthetic",
            persons=300,
            stores=2,
            days=20,
            seed=5,
            end=_END,
            events=events,
        )
    assert not (tmp_path / "without" / "truth" / "events.csv.gz").exists()
    assert digest(tmp_path / "with") == digest(tmp_path / "without")
    logs = [(tmp_path / name / "truth" / "events.csv.gz").read_bytes() for name in ("with", "again")]
    assert logs[0] == logs[1]
