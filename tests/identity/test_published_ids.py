"""An id that readers have seen ends in an event, leads on where that is certain, and never becomes somebody else's."""

from __future__ import annotations

from typing import Any

from tests.identity.arrivals import sale, user, verified
from tests.identity.readers import Readers


class Chain:
    """A world that is built and published night after night."""

    def __init__(self, world: Any) -> None:
        self.world, self.readers = world, Readers()

    def night(self, night: str) -> None:
        self.world.as_of(night)
        self.world.build()
        self.readers.look(self.world)
        self.world.publish()

    def member(self, feed: str, record: str) -> str:
        member, _ = self.world.member_of(feed, record)
        assert member is not None
        return str(member)

    def led(self, one: str) -> str | None:
        found = self.world.read(f"select member_id from member_redirects where retired_member_id = '{one}'")
        return found[0][0] if found else None

    def ended(self, one: str) -> list[tuple[str, str, str]]:
        return list(
            self.world.read(
                "select occurred_on::varchar, kind, coalesce(nullif(member_id, other_member_id), '') from member_events"
                f" where other_member_id = '{one}' or (kind = 'reassigned' and member_id = '{one}')"
            )
        )


def test_what_the_past_turns_out_to_be_ends_no_id_in_silence(world: Any) -> None:
    chain = Chain(world)
    first, second, third, fourth = (f"2026-02-0{day}" for day in (1, 2, 3, 4))
    # a slip of the till; a card that has two versions of the past; two cards of one number; two that somebody joins
    world.arrive(first, "pos", "pos__tickets", sale("slip", phone="WRONG"))
    world.arrive(second, "pos", "pos__members", {"member_ref": "LATER", "phone": "P"})
    world.arrive(
        first,
        "pos",
        "pos__members",
        *({"member_ref": f"CARD{i}", "phone": "MANY"} for i in range(4)),
        {"member_ref": "JOINED1"},
        {"member_ref": "JOINED2"},
    )
    world.rule("max_cards_per_phone", 1)
    chain.night(second)
    slip, later = chain.member("tickets", "S1|slip"), chain.member("members", "LATER")
    cards = [chain.member("members", f"CARD{i}") for i in range(4)]
    joined = [chain.member("members", f"JOINED{i}") for i in (1, 2)]
    assert len({slip, later, *cards, *joined}) == 8

    world.arrive(third, "pos", "pos__tickets", sale("slip", phone="RIGHT"))
    # of an earlier night, but nobody had it then
    world.arrive(first, "gb", "groupbuy__users", user("early", unionid="U", **verified("P")))
    world.rule("max_cards_per_phone", 4)
    with world.open() as con:
        con.execute(
            "insert into ops.identity_decisions values"
            " ('same', 'pos', 'members', 'JOINED1', 'pos', 'members', 'JOINED2', null, 'me', 'asked', 1)"
        )
    chain.night(third)
    right = chain.member("tickets", "S1|slip")
    assert right != slip
    assert (chain.led(slip), chain.ended(slip)) == (right, [(third, "reassigned", right)])
    assert chain.member("members", "LATER") == chain.member("users", "wx|early") == later
    [card] = {chain.member("members", f"CARD{i}") for i in range(4)}
    assert card in cards
    for one in {*cards} - {card}:
        assert (chain.led(one), chain.ended(one)) == (card, [(third, "merged", card)])
    [both] = {chain.member("members", f"JOINED{i}") for i in (1, 2)}
    [other] = {*joined} - {both}
    assert both in joined
    assert chain.led(other) == both

    # a stranger says the number that was a slip once, and comes back
    world.arrive(fourth, "pos", "pos__tickets", sale("stranger", phone="WRONG"))
    with world.open() as con:
        con.execute("delete from ops.identity_decisions")
    chain.night(fourth)
    stranger = chain.member("tickets", "S1|stranger")
    assert stranger not in {slip, right}
    assert chain.led(slip) == right
    assert [chain.member("members", f"JOINED{i}") for i in (1, 2)] == joined
    world.arrive("2026-02-05", "pos", "pos__tickets", sale("again", phone="WRONG"))
    chain.night("2026-02-05")
    assert chain.member("tickets", "S1|again") == stranger


def test_an_id_that_nobody_is_any_more_leads_to_nobody_on_a_guess(world: Any) -> None:
    """Two sales said a number; now either says another one: whose the id was, nobody knows."""
    chain = Chain(world)
    world.arrive("2026-02-01", "pos", "pos__tickets", sale("one", phone="WRONG"), sale("two", phone="WRONG"))
    chain.night("2026-02-01")
    wrong = chain.member("tickets", "S1|one")
    world.arrive("2026-02-02", "pos", "pos__tickets", sale("one", phone="P1"), sale("two", phone="P2"))
    chain.night("2026-02-02")
    assert chain.member("tickets", "S1|one") != chain.member("tickets", "S1|two")
    assert (chain.led(wrong), chain.ended(wrong)) == (None, [("2026-02-02", "reassigned", wrong)])


def test_an_identifier_that_moves_takes_no_members_id_away(world: Any) -> None:
    """A number is older than the card that it comes to, but no member was named by it: the card's keeps her id."""
    chain = Chain(world)
    world.arrive("2026-02-01", "pos", "pos__tickets", sale("old", phone="P"))
    world.arrive("2026-02-01", "pos", "pos__members", {"member_ref": "C1", "phone": "P"})
    world.arrive("2026-02-03", "pos", "pos__members", {"member_ref": "C2"})
    chain.night("2026-02-03")
    first, second = chain.member("members", "C1"), chain.member("members", "C2")
    assert chain.member("tickets", "S1|old") == first
    world.arrive(
        "2026-02-04", "pos", "pos__members", {"member_ref": "C1"}, {"member_ref": "C2", "phone": "P"}
    )
    chain.night("2026-02-04")
    assert [chain.member("members", "C1"), chain.member("members", "C2")] == [first, second]
    assert chain.member("tickets", "S1|old") == second
