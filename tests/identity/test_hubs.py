"""Cards and accounts that stand beside everybody tie nobody and tell of nobody who it is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.identity.arrivals import account, card, days, orders, sale, user

NIGHT = "2026-01-01"


def members_of(world: Any, feed: str, like: str = "%") -> dict[str, str]:
    rows = world.read(
        f"select record_id, member_id from record_members where feed = '{feed}' and record_id like '{like}'"
    )
    return dict(rows)


def reasons(world: Any) -> dict[str, int]:
    return dict(world.read("select reason, count(*) from identity_refusals group by 1"))


def test_a_unionid_that_many_openids_share_is_no_account(world: Any) -> None:
    world.arrive(
        NIGHT, "gb", "groupbuy__users", *[account(f"o{n}", f"P{n}", unionid="same") for n in range(6)]
    )
    world.build()
    assert len(set(members_of(world, "users").values())) == 6
    assert reasons(world) == {"hub": 6}


def test_a_unionid_that_few_openids_share_at_one_time_is_the_first_ones(world: Any) -> None:
    world.arrive(
        NIGHT, "gb", "groupbuy__users", *[account(f"o{n}", f"P{n}", unionid="same") for n in range(2)]
    )
    world.arrive(
        NIGHT,
        "gb",
        "groupbuy__orders",
        *orders("o0", "P0", unionid="same"),
        *orders("o1", "P1", unionid="same"),
    )
    world.build()
    assert len(set(members_of(world, "users").values())) == 2
    assert reasons(world) == {"two_wechat_accounts": 1}


def test_one_who_registers_anew_keeps_her_unionid(world: Any) -> None:
    told = orders("o0", "P0", unionid="same")
    world.arrive(NIGHT, "gb", "groupbuy__users", account("o0", "P0", unionid="same"))
    world.arrive(NIGHT, "gb", "groupbuy__orders", *told)
    late = {"registered_at": "2025-12-28 09:00:00", "updated_at": "2025-12-28 09:00:00"}
    world.arrive(NIGHT, "gb", "groupbuy__users", user("o1", unionid="same", **late))
    world.build()
    assert len(set(members_of(world, "users").values())) == 1


@pytest.mark.parametrize("nothing", ["null", "0", "None", "undefined", " NULL "])
def test_a_word_for_nothing_is_no_id(world: Any, nothing: str) -> None:
    world.arrive(
        NIGHT, "gb", "groupbuy__users", *[account(f"o{n}", f"P{n}", unionid=nothing) for n in range(2)]
    )
    world.arrive(
        NIGHT,
        "pos",
        "pos__members",
        *[card(f"C{n}", f"Q{n}", wx_openid=nothing, wx_appid="wx") for n in range(2)],
    )
    world.build()
    assert len(set(members_of(world, "users").values()) | set(members_of(world, "members").values())) == 4
    assert world.read("select * from member_identifiers where namespace = 'unionid'") == []


def test_a_shops_account_on_customers_cards_ties_none_of_them(world: Any) -> None:
    world.arrive(
        NIGHT, "pos", "pos__members", *[card(f"C{n}", f"P{n}", wx_openid="shop", wx_appid="wx") for n in range(6)]
    )  # fmt: skip
    world.arrive(
        NIGHT, "gb", "groupbuy__users", *[account(f"o{n}", f"P{n}", unionid=f"u{n}") for n in range(6)]
    )
    world.build()
    cards, accounts = members_of(world, "members"), members_of(world, "users")
    assert len(set(cards.values())) == 6
    # each is one with the account that proved her number
    assert [cards[f"C{n}"] for n in range(6)] == [accounts[f"wx|o{n}"] for n in range(6)]
    assert reasons(world) == {"hub": 6}


def test_who_shows_the_walk_ins_card_is_not_known_by_it(world: Any) -> None:
    customers = 24
    world.arrive(
        NIGHT, "pos", "pos__members", card("WALKIN", "P"), *[card(f"C{n}", f"Q{n}") for n in range(customers)]
    )
    world.arrive(
        NIGHT, "pos", "pos__tickets",
        # for everybody who comes once, each paying herself; regular customers show their own
        *[
            sale(f"W{day}-{n}", member_ref="WALKIN", pay_openid=f"w{day}-{n}", pay_appid="wxp", sold_at=f"{day} 10:00:00")
            for day in days("2025-06-01", "2025-12-20", 20)
            for n in range(8)
        ],
        *[
            sale(f"T{n}-{day}", member_ref=f"C{n}", pay_openid=f"p{n}", pay_appid="wxp", sold_at=f"{day} 10:00:00")
            for day in days("2025-06-01", "2025-12-20", 40)
            for n in range(customers)
        ],
        *[
            sale(f"A{n}", pay_openid=f"w2025-06-01-{n}", pay_appid="wxp", sold_at="2025-12-21 10:00:00")
            for n in range(8)
        ],
    )  # fmt: skip
    world.build()
    tickets = world.read("select record_id, member_id, basis from record_members where feed = 'tickets'")
    strangers = [f"S1|W2025-06-01-{n}" for n in range(8)]
    by_walk_in = {
        (m, basis) for record, m, basis in tickets if record.startswith("S1|W") and record not in strangers
    }
    assert by_walk_in == {(None, "hub")}
    # who came again without any card is known by what she pays with, and by that alone
    again = {member: basis for record, member, basis in tickets if record in strangers}
    assert len(again) == 8 and set(again.values()) == {"pay_openid"}
    regular = {member for record, member, _ in tickets if record.startswith("S1|T")}
    assert len(regular) == customers and None not in regular
    [walk_in] = members_of(world, "members", "WALKIN").values()
    assert walk_in not in {member for _, member, _ in tickets}


def test_what_was_found_out_on_a_later_night_is_as_a_rebuild_has_it(world: Any) -> None:
    for n in range(6):
        night = f"2026-01-0{n + 1}"
        world.arrive(night, "gb", "groupbuy__users", account(f"o{n}", f"P{n}", unionid="same"))
        world.as_of(night)
        world.build()
    tables = (
        "record_members",
        "members",
        "member_identifiers",
        "member_events",
        "identity_refusals",
        "identity_links",
    )
    found = {table: sorted(world.read(f"select * from {table}"), key=repr) for table in tables}
    world.build(rebuild=True)
    assert found == {table: sorted(world.read(f"select * from {table}"), key=repr) for table in tables}
    assert len({member for _, member in world.read("select record_id, member_id from record_members")}) == 6
    assert ("split",) in world.read("select distinct kind from member_events")
