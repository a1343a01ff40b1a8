"""A card whose number on file becomes somebody else's: what was before stays whose it was."""

from __future__ import annotations

from typing import Any

import pytest

from tests.identity.arrivals import account, card, days, orders, sale

NUMBERS = {"a": "P1", "b": "P2"}


def paid(payer: str, first: str, last: str, step: int = 10) -> list[dict[str, Any]]:
    return [
        sale(
            f"{payer}{day}", member_ref="C1", pay_openid=payer, pay_appid="wx", sold_at=f"{day} 18:00:00"
        )
        for day in days(first, last, step)
    ]  # fmt: skip


def whose(world: Any) -> dict[str, str]:
    """By record, whether it is a's or b's."""
    rows = world.read("select feed, record_id, member_id from record_members")
    owner = {member: record[3:] for feed, record, member in rows if feed == "users"}
    assert len(owner) == 2
    return {record: owner[member] for feed, record, member in rows if feed in ("tickets", "members")}


def tables(world: Any) -> dict[str, list[tuple[Any, ...]]]:
    names = ("record_members", "members", "member_identifiers", "identity_refusals", "identity_links")
    return {name: world.read(f"select * from {name} order by all") for name in names}


def a_year(world: Any) -> None:
    world.arrive("2025-12-31", "pos", "pos__members", card("C1", "P1"))
    world.arrive(
        "2025-12-31", "gb", "groupbuy__users", *[account(who, phone) for who, phone in NUMBERS.items()]
    )
    for who, phone in NUMBERS.items():
        world.arrive("2025-12-31", "gb", "groupbuy__orders", *orders(who, phone))
    world.arrive("2025-12-31", "pos", "pos__tickets", *paid("a", "2025-02-01", "2025-12-20"))


def test_the_cards_past_stays_with_whoever_had_it(world: Any) -> None:
    a_year(world)
    world.build()
    assert set(whose(world).values()) == {"a"}
    world.arrive("2026-01-10", "pos", "pos__members", card("C1", "P2", updated_at="2026-01-09 10:00:00"))
    world.build()
    assert whose(world).pop("C1") == "b"
    assert {owner for record, owner in whose(world).items() if record != "C1"} == {"a"}
    # what is bought with it from then on is the new owner's, also in cash
    world.arrive("2026-02-20", "pos", "pos__tickets", *paid("b", "2026-01-20", "2026-02-18"))
    cash = sale("cash", member_ref="C1", sold_at="2026-02-19 18:00:00")
    world.arrive("2026-02-20", "pos", "pos__tickets", cash)
    world.build()
    found = whose(world)
    assert {record[3] for record, owner in found.items() if owner == "a"} == {"a"}
    assert {record[3:5] for record, owner in found.items() if owner == "b" and record != "C1"} == {"b2", "ca"}
    [ended] = world.read(
        "select valid_to::varchar from member_identifiers where identifier = 'pos:C1' and valid_to is not null"
    )
    assert ended == ("2026-01-09",)


def test_whoever_goes_on_paying_as_before_speaks_first(world: Any) -> None:
    a_year(world)
    world.arrive("2026-01-10", "pos", "pos__members", card("C1", "P2", updated_at="2026-01-09 10:00:00"))
    world.arrive("2026-02-20", "pos", "pos__tickets", *paid("a", "2026-01-20", "2026-02-18"))
    world.build()
    assert {owner for record, owner in whose(world).items() if record != "C1"} == {"a"}


def test_a_few_tickets_of_either_are_each_ones_own(world: Any) -> None:
    """Too few to tell a card handed on from a shared one, but the member file tells."""
    world.arrive("2025-12-31", "pos", "pos__members", card("C1", "P1"))
    for who, phone in NUMBERS.items():
        world.arrive("2025-12-31", "gb", "groupbuy__users", account(who, phone))
        world.arrive("2025-12-31", "gb", "groupbuy__orders", *orders(who, phone))
    world.arrive("2025-12-31", "pos", "pos__tickets", *paid("a", "2025-12-01", "2025-12-11"))
    world.arrive("2026-01-10", "pos", "pos__members", card("C1", "P2", updated_at="2026-01-09 10:00:00"))
    world.arrive("2026-02-20", "pos", "pos__tickets", *paid("b", "2026-01-20", "2026-02-10"))
    world.build()
    held = world.read(
        "select valid_from::varchar, valid_to::varchar from int_identity_members where identifier = 'pos:C1' order by all"
    )
    assert held == [("2026-01-09 10:00:00", None), (None, "2026-01-09 10:00:00")]
    found = whose(world)
    assert sorted(found.values()) == ["a"] * 2 + ["b"] * 4
    assert {record[3] for record, owner in found.items() if owner == "a"} == {"a"}


def test_the_past_stays_when_the_new_owner_changes_her_number(world: Any) -> None:
    a_year(world)
    world.arrive("2026-01-10", "pos", "pos__members", card("C1", "P2", updated_at="2026-01-09 10:00:00"))
    world.arrive("2026-02-20", "pos", "pos__tickets", *paid("b", "2026-01-20", "2026-02-18"))
    world.build()
    moved = {"phone_verified_at": "2026-03-01 09:00:00", "updated_at": "2026-03-01 09:00:00"}
    world.arrive("2026-03-02", "gb", "groupbuy__users", account("b", "P4") | moved)
    world.arrive("2026-03-02", "pos", "pos__members", card("C1", "P4", updated_at="2026-03-01 10:00:00"))
    world.build()
    assert {record[3] for record, owner in whose(world).items() if owner == "a"} == {"a"}
    assert {record[3] for record, owner in whose(world).items() if owner == "b" and record != "C1"} == {"b"}
    night = tables(world)
    world.build(rebuild=True)
    assert tables(world) == night


@pytest.mark.parametrize("proves_it", [False, True])
def test_a_person_who_changes_her_number_keeps_her_card(world: Any, proves_it: bool) -> None:
    a_year(world)
    world.arrive("2026-01-10", "pos", "pos__members", card("C1", "P3", updated_at="2026-01-09 10:00:00"))
    if proves_it:
        moved = {"phone_verified_at": "2026-01-09 09:00:00", "updated_at": "2026-01-09 09:00:00"}
        world.arrive("2026-01-10", "gb", "groupbuy__users", account("a", "P3") | moved)
    world.arrive("2026-02-20", "pos", "pos__tickets", *paid("a", "2026-01-20", "2026-02-18"))
    world.build()
    assert set(whose(world).values()) == {"a"}
