"""A night that makes anew only what it touched ends where a build of everything would, also after a kill."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from tests.identity.arrivals import contact, order, sale, user, verified

TABLES = ("members", "record_members", "member_identifiers", "member_events", "member_redirects")
TABLES += ("identity_refusals", "identity_links")
STRANGERS = range(6)

State = dict[str, list[tuple[Any, ...]]]


def state(world: Any) -> State:
    return {table: world.read(f"select * from {table} order by all") for table in TABLES}


def rebuilt(world: Any, name: str) -> State:
    """What a build of everything makes of the same arrivals."""
    other = copy.copy(world)
    other.folder = world.folder / name
    other.folder.mkdir()
    other.path = other.folder / "warehouse.duckdb"
    with world.open() as con:
        con.execute("checkpoint")
    shutil.copy(world.path, other.path)
    other.build(rebuild=True)
    return state(other)


def looked_at(world: Any) -> set[str]:
    return {
        row[0] for row in world.read("select feed || ' ' || record_id from int_identity_affected_records")
    }


def first_night(world: Any) -> None:
    """Thirty people with a card and a payment account, a family, a contact, a return, a complaint."""
    sales = [
        sale(
            f"T{i}",
            member_ref=f"C{i % 30}",
            pay_appid="wx",
            pay_openid=f"p{i % 30}",
            sold_at=f"2026-01-0{1 + i % 4} 10:00:00",
        )
        for i in range(90)
    ]
    sales.append(sale("RETURN", kind="return", origin_ticket_id="T5", net="-4"))
    world.arrive("2026-01-05", "pos", "pos__tickets", *sales)
    world.arrive(
        "2026-01-05", "pos", "pos__members", *({"member_ref": f"C{i}", "phone": f"P{i}"} for i in range(30))
    )
    users = [user(f"u{i}", unionid=f"n{i}", **verified(f"P{i}")) for i in range(20)]
    users += [
        user("mother", unionid="m", **verified("FAMILY")),
        user("father", unionid="f", **verified("FAMILY")),
    ]
    world.arrive("2026-01-05", "gb", "groupbuy__users", *users)
    orders = [order(f"O{i}", appid="wx", openid=f"u{i}") for i in range(20)]
    world.arrive("2026-01-05", "gb", "groupbuy__orders", *orders)
    world.arrive(
        "2026-01-05",
        "gb",
        "groupbuy__complaints",
        {"complaint_id": "K", "order_id": "O3", "store_code": "S1", "ticket_id": "T9"},
    )
    world.arrive(
        "2026-01-05",
        "we",
        "wecom__contacts",
        contact("x3", "li", unionid="n3", createtime="2026-01-02 10:00:00"),
    )


def a_number_links(world: Any) -> None:
    world.arrive(
        "2026-01-06",
        "pos",
        "pos__members",
        {"member_ref": "C7", "phone": "P8", "updated_at": "2026-01-06 10:00:00"},
    )


def a_return_of_an_older_sale(world: Any) -> None:
    world.arrive(
        "2026-01-07", "pos", "pos__tickets", sale("BACK", kind="return", origin_ticket_id="T0", net="-10")
    )


def another_member_of_staff_follows(world: Any) -> None:
    world.arrive(
        "2026-01-08",
        "we",
        "wecom__contacts",
        contact("x3", "wu", unionid="n3", createtime="2026-01-08 10:00:00"),
    )
    # a group of customers (2) with one of the staff (1); whoever is taken on is no customer of it any more
    chat = {"chat_id": "G", "join_time": "2026-01-07 10:00:00"}
    world.arrive(
        "2026-01-08",
        "we",
        "wecom__group_members",
        chat | {"userid": "wu", "member_type": "1"},
        chat | {"userid": "x3", "member_type": "2", "unionid": "n3"},
        chat | {"userid": "x4", "member_type": "2"},
    )
    world.build()
    world.arrive("2026-01-09", "we", "wecom__group_members", chat | {"userid": "x4", "member_type": "1"})


def strangers(world: Any, night: str, some: range, **about: str) -> None:
    """Tickets on which strangers, each paying for herself, say one and the same number, or what else is told."""
    tickets = [sale(f"H{i}", pay_appid="wx", pay_openid=f"h{i}", **about) for i in some]
    world.arrive(night, "pos", "pos__tickets", *tickets)


def a_number_for_everybody(world: Any) -> None:
    """Six strangers in two days: the second makes it suspect, so that the first ones' links are undone."""
    strangers(world, "2026-01-09", STRANGERS[:2], phone="HUB", sold_at="2026-01-09 10:00:00")
    world.build()
    strangers(world, "2026-01-10", STRANGERS[2:], phone="HUB", sold_at="2026-01-10 10:00:00")


def that_was_a_mistake(world: Any) -> None:
    """Four of them never said it."""
    at = {"sold_at": "2026-01-10 10:00:00", "updated_at": "2026-01-11 00:00:00"}
    strangers(world, "2026-01-11", STRANGERS[2:], **at)


def decide(world: Any, decision: str, a: str, b: str) -> None:
    with world.open() as con:
        con.execute(
            "insert into ops.identity_decisions values (?, 'gb', 'users', ?, 'gb', 'users', ?, null, 'li', '', 3)",
            [decision, a, b],
        )


def somebody_decides(world: Any) -> None:
    decide(world, "same", "wx|u1", "wx|u2")


def somebody_decides_otherwise(world: Any) -> None:
    with world.open() as con:
        con.execute("delete from ops.identity_decisions")
    decide(world, "different", "wx|u1", "wx|u4")


