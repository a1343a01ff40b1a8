"""What readers of every publication have seen, and what they may expect of the next."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

EVENTS = "select occurred_on, kind, member_id, other_member_id from member_events"


def begins(kind: str, member: str, other: str | None) -> str | None:
    """The id that an event lets live."""
    if kind == "split":
        return other
    return None if kind == "merged" or (kind == "reassigned" and other is None) else member


def ends(kind: str, member: str, other: str | None) -> str | None:
    """The id that an event ends for certain."""
    if kind == "merged":
        return other
    return member if kind == "reassigned" and other is None else None


class Readers:
    """Looks at a world after each of its publications."""

    def __init__(self) -> None:
        self.seen: set[str] = set()  # ids that were a member's in some publication
        self.now: set[str] = set()  # in the last one
        self.gone: set[str] = set()  # ids whose identifier nobody named when one of them was published
        self.carried: dict[str, set[tuple[str, ...]]] = defaultdict(
            set
        )  # records that readers saw under an id
        self.ended = self.returned = 0

    def look(self, world: Any) -> None:
        members = {row[0] for row in world.read("select member_id from members")}
        states = dict(world.read("select member_id, state from int_identity_ids"))
        leads = dict(world.read("select retired_member_id, member_id from int_identity_redirects"))
        assert {one for one, state in states.items() if state == "own"} == members
        assert self.seen <= states.keys()
        for connection, feed, record, member in world.read(
            "select connection, feed, record_id, member_id from record_members where member_id is not null"
        ):
            self.carried[member].add((connection, feed, record))
        self.nothing_ends_in_silence(world, members, states, leads)
        self.the_fewest_change(members, states, leads)
        # an id that comes back is that of somebody who was named at every publication between
        returned = (members & self.seen) - self.now
        assert not returned & self.gone
        self.seen |= members
        self.gone |= {one for one, state in states.items() if state == "gone"}
        self.returned += len(returned)
        self.ended += len(self.now - members)
        self.now = members

    def nothing_ends_in_silence(
        self, world: Any, members: set[str], states: dict[str, str], leads: dict[str, str]
    ) -> None:
        """Events, night by night, end in the members there are, and an id that ended leads to one of them, unless
        nobody names what it was made from."""
        nights: dict[Any, list[tuple[str, str, str | None]]] = defaultdict(list)
        for night, *event in world.read(EVENTS):
            nights[night].append(tuple(event))
        living: set[str] = set()
        begun: set[str] = set()
        for _, events in sorted(nights.items()):
            living |= {one for event in events if (one := begins(*event))}
            begun |= living
            living -= {one for event in events if (one := ends(*event))}
        # one that lost an identifier to another member ended with it if its id was made from that one
        left = {other for events in nights.values() for kind, _, other in events if kind == "reassigned"}
        assert living - left <= members <= living
        assert self.seen <= begun
        assert set(leads.values()) <= members
        for one in self.seen - members:
            assert one in leads or states[one] == "gone"
            if states[one] == "gone" and one in leads and self.carried[one]:
                assert self.carried[one] & self.carried[leads[one]]

    def the_fewest_change(self, members: set[str], states: dict[str, str], leads: dict[str, str]) -> None:
        """An id stays with the identifier that it was made from, or it would pass to somebody else when the two part.
        Of all ways that obey this none ends fewer ids and none makes fewer: an id ends with its identifier, or because
        its member has another one that readers know; and nobody gets a new one who has one."""
        for one in self.now - members:
            assert states[one] == "gone" or leads[one] in self.now
        fresh = members - self.seen
        for one in self.seen - members:
            assert states[one] == "gone" or leads[one] not in fresh
