"""A member graph with time and traps whose truth is known: what `linli bench identity` resolves and scores.

People have phones, cards, WeChat accounts in two apps, contacts and accounts that pay. Every identifier on a record has
an owner: the person who held it when the record said so, nobody for a shop's or a made-up number. A link is true when
both of its ends are the same person's. People come in chunks, each from a generator of its own, so a world of any size
needs the memory of one chunk, and the same seed gives the same world.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dagster_project.benchmarks.identity_rates import CARD_TRAPS, NUMBER_TRAPS, Rates

TONIGHT = date(2026, 11, 21)
START = date(2024, 11, 21)
DAY = 86_400
SPAN = 729 * DAY  # seconds of history; tonight's arrivals are late rows of it
FREEZE = 90 * DAY  # a carrier hands a number out again after this at the earliest
NEVER = 2 * SPAN
NOBODY = -1
CHUNK = 250_000

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CARD, CONTACT, MALL, MINI, UNION, PHONE, LISTED, PAYER = range(8)
_NAMESPACES = (
    "pos_member", "external_userid", "openid", "openid", "unionid", "phone", "phone", "openid",
)  # fmt: skip

MEMBERS, USERS, CONTACTS, ORDERS, TICKETS = range(5)
_FEEDS = (
    ("pos_main", "pos", "members"), ("mall", "groupbuy", "users"), ("wecom", "wecom", "contacts"),
    ("mall", "groupbuy", "orders"), ("pos_main", "pos", "tickets"),
)  # fmt: skip

# (feed, basis, role, precedence), as the macro identity_feeds has them; the first of a feed is its strongest
_BASES = (
    (MEMBERS, "member_ref", "own", 1), (MEMBERS, "phone", "own", 2), (MEMBERS, "openid", "own", 3),
    (MEMBERS, "unionid", "own", 4),
    (USERS, "openid", "own", 1), (USERS, "verified_phone", "own", 2), (USERS, "unionid", "own", 3),
    (USERS, "unverified_phone", "unverified", 4),
    (CONTACTS, "external_userid", "own", 1), (CONTACTS, "unionid", "own", 2), (CONTACTS, "remark_phone", "own", 3),
    (ORDERS, "openid", "own", 1), (ORDERS, "verified_phone", "own", 2), (ORDERS, "unionid", "own", 3),
    (TICKETS, "member_ref", "said", 1), (TICKETS, "phone", "said", 2), (TICKETS, "pay_openid", "payer", 3),
)  # fmt: skip
TRAPS = (*NUMBER_TRAPS, *CARD_TRAPS, "two_cards", "reregistered", "wrong_remark")
# of a state, what its row goes on saying with every version; all else is said once
_STATES = ((MEMBERS, "phone"), (MEMBERS, "openid"), (MEMBERS, "unionid"), (USERS, "verified_phone"), (USERS, "unionid"),
    (USERS, "unverified_phone"))  # fmt: skip
SLIP = (
    7 * DAY
)  # what was replaced sooner was a slip and leaves no trace (rules/identity.yml former_link_min_days)
NAMES = 4_000  # that are common
_BASIS_NO = {(feed, basis): number for number, (feed, basis, _, _) in enumerate(_BASES)}

# identifiers are numbered kind × 2^40 + person; the kinds keep a person's second number apart from the first, and
# what belongs to nobody apart from both
_KIND = 1 << 40
_FIRST, _SECOND, _MISTYPED, _SHOP, _MADE_UP = (kind * _KIND for kind in range(5))


@dataclass
class _Sheet:
    """Columns that grow by whole arrays."""

    names: tuple[str, ...]
    parts: dict[str, list[Ints]] = field(default_factory=dict)

    def add(self, **columns: Any) -> None:
        count = max(len(column) for column in columns.values() if isinstance(column, np.ndarray))
        for name in self.names:
            column = np.broadcast_to(np.asarray(columns[name]).astype(np.int64), (count,))
            self.parts.setdefault(name, []).append(column)

    def table(self) -> pa.Table:
        none = [np.zeros(0, np.int64)]
        return pa.table({name: np.concatenate(self.parts.get(name, none)) for name in self.names})


class _Chunk:
    """`size` people from number `first` on, and all that is recorded of them. Times are seconds since START."""

    def __init__(self, rates: Rates, seed: int, first: int, size: int, first_record: int) -> None:
        self.rates, self.first, self.size, self.next_record = rates, first, size, first_record
        self.rng = np.random.default_rng((seed, first))
        self.records = _Sheet(("record", "feed", "person", "happened_at", "name"))
        self.statements = _Sheet(
            (
                "record",
                "basis",
                "space",
                "number",
                "owner",
                "anchor_owner",
                "first_at",
                "last_at",
                "ended_at",
            )
        )
        self.traps = _Sheet(("trap", "person"))
        self._people()
        self._cards()
        self._accounts()
        self._contacts()

    def _chance(self, count: int, share: float) -> Bools:
        return self.rng.random(count) < share

    def _between(self, low: Ints, high: Ints) -> Ints:
        return (low + self.rng.random(len(low)) * np.maximum(high - low, 0)).astype(np.int64)

    def _drawn(self, count: int, names: tuple[str, ...]) -> Ints:
        """One of the traps per row, or len(names) for none."""
        return np.searchsorted(
            np.cumsum([getattr(self.rates, n) for n in names]), self.rng.random(count), side="right"
        )

    def _name(self, person: Ints) -> Ints:
        return np.where(person == NOBODY, NOBODY, person + self.first)

    def _note(self, trap: str, person: Ints) -> None:
        if len(person):
            self.traps.add(trap=TRAPS.index(trap), person=person + self.first)

    def _named(self, person: Ints, share: float, other: float = 0.0) -> Ints:
        """The number of the name that a record of that person carries, or nobody's."""
        whose = np.where(self._chance(len(person), other), self._stranger(person), person)
        return np.where(self._chance(len(person), share), self.name[whose], NOBODY)

    def _record(self, feed: int, person: Ints, at: Ints, name: Ints | int = NOBODY) -> Ints:
        number = self.next_record + np.arange(len(person))
        self.next_record += len(person)
        if len(person):
            self.records.add(record=number, feed=feed, person=self._name(person), happened_at=at, name=name)
        return number

    def _state(
        self, basis: tuple[int, str], record: Ints, space: Any, number: Ints, owner: Ints, by: Ints, first: Ints,
        last: Ints, ended: Ints | int = NEVER,
    ) -> None:  # fmt: skip
        """`record` names an identifier of `owner` from `first` to `last`, and another instead since `ended`.

        `by`: who held the record's strongest identifier then, which is the other end of the link.
        """
        if len(record):
            # one in two rows or so is renewed while it is in use; which, is the record's own
            moves = record * 0x9E3779B1 % 1009 < self.rates.row_moves * 1009
            last = np.maximum(first, np.where(moves, last, first)) if basis in _STATES else first
            self.statements.add(
                record=record, basis=_BASIS_NO[basis], space=space, number=number, owner=self._name(owner),
                anchor_owner=self._name(by), first_at=first, last_at=last, ended_at=ended,
            )  # fmt: skip

    # ---- people and their numbers

    def _people(self) -> None:
        n, rng = self.size, self.rng
        everybody = np.arange(n)
        self.start = rng.integers(0, 640 * DAY, n)
        stays = self._chance(n, 0.8)
        self.end = np.where(stays, SPAN, self._between(self.start + DAY, np.full(n, SPAN)))
        self.trap = self._drawn(n, NUMBER_TRAPS)
        self.own = _FIRST + self.first + everybody
        self.second = _SECOND + self.first + everybody
        # the number until `switch`, whose it is, and the number after it
        self.number, self.holder = self.own.copy(), everybody.copy()
        self.switch = np.full(n, NEVER)
        for trap, make in zip(NUMBER_TRAPS, (self._recycle, self._share, self._change), strict=False):
            make(np.flatnonzero(self.trap == NUMBER_TRAPS.index(trap)))
        self._note("two_phones", np.flatnonzero(self.trap == NUMBER_TRAPS.index("two_phones")))
        is_common = self._chance(n, self.rates.common_name)
        self.name = np.where(is_common, rng.integers(0, NAMES, n), NAMES + self.first + everybody)
        self.payer = np.where(self._chance(n, self.rates.shared_payer), self._stranger(everybody), everybody)
        self.pays = self._chance(n, self.rates.payer_on_ticket)

    def _recycle(self, leavers: Ints) -> None:
        plain = np.flatnonzero(self.trap == len(NUMBER_TRAPS))
        leavers = leavers[: len(plain)]
        heirs = self.rng.choice(plain, len(leavers), replace=False)
        self.start[leavers] = self.rng.integers(0, 150 * DAY, len(leavers))
        given_up = self._between(self.start[leavers] + 60 * DAY, np.full(len(leavers), 400 * DAY))
        self.switch[leavers] = given_up
        gone = self._chance(len(leavers), 0.5)
        self.end[leavers] = np.where(gone, given_up, SPAN)
        self.number[heirs] = self.own[leavers]
        self.start[heirs] = self._between(given_up + FREEZE, np.full(len(leavers), 700 * DAY))
        self.end[heirs] = SPAN
        self._note("recycled_number", leavers)

    def _share(self, relatives: Ints) -> None:
        family = np.repeat(np.arange(len(relatives)), self.rng.integers(2, 5, len(relatives)))[
            : len(relatives)
        ]
        _, place = np.unique(family, return_index=True)
        heads = relatives[place[family]] if len(relatives) else relatives
        self.number[relatives], self.holder[relatives] = self.own[heads], heads
        self._note("family_phone", relatives)

    def _change(self, movers: Ints) -> None:
        start, end = self.start[movers], self.end[movers]
        self.switch[movers] = start + ((0.2 + 0.6 * self.rng.random(len(movers))) * (end - start)).astype(
            np.int64
        )
        self._note("number_change", movers)

    def _number_at(self, person: Ints, at: Ints) -> tuple[Ints, Ints]:
        """The number a person gives at that time, and whose it is."""
        before = at < self.switch[person]
        return (
            np.where(before, self.number[person], self.second[person]),
            np.where(before, self.holder[person], person),
        )

    def _stranger(self, person: Ints) -> Ints:
        """Somebody else."""
        return (person + self.rng.integers(1, max(self.size, 2), len(person))) % self.size

    # ---- the till

    def _cards(self) -> None:
        person = np.flatnonzero(self._chance(self.size, self.rates.card))
        n, rng, rates = len(person), self.rng, self.rates
        trap = self._drawn(n, CARD_TRAPS)
        start, stop = self.start[person], np.minimum(self.end, self.switch)[person]
        opened = self._between(start, start + (stop - start) // 2)
        number, owner = self._number_at(person, opened)
        old_number, old_owner = number.copy(), owner.copy()
        first, last = opened, np.minimum(self._between(opened, self.end[person]), stop)
        moved = (self.trap[person] == NUMBER_TRAPS.index("number_change")) & self._chance(n, 0.5)
        number, owner = np.where(moved, self.second[person], number), np.where(moved, person, owner)
        first, last = np.where(moved, self.switch[person], first), np.where(moved, self.end[person], last)
        stale = (self.trap[person] == NUMBER_TRAPS.index("recycled_number")) & self._chance(
            n, rates.stale_card
        )
        last = np.where(stale, self._between(stop, np.full(n, SPAN)), last)
        space = np.full(n, PHONE)
        bearer = person.copy()

        def fallen(name: str) -> Ints:
            chosen = np.flatnonzero(trap == CARD_TRAPS.index(name))
            self._note(name, person[chosen])
            return chosen

        for name, size, base in (
            ("cashier_hub", rates.cards_per_hub, _FIRST),
            ("shop_phone", rates.cards_per_shop, _SHOP),
            ("placeholder_listed", rates.cards_per_placeholder, _FIRST),
            ("placeholder_unlisted", rates.cards_per_placeholder, _MADE_UP),
        ):
            cards = fallen(name)
            hubs = -(-len(cards) // size)
            centre = rng.integers(0, self.size, max(hubs, 1))[rng.integers(0, max(hubs, 1), len(cards))]
            number[cards], owner[cards] = base + self.first + centre, NOBODY
            if name == "cashier_hub":
                number[cards], owner[cards] = self._number_at(centre, first[cards])
            if name == "placeholder_listed":
                space[cards], number[cards] = LISTED, centre
        cards = fallen("mistyped_digit")
        hit = self._chance(len(cards), rates.mistyped_hits)
        other = self._stranger(person[cards])
        theirs, whose = self._number_at(other, first[cards])
        number[cards] = np.where(hit, theirs, _MISTYPED + self.first + person[cards])
        owner[cards] = np.where(hit, whose, NOBODY)
        cards = fallen("swapped_card")
        number[cards], owner[cards] = self._number_at(np.roll(person[cards], 1), first[cards])
        cards = fallen("handed_on_card")
        handed = np.full(n, NEVER)
        handed[cards] = (opened + (self.end[person] - opened) // 2)[cards]
        bearer[cards] = self._stranger(person[cards])
        number[cards], owner[cards] = self._number_at(bearer[cards], handed[cards])
        first[cards], last[cards] = handed[cards], SPAN
        shown = self._chance(n, rates.phone_on_card)
        code = _FIRST + self.first + person
        called = self._named(np.where(self._chance(n, 0.5), person, bearer), rates.name_on_card)
        record = self._record(MEMBERS, bearer, first, called)
        begun = np.minimum(opened, first)
        final = np.where(bearer != person, SPAN, self.end[person])
        self._state(
            (MEMBERS, "member_ref"),
            record,
            CARD,
            code,
            bearer,
            bearer,
            np.where(bearer != person, first, begun),
            final,
        )
        self._state(
            (MEMBERS, "phone"),
            record[shown],
            space[shown],
            number[shown],
            owner[shown],
            bearer[shown],
            first[shown],
            last[shown],
        )
        was = np.flatnonzero(
            shown
            & ((moved & (trap == len(CARD_TRAPS))) | (bearer != person))
            & (old_number != number)
            & (first - opened >= SLIP)
            & self._chance(n, rates.former_seen)
        )
        self._state(
            (MEMBERS, "phone"), record[was], PHONE, old_number[was], old_owner[was], person[was], opened[was],
            np.minimum(first, stop)[was], first[was],
        )  # fmt: skip
        bound = np.flatnonzero(self._chance(n, rates.openid_on_card))
        until = np.minimum(self.end[person], handed)
        for basis, kind, chosen in (
            ("openid", MALL, bound), ("unionid", UNION, bound[self._chance(len(bound), rates.unionid_known)]),
        ):  # fmt: skip
            holder = person[chosen]
            self._state(
                (MEMBERS, basis), record[chosen], kind, code[chosen], holder, holder, opened[chosen], until[chosen]
            )  # fmt: skip
        lost = self._chance(n, rates.two_cards) & (trap == len(CARD_TRAPS))
        given_up = handed.copy()
        given_up[lost] = self._second_cards(person[lost], opened[lost])
        self._tickets(person, code, opened, np.minimum(self.end[person], given_up), rates.tickets)
        late = bearer != person
        self._tickets(
            bearer[late], code[late], handed[late], np.full(int(late.sum()), SPAN), max(rates.tickets, 1)
        )

    def _second_cards(self, person: Ints, since: Ints) -> Ints:
        """A lost card is replaced some time after `since`; the number is given anew. Returns when."""
        opened = self._between(since, self.end[person])
        number, owner = self._number_at(person, opened)
        record = self._record(MEMBERS, person, opened, self._named(person, self.rates.name_on_card))
        code = _SECOND + self.first + person
        self._state((MEMBERS, "member_ref"), record, CARD, code, person, person, opened, self.end[person])
        self._state(
            (MEMBERS, "phone"),
            record,
            PHONE,
            number,
            owner,
            person,
            opened,
            np.minimum(self.end, self.switch)[person],
        )
        self._note("two_cards", person)
        self._tickets(person, code, opened, self.end[person], self.rates.tickets)
        return opened

    def _tickets(self, person: Ints, code: Ints, since: Ints, until: Ints, mean: float) -> None:
        times = self.rng.poisson(mean, len(person))
        person, code, since, until = (np.repeat(column, times) for column in (person, code, since, until))
        at = self._between(since, until)
        record = self._record(TICKETS, person, at)
        by_card = self._chance(len(person), 0.6)
        self._state(
            (TICKETS, "member_ref"),
            record[by_card],
            CARD,
            code[by_card],
            person[by_card],
            person[by_card],
            at[by_card],
            at[by_card],
        )
        pays = self.pays[person]
        payer = self.payer[person][pays]
        self._state(
            (TICKETS, "pay_openid"), record[pays], PAYER, _FIRST + self.first + payer, payer, person[pays], at[pays], at[pays]
        )  # fmt: skip
        number, owner = self._number_at(person, at)
        said = ~by_card
        self._state(
            (TICKETS, "phone"),
            record[said],
            PHONE,
            number[said],
            owner[said],
            person[said],
            at[said],
            at[said],
        )

    # ---- accounts in the two apps

    def _accounts(self) -> None:
        rates = self.rates
        self.again = np.full(self.size, NEVER)  # when a person opens WeChat anew
        has_mall = self._chance(self.size, rates.mall_account)
        person = np.flatnonzero(has_mall)
        joined = self._joined(person)
        anew = self._chance(len(person), rates.reregistered)
        self.again[person[anew]] = (joined + (self.end[person] - joined) // 2)[anew]
        self._note("reregistered", person[anew])
        self._users(person, MALL, joined, np.zeros(len(person), np.bool_))
        person = np.flatnonzero(self._chance(self.size, rates.mini_account))
        self._users(person, MINI, self._joined(person), np.zeros(len(person), np.bool_))
        person = np.flatnonzero(self.again < NEVER)
        self._users(person, MALL, self.again[person], np.ones(len(person), np.bool_))

    def _joined(self, person: Ints) -> Ints:
        stop = np.minimum(self.end, self.switch)[person]
        return self._between(self.start[person], self.start[person] + (stop - self.start[person]) // 2)

    def _users(self, person: Ints, app: int, joined: Ints, is_second: Bools) -> None:
        rates, n = self.rates, len(person)
        until = np.where(is_second, self.end[person], np.minimum(self.end, self.again)[person])
        base = np.where(is_second, _SECOND, _FIRST)
        openid = unionid = base + self.first + person
        record = self._record(USERS, person, joined)
        self._state((USERS, "openid"), record, app, openid, person, person, joined, until)
        known = self._chance(n, rates.unionid_known)
        self._state(
            (USERS, "unionid"),
            record[known],
            UNION,
            unionid[known],
            person[known],
            person[known],
            joined[known],
            until[known],
        )
        # whoever changes her number tells the app so more often than the till
        moved = (self.switch[person] < until) & (self.switch[person] > joined) & self._chance(n, 0.6)
        first = np.where(moved, self.switch[person], joined)
        last = np.where((first < self.switch[person]), np.minimum(until, self.switch[person]), until)
        number, owner = self._number_at(person, first)
        two = (self.trap[person] == NUMBER_TRAPS.index("two_phones")) & (app == MINI)
        number = np.where(two, self.second[person], number)
        luck = self.rng.random(n)
        # an account opened anew is found again by its number, which therefore is verified
        proved = (luck < rates.verified_phone) | is_second
        typed = ~proved & (luck < rates.verified_phone + rates.unverified_phone)
        for name, chosen in (("verified_phone", proved), ("unverified_phone", typed)):
            self._state(
                (USERS, name),
                record[chosen],
                PHONE,
                number[chosen],
                owner[chosen],
                person[chosen],
                first[chosen],
                last[chosen],
            )
        was = np.flatnonzero(proved & moved & (first - joined >= SLIP) & self._chance(n, rates.former_seen))
        number, owner = self._number_at(person, joined)
        self._state(
            (USERS, "verified_phone"), record[was], PHONE, number[was], owner[was], person[was], joined[was], first[was],
            first[was],
        )  # fmt: skip
        if app == MALL:
            self._orders(person[proved], openid[proved], joined[proved], until[proved])

    def _orders(self, person: Ints, openid: Ints, since: Ints, until: Ints) -> None:
        times = self.rng.poisson(self.rates.orders, len(person))
        person, openid, since, until = (np.repeat(column, times) for column in (person, openid, since, until))
        at = self._between(since, until)
        number, owner = self._number_at(person, at)
        two = (self.trap[person] == NUMBER_TRAPS.index("two_phones")) & self._chance(len(person), 0.5)
        name = self._named(person, self.rates.name_on_order, self.rates.other_receiver)
        record = self._record(ORDERS, person, at, name)
        self._state((ORDERS, "openid"), record, MALL, openid, person, person, at, at)
        self._state(
            (ORDERS, "verified_phone"),
            record,
            PHONE,
            np.where(two, self.second[person], number),
            owner,
            person,
            at,
            at,
        )
        known = self._chance(len(person), self.rates.unionid_known)
        self._state(
            (ORDERS, "unionid"),
            record[known],
            UNION,
            openid[known],
            person[known],
            person[known],
            at[known],
            at[known],
        )

    def _contacts(self) -> None:
        rates = self.rates
        person = np.flatnonzero(self._chance(self.size, rates.contact))
        at = self._between(self.start[person], self.end[person])
        record = self._record(CONTACTS, person, at, self._named(person, rates.name_in_remark))
        is_old = at < self.again[person]
        until = np.where(is_old, np.minimum(self.end, self.again)[person], self.end[person])
        account = np.where(is_old, _FIRST, _SECOND) + self.first + person
        self._state((CONTACTS, "external_userid"), record, CONTACT, account, person, person, at, until)
        known = self._chance(len(person), rates.unionid_of_contact)
        self._state(
            (CONTACTS, "unionid"),
            record[known],
            UNION,
            account[known],
            person[known],
            person[known],
            at[known],
            until[known],
        )
        noted = np.flatnonzero(self._chance(len(person), rates.phone_in_remark))
        wrong = self._chance(len(noted), rates.wrong_remark)
        whose = np.where(wrong, self._stranger(person[noted]), person[noted])
        number, owner = self._number_at(whose, at[noted])
        self._state(
            (CONTACTS, "remark_phone"),
            record[noted],
            PHONE,
            number,
            owner,
            person[noted],
            at[noted],
            at[noted],
        )
        self._note("wrong_remark", person[noted][wrong])

    # ---- tables

    def tables(self) -> dict[str, pa.Table]:
        """records and statements with what happens tonight, and who fell into which trap."""
        records, statements = self.records.table(), self.statements.table()
        number = statements.column("number").to_numpy()
        # ids of WeChat come in pairs that only their last letter's case tells apart
        paired = np.isin(statements.column("space").to_numpy(), (CONTACT, MALL, MINI, UNION, PAYER))
        key = np.where(paired, number >> 1, number).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        statements = statements.append_column("key", pa.array(key))
        statements = statements.append_column("is_upper", pa.array(paired & (number % 2 == 1)))
        tonight = self._chance(len(records), self.rates.new_tonight)
        revoked = self._chance(len(statements), self.rates.revoked_tonight)
        return {
            "new_records": records.append_column("tonight", pa.array(tonight)),
            "new_statements": statements.append_column("revoked", pa.array(revoked)),
            "new_traps": self.traps.table(),
        }


_IDENTIFIER = f"""
case space
    when {CARD} then 'pos_main:C' || hex
    when {CONTACT} then 'wm' || hex || letter
    when {MALL} then 'wxmall:o' || hex || letter
    when {MINI} then 'wxmini:o' || hex || letter
    when {UNION} then 'u' || hex || letter
    when {PHONE} then translate(hex || reverse(hex), '0123456789abcdef', 'abcdefghijklmnop')
    when {LISTED} then $listed[1 + number % len($listed)]
    else 'wxpos:o' || hex || letter
end
"""

_TABLES = """
create table feeds (feed_no bigint, connection varchar, kind varchar, feed varchar);
create table bases (basis_no bigint, feed_no bigint, basis varchar, role varchar, precedence integer);
create table namespaces (space bigint, namespace varchar);
create table traps (trap varchar, person bigint);
create table records (
    record bigint, connection varchar, kind varchar, feed varchar, record_id varchar, person bigint, happened_at timestamp,
    store_code varchar, name_token varchar, tonight boolean
);
create table statements (
    record bigint, connection varchar, kind varchar, feed varchar, record_id varchar, namespace varchar,
    identifier varchar, role varchar, basis varchar, precedence integer, masked varchar, first_at timestamp,
    last_at timestamp, ended_at timestamp, gone_on date, first_seen_on date, owner bigint, anchor_owner bigint,
    tonight boolean, revoked boolean
);
"""

_NAMED = f"""
create or replace temp table named as
select
    s.* exclude (first_at, last_at, ended_at, key, is_upper),
    r.feed as feed_no, r.person, r.name, r.happened_at, r.tonight, bases.basis as basis_name, bases.role, bases.precedence,
    namespaces.namespace,
    {_IDENTIFIER} as identifier,
    timestamp '{START}' + to_seconds(s.first_at) as first_at, timestamp '{START}' + to_seconds(s.last_at) as last_at,
    case when s.ended_at < {NEVER} then timestamp '{START}' + to_seconds(s.ended_at) end as ended_at
from (
    select *, lower(lpad(to_hex(key), 16, '0')) as hex, case when is_upper then 'Q' else 'q' end as letter
    from new_statements
) as s
inner join new_records as r using (record)
inner join bases on s.basis = bases.basis_no
inner join namespaces using (space)
"""

_RECORDS = f"""
insert into records
select
    record, connection, kind, feeds.feed,
    case feed_no
        when {MEMBERS} then substr(identifier, 10)
        when {USERS} then replace(identifier, ':', '|')
        when {CONTACTS} then identifier
        when {ORDERS} then 'G' || record
        else printf('S%03d', person % 50) || '|T' || record
    end,
    person, timestamp '{START}' + to_seconds(happened_at), printf('S%03d', person % 50),
    case when name >= 0 then 'n' || translate(to_hex(hash(name)), '0123456789abcdef', 'abcdefghijklmnop') end, tonight
from named
inner join feeds using (feed_no)
where (precedence = 1 or feed_no = {TICKETS}) and role != 'payer'
"""

_STATEMENTS = f"""
insert into statements
select
    record, records.connection, records.kind, records.feed, records.record_id, namespace, identifier, role, basis_name,
    precedence, case when namespace = 'phone' then '1**********' end, first_at, last_at, ended_at,
    case when named.tonight and ended_at is not null then date '{TONIGHT}' else ended_at::date end,
    case when named.tonight then date '{TONIGHT}' else first_at::date end,
    owner, anchor_owner, named.tonight,
    revoked and precedence > 1 and feed_no != {TICKETS} and not named.tonight
from named
inner join records using (record)
"""

_CLAIMS = """
create table claims as
select
    tied.connection, tied.feed, tied.record_id, anchor.namespace as namespace_a, anchor.identifier as identifier_a,
    tied.namespace as namespace_b, tied.identifier as identifier_b,
    tied.kind || '.' || tied.feed || '.' || tied.basis as rule, tied.basis, tied.role,
    greatest(anchor.first_seen_on, tied.first_seen_on) as first_seen_on, tied.first_at, tied.last_at, tied.ended_at,
    tied.gone_on,
    tied.anchor_owner as owner_a, tied.owner as owner_b, tied.tonight, tied.revoked
from statements as tied
inner join statements as anchor using (record)
where tied.precedence > 1 and anchor.precedence = 1 and tied.role in ('own', 'unverified')
"""


def write_world(path: Path, members: int, rates: Rates, seed: int, listed: list[str]) -> int:
    """Writes the world of `members` people to a DuckDB file; returns the number of distinct links.

    Tables: `records` (who each record is about), `statements` (every identifier on a record and its owner then),
    `claims` (the links as int_identity_claims makes them of the statements, with the owners of both ends) and `traps`. Owner −1 is nobody.
    `tonight` marks what arrives only on the night after, `revoked` what is withdrawn on it.

    Args:
        listed: tokens of the placeholder numbers that the rules know.
    """
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.execute("set threads = 2")
        connection.execute(_TABLES)
        for number, feed in enumerate(_FEEDS):
            connection.execute("insert into feeds values (?, ?, ?, ?)", [number, *feed])
        for number, basis in enumerate(_BASES):
            connection.execute("insert into bases values (?, ?, ?, ?, ?)", [number, *basis])
        for number, namespace in enumerate(_NAMESPACES):
            connection.execute("insert into namespaces values (?, ?)", [number, namespace])
        record = 0
        for first in range(0, members, CHUNK):
            chunk = _Chunk(rates, seed, first, min(CHUNK, members - first), record)
            record = chunk.next_record
            _write_chunk(connection, chunk, listed)
        connection.execute(_CLAIMS)
        [(links,)] = connection.execute(
            "select count(*) from (select distinct namespace_a, identifier_a, namespace_b, identifier_b from claims)"
        ).fetchall()
        return int(links)


def _write_chunk(connection: duckdb.DuckDBPyConnection, chunk: _Chunk, listed: list[str]) -> None:
    tables = chunk.tables()
    for name, table in tables.items():
        connection.register(name, table)
    connection.execute(_NAMED, {"listed": listed})
    connection.execute(_RECORDS)
    connection.execute(_STATEMENTS)
    connection.execute(
        "insert into traps select list_extract(?, trap::integer + 1), person from new_traps", [list(TRAPS)]
    )
    for name in tables:
        connection.unregister(name)