def a_second_ticket_of_that_number(world: Any) -> None:
    """The complaint may mean two tickets now; another till prints the same number."""
    world.arrive("2026-01-12", "pos2", "pos__tickets", sale("T9", member_ref="C1"))


def a_late_night(world: Any) -> None:
    """An older version of one record, and a sale before everything that is known."""
    world.arrive(
        "2026-01-03", "pos", "pos__tickets", sale("T0", member_ref="C3", sold_at="2026-01-01 10:00:00")
    )
    world.arrive(
        "2026-01-03", "pos", "pos__tickets", sale("EARLY", phone="P12", sold_at="2025-12-30 10:00:00")
    )


STEPS: dict[str, tuple[Callable[[Any], None], ...]] = {
    "records": (a_number_links, a_late_night, a_second_ticket_of_that_number),
    "what members are made of besides": (
        a_return_of_an_older_sale,
        another_member_of_staff_follows,
        somebody_decides,
        somebody_decides_otherwise,
    ),
    "numbers that are found out": (a_number_for_everybody, that_was_a_mistake),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_night_ends_where_a_rebuild_does(world: Any, name: str) -> None:
    first_night(world)
    world.build()
    before = state(world)
    for number, step in enumerate(STEPS[name]):
        step(world)
        world.build()
        after = state(world)
        assert after != before, step.__name__
        assert after == rebuilt(world, f"fresh{number}"), step.__name__
        # and it did not look at everybody
        assert not {"members C20", "tickets S1|T20"} & looked_at(world), step.__name__
        before = after


# staging and what was touched; the islands too; some marts but not the others
KILLED_AFTER = (
    ("int_identity_touched_records",),
    ("int_identity_islands",),
    ("int_record_recognitions", "int_identity_redirects"),
    ("members", "member_events"),
)


@pytest.mark.parametrize("reached", KILLED_AFTER, ids="+".join)
def test_a_killed_night_is_taken_up_again(world: Any, reached: tuple[str, ...]) -> None:
    first_night(world)
    world.build()
    a_number_links(world)
    a_return_of_an_older_sale(world)
    somebody_decides(world)
    a_number_for_everybody(world)
    world.run(*reached)
    # what the killed night had found was changed again before the next one
    world.arrive(
        "2026-01-12",
        "pos",
        "pos__members",
        {"member_ref": "C7", "phone": "P7", "updated_at": "2026-01-12 10:00:00"},
    )
    world.build()
    assert state(world) == rebuilt(world, "fresh")


def a_card_is_another_persons(world: Any) -> None:
    with world.open() as con:
        con.execute(
            "insert into ops.identity_decisions"
            " values ('different', 'pos', 'members', 'C3', 'gb', 'users', 'wx|u3', null, 'li', '', 3)"
        )


def nobody_decides(world: Any) -> None:
    with world.open() as con:
        con.execute("delete from ops.identity_decisions")


FACTS = ("orders", "order_lines", "refunds")
OF_SALES = {
    "int_pos_lines_settled",
    "int_groupbuy_lines_settled",
    "int_order_lines",
    "int_refunds",
    "int_orders",
}
OF_SALES |= {"int_touched_orders", "int_touched_days", "int_record_owners", "int_touched_members", *FACTS}


def sales(world: Any) -> State:
    return {table: world.read(f"select * from {table} order by all") for table in FACTS}


def owners(world: Any) -> dict[str, str | None]:
    """Whose each record of any feed is."""
    return dict(world.read("select feed || ' ' || record_id, member_id from record_members"))


def test_sales_follow_their_owners(world: Any) -> None:
    """Members that are parted and joined by decisions and numbers: sales go with them, and it is said."""
    first_night(world)
    world.build()
    world.run(*OF_SALES, only=OF_SALES)
    for step in (a_card_is_another_persons, nobody_decides, a_number_links, a_return_of_an_older_sale):
        before, were = sales(world), owners(world)
        with world.open() as con:
            con.execute("update ops.run_context set run_seq = run_seq + 1")
        step(world)
        world.build()
        world.run(*OF_SALES, only=OF_SALES)
        after = sales(world)
        changed = {str(row[0]) for row in set(after["orders"]) ^ set(before["orders"])}
        assert changed, step.__name__
        assert changed <= {row[0] for row in world.read("select order_key from int_touched_orders")}
        # far from everything was made again
        assert len(world.read("select order_key from int_touched_orders")) < len(after["orders"]) / 2
        of_others = {record: (member, were.get(record)) for record, member in owners(world).items()}
        moved = {one for pair in of_others.values() if pair[0] != pair[1] for one in pair if one is not None}
        assert moved <= {row[0] for row in world.read("select member_id from int_touched_members")}
    other = copy.copy(world)
    other.folder = world.folder / "fresh"
    other.folder.mkdir()
    other.path = other.folder / "warehouse.duckdb"
    with world.open() as con:
        con.execute("checkpoint")
    shutil.copy(world.path, other.path)
    other.build(rebuild=True)
    other.run(*OF_SALES, only=OF_SALES, rebuild=True)
    assert sales(world) == sales(other)


def test_a_night_on_which_nothing_changed_looks_at_nothing(world: Any) -> None:
    first_night(world)
    world.build()
    before = state(world)
    world.build()
    assert looked_at(world) == set()
    assert state(world) == before


def test_other_rules_make_everybody_anew(world: Any) -> None:
    first_night(world)
    world.build()
    world.rule("max_wechat_accounts_per_phone", 2)
    world.build()
    assert len(looked_at(world)) > 100
    assert state(world) == rebuilt(world, "fresh")
    assert world.member_of("users", "wx|mother") == world.member_of("users", "wx|father")
