"""Identifiers that are nobody's own, found on worlds of several rates, and the recognition tables that add up."""

import random
from datetime import datetime, timedelta

import pytest

CASHIERS = {"S1": ("a1", "a2", "a3"), "S2": ("b1", "b2", "b3")}
START = datetime(2026, 1, 1)


class Till:
    """Tickets of a small chain, collected and landed in one night; the same seed rings up the same."""

    def __init__(self, seed, *, pays=True):
        self.random = random.Random(seed)
        self.pays = pays
        self.rows = []

    def sale(self, phone, payer, store=None, cashier=None, day=None, **more):
        store = store or self.random.choice(sorted(CASHIERS))
        at = START + timedelta(
            days=self.random.randrange(28) if day is None else day, minutes=self.random.randrange(480, 1200)
        )
        account = {"pay_appid": "pay", "pay_openid": payer} if self.pays and payer else {}
        self.rows.append(
            {
                "store_code": store,
                "ticket_id": f"T{len(self.rows)}",
                "kind": "sale",
                "sold_at": at.isoformat(" "),
                "net": "10",
                "phone": phone,
                "cashier_id": cashier or self.random.choice(CASHIERS[store]),
            }
            | account
            | more
        )

    def people(self, count):
        """Customers who say their own number; every tenth lets somebody else pay now and then."""
        for i in range(count):
            for visit in range(6):
                other = f"friend{i}-{visit}" if i % 10 == 0 and visit < 2 else f"payer{i}"
                self.sale(f"P{i}", other, store="S1" if i % 2 else "S2")

    def strangers(self, phone, count, **where):
        for i in range(count):
            self.sale(phone, f"{phone}-{where.get('store')}-{i}", **where)


def suspects(world):
    world.run("identity_suspects")
    return dict(world.read("select identifier, reason from identity_suspects"))


@pytest.mark.parametrize(("people", "count"), [(40, 6), (150, 6), (150, 60)])
def test_suspects_are_found_at_any_rate_and_families_are_left_alone(world, people, count):
    till = Till(people + count)
    till.people(people)
    till.strangers("STAFF", count, store="S1", cashier="a2")
    till.strangers("OWN", count, store="S2", cashier="b1")
    till.strangers("SHOP", count, store="S2")
    for store in CASHIERS:
        till.strangers("NEW-PLACEHOLDER", count, store=store)
        till.strangers("PLACEHOLDER", count, store=store)
    for member in range(6):
        for _ in range(3):
            till.sale("FAMILY", f"family{member}", store="S1")
    for visit in range(60):
        till.sale("LOYAL", "loyal" if visit % 4 else f"stranger{visit}", store="S1")
    # a cashier shops for herself elsewhere, her husband pays now and then
    for visit in range(10):
        till.sale("STAFF-AT-HOME", "wife" if visit % 3 else "husband", store="S2")
    world.arrive("2026-01-30", "pos", "pos__tickets", *till.rows)
    world.arrive(
        "2026-01-30",
        "pos",
        "pos__staff",
        {"staff_id": "a2", "store_code": "S1", "phone": "STAFF"},
        {"staff_id": "b2", "store_code": "S2", "phone": "STAFF-AT-HOME"},
    )
    # five cards of a big household on one number, each used by its own holder
    cards = [{"member_ref": f"F{i}", "phone": "FAMILY-CARDS"} for i in range(5)]
    world.arrive("2026-01-30", "pos", "pos__members", *cards)
    assert suspects(world) == {
        "STAFF": "cashier_own_number",
        "OWN": "cashier_own_number",
        "SHOP": "shop_number",
        "NEW-PLACEHOLDER": "unlisted_placeholder",
    }


def test_a_till_that_knows_no_payer_betrays_the_number_by_its_pace(world):
    till = Till(3, pays=False)
    till.people(80)
    for day in range(4):
        till.strangers("OWN", 6, store="S2", cashier="b1", day=day)
    # a restaurant fetches four times a day, and her card says it is always she
    for day in range(20):
        for _ in range(4):
            till.sale("RESTAURANT", None, store="S1", day=day, member_ref="R")
    # the same pace on two days of a feast
    for day in (9, 10):
        for _ in range(5):
            till.sale("FEAST", None, store="S1", day=day)
    world.arrive("2026-01-30", "pos", "pos__tickets", *till.rows)
    found = suspects(world)
    assert found == {"OWN": "cashier_own_number"}


def test_a_card_swiped_for_everybody_and_an_account_that_verified_a_street(world):
    till = Till(5)
    till.people(40)
    for i in range(12):
        till.sale(f"P{i}", f"payer{i}", store="S1", cashier="a1", member_ref="HOUSE")
    world.arrive("2026-01-30", "pos", "pos__tickets", *till.rows)
    accounts = [
        {"appid": "wx", "openid": f"o{i}", "phone": "STREET", "phone_verified_at": "2026-01-01 00:00:00"}
        for i in range(12)
    ]
    # who orders for her neighbours types their numbers; that says nothing against her account
    orders = [
        {
            "order_id": f"G{i}",
            "appid": "wx",
            "openid": "helper",
            "buyer_phone": f"N{i}",
            "phone_verified": "N",
        }
        for i in range(12)
    ]
    world.arrive("2026-01-30", "gb", "groupbuy__users", *accounts)
    world.arrive("2026-01-30", "gb", "groupbuy__orders", *orders)
    assert suspects(world) == {"pos:HOUSE": "cashier_own_number", "STREET": "hub"}


def test_a_withdrawn_number_is_suspected_no_more_and_a_rebuild_agrees(world):
    till = Till(8)
    till.people(40)
    till.strangers("HUB", 6)
    world.arrive("2026-01-30", "pos", "pos__tickets", *till.rows)
    assert suspects(world) == {"HUB": "unlisted_placeholder"}
    [evidence] = world.read("select evidence, first_on::varchar, flagged_on::varchar from identity_suspects")
    assert evidence[0].startswith("payer=6 effective=6.0 (limit 5.0) once=6 records=6; ")
    assert evidence[1:] == ("2026-01-30", "2026-01-30")
    corrected = [row | {"phone": None, "updated_at": "2026-02-01 00:00:00"} for row in till.rows[-2:]]
    for row in corrected:
        row.pop("phone")
    world.arrive("2026-02-01", "pos", "pos__tickets", *corrected)
    assert suspects(world) == {}
    world.run("identity_suspects", rebuild=True)
    assert world.read("select * from identity_suspects") == []


def test_the_limits_are_configuration(world):
    till = Till(8)
    till.people(40)
    till.strangers("HUB", 6)
    world.arrive("2026-01-30", "pos", "pos__tickets", *till.rows)
    with world.open() as con:
        con.execute("update ops.rule_identity_health set suspect_min_people = 7")
    assert suspects(world) == {}
