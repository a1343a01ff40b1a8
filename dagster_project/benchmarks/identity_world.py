"""A member graph with time and traps whose truth is known: what `linli bench identity` resolves and scores.

People have phones, cards, WeChat accounts in two apps, contacts and accounts that pay. Every identifier on a record
has an owner: the person who held it when the record said so, nobody for a shop's or a made-up number. A link is true
when both of its ends are the same person's. People come in chunks, each from a generator of its own, so a world of
any size needs the memory of one chunk, and the same seed gives the same world.
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
_LONG = 1 << 32  # more than any time
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
# what was replaced sooner was a slip and leaves no trace (former_link_min_days of rules/identity.yml)
SLIP = 7 * DAY
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


@dataclass
class _Cards:
    """What the member file says of each card last, row by row.

    `code`: the card's number; `stop`: until when `person` has the number she opened it with; `bearer`: whose it is in
    the end, since `handed`; `number` in `space` is stated from `first` to `last` and is `owner`'s then.
    """

    person: Ints
    code: Ints
    trap: Ints
    opened: Ints
    stop: Ints
    bearer: Ints
    handed: Ints
    space: Ints
    number: Ints
    owner: Ints
    first: Ints
    last: Ints
    moved: Bools

    @property
    def is_plain(self) -> Bools:
        return self.trap == len(CARD_TRAPS)

    @property
    def is_handed_on(self) -> Bools:
        return self.bearer != self.person


class _Chunk:
    """`size` people from number `first` on, and all that is recorded of them. Times are seconds since START."""

    def __init__(self, rates: Rates, seed: int, first: int, size: int, first_record: int) -> None:
        self.rates, self.first, self.size, self.next_record = rates, first, size, first_record
        self.rng = np.random.default_rng((seed, first))
        self.records = _Sheet(("record", "feed", "person", "happened_at", "name"))
        self.statements = _Sheet(
            ("record", "basis", "space", "number", "owner", "anchor_owner", "first_at", "last_at", "ended_at")
        )
        self.traps = _Sheet(("trap", "person"))
        self.visits: list[Ints] = []
        self._people()
        self._cards()
        self._accounts()
        self._contacts()

    def _chance(self, count: int, share: float) -> Bools:
        return self.rng.random(count) < share

    def _between(self, low: Ints, high: Ints) -> Ints:
        return (low + self.rng.random(len(low)) * np.maximum(high - low, 0)).astype(np.int64)

    def _visit(self, person: Ints, at: Ints) -> None:
        # one number per visit that sorts by person, then time
        self.visits.append(person * _LONG + at)

    def _met(self, person: Ints, low: Ints, high: Ints) -> Ints:
        """A visit of each person's between the two times; any time between, when there was none or by chance."""
        visits = np.sort(np.concatenate([np.zeros(0, np.int64), *self.visits]))
        first = np.searchsorted(visits, person * _LONG + low)
        count = np.searchsorted(visits, person * _LONG + high) - first
        chosen = first + (self.rng.random(len(person)) * count).astype(np.int64)
        anytime = self._between(low, high)
        on_visit = (count > 0) & self._chance(len(person), self.rates.met_on_a_visit)
        return (
            np.where(on_visit, visits[np.where(on_visit, chosen, 0)] % _LONG, anytime)
            if len(visits)
            else anytime
        )

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
        last: Ints, ended: Ints | int = NEVER, *, where: Ints | Bools | None = None,
    ) -> None:  # fmt: skip
        """`record` names an identifier of `owner` from `first` to `last`, and another instead since `ended`.

        `by`: who held the record's strongest identifier then, which is the other end of the link. `where`: the rows
        of all these columns that are meant.
        """
        columns: tuple[Any, ...] = (record, space, number, owner, by, first, last, ended)
        if where is not None:
            columns = tuple(c[where] if isinstance(c, np.ndarray) else c for c in columns)
        record, space, number, owner, by, first, last, ended = columns
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
        cards = self._plain_cards()
        old_number, old_owner = cards.number.copy(), cards.owner.copy()
        self._move_on(cards)
        self._crowd(cards)
        self._mix_up(cards)
        self._write_cards(cards, old_number, old_owner)
        lost = self._chance(len(cards.person), self.rates.two_cards) & cards.is_plain
        given_up = cards.handed.copy()
        given_up[lost] = self._second_cards(cards.person[lost], cards.opened[lost])
        until = np.minimum(self.end[cards.person], given_up)
        self._tickets(cards.person, cards.code, cards.opened, until, self.rates.tickets)
        late = cards.is_handed_on
        self._tickets(
            cards.bearer[late], cards.code[late], cards.handed[late], np.full(int(late.sum()), SPAN),
            max(self.rates.tickets, 1),
        )  # fmt: skip

    def _plain_cards(self) -> _Cards:
        """Each on its holder's number while she has that."""
        person = np.flatnonzero(self._chance(self.size, self.rates.card))
        n = len(person)
        trap = self._drawn(n, CARD_TRAPS)
        start, stop = self.start[person], np.minimum(self.end, self.switch)[person]
        opened = self._between(start, start + (stop - start) // 2)
        number, owner = self._number_at(person, opened)
        return _Cards(
            person=person, code=_FIRST + self.first + person, trap=trap, opened=opened, stop=stop,
            bearer=person.copy(), handed=np.full(n, NEVER), space=np.full(n, PHONE), number=number, owner=owner,
            first=opened, last=np.minimum(self._between(opened, self.end[person]), stop), moved=np.zeros(n, np.bool_),
        )  # fmt: skip

    def _move_on(self, cards: _Cards) -> None:
        """Every other holder of a new number tells the till; a stale card goes on stating the one given up."""
        person, n = cards.person, len(cards.person)
        moved = (self.trap[person] == NUMBER_TRAPS.index("number_change")) & self._chance(n, 0.5)
        cards.moved = moved
        cards.number = np.where(moved, self.second[person], cards.number)
        cards.owner = np.where(moved, person, cards.owner)
        cards.first = np.where(moved, self.switch[person], cards.first)
        cards.last = np.where(moved, self.end[person], cards.last)
        gave_up = self.trap[person] == NUMBER_TRAPS.index("recycled_number")
        stale = gave_up & self._chance(n, self.rates.stale_card)
        cards.last = np.where(stale, self._between(cards.stop, np.full(n, SPAN)), cards.last)

    def _fallen(self, cards: _Cards, trap: str) -> Ints:
        """Which cards fell into a trap; it is written down."""
        chosen = np.flatnonzero(cards.trap == CARD_TRAPS.index(trap))
        self._note(trap, cards.person[chosen])
        return chosen

    def _crowd(self, cards: _Cards) -> None:
        """Numbers that stand on many cards: a cashier's, a shop's, or one that was made up."""
        rates, rng = self.rates, self.rng
        for trap, size, base in (
            ("cashier_hub", rates.cards_per_hub, _FIRST),
            ("shop_phone", rates.cards_per_shop, _SHOP),
            ("placeholder_listed", rates.cards_per_placeholder, _FIRST),
            ("placeholder_unlisted", rates.cards_per_placeholder, _MADE_UP),
        ):
            fallen = self._fallen(cards, trap)
            hubs = max(-(-len(fallen) // size), 1)
            centre = rng.integers(0, self.size, hubs)[rng.integers(0, hubs, len(fallen))]
            cards.number[fallen], cards.owner[fallen] = base + self.first + centre, NOBODY
            if trap == "cashier_hub":
                cards.number[fallen], cards.owner[fallen] = self._number_at(centre, cards.first[fallen])
            if trap == "placeholder_listed":
                cards.space[fallen], cards.number[fallen] = LISTED, centre

    def _mix_up(self, cards: _Cards) -> None:
        """Cards with a wrong digit, with another customer's number, and in other hands."""
        person = cards.person
        fallen = self._fallen(cards, "mistyped_digit")
        hit = self._chance(len(fallen), self.rates.mistyped_hits)
        theirs, whose = self._number_at(self._stranger(person[fallen]), cards.first[fallen])
        cards.number[fallen] = np.where(hit, theirs, _MISTYPED + self.first + person[fallen])
        cards.owner[fallen] = np.where(hit, whose, NOBODY)
        fallen = self._fallen(cards, "swapped_card")
        swapped = self._number_at(np.roll(person[fallen], 1), cards.first[fallen])
        cards.number[fallen], cards.owner[fallen] = swapped
        fallen = self._fallen(cards, "handed_on_card")
        cards.handed[fallen] = (cards.opened + (self.end[person] - cards.opened) // 2)[fallen]
        cards.bearer[fallen] = self._stranger(person[fallen])
        theirs, whose = self._number_at(cards.bearer[fallen], cards.handed[fallen])
        cards.number[fallen], cards.owner[fallen] = theirs, whose
        cards.first[fallen], cards.last[fallen] = cards.handed[fallen], SPAN

    def _write_cards(self, cards: _Cards, old_number: Ints, old_owner: Ints) -> None:
        """The member file: each card, its number, the number before, and the accounts tied to it."""
        rates, person, bearer, n = self.rates, cards.person, cards.bearer, len(cards.person)
        shown = self._chance(n, rates.phone_on_card)
        self._visit(person, cards.opened)
        called = self._named(np.where(self._chance(n, 0.5), person, bearer), rates.name_on_card)
        record = self._record(MEMBERS, bearer, cards.first, called)
        begun = np.where(cards.is_handed_on, cards.first, np.minimum(cards.opened, cards.first))
        final = np.where(cards.is_handed_on, SPAN, self.end[person])
        self._state((MEMBERS, "member_ref"), record, CARD, cards.code, bearer, bearer, begun, final)
        self._state(
            (MEMBERS, "phone"), record, cards.space, cards.number, cards.owner, bearer, cards.first, cards.last,
            where=shown,
        )  # fmt: skip
        was = (
            shown
            & ((cards.moved & cards.is_plain) | cards.is_handed_on)
            & (old_number != cards.number)
            & (cards.first - cards.opened >= SLIP)
            & self._chance(n, rates.former_seen)
        )
        self._state(
            (MEMBERS, "phone"), record, PHONE, old_number, old_owner, person, cards.opened,
            np.minimum(cards.first, cards.stop), cards.first, where=was,
        )  # fmt: skip
        bound = np.flatnonzero(self._chance(n, rates.openid_on_card))
        known = bound[self._chance(len(bound), rates.unionid_known)]
        until = np.minimum(self.end[person], cards.handed)
        for basis, kind, chosen in (("openid", MALL, bound), ("unionid", UNION, known)):
            self._state(
                (MEMBERS, basis), record, kind, cards.code, person, person, cards.opened, until, where=chosen
            )

    def _second_cards(self, person: Ints, since: Ints) -> Ints:
        """A lost card is replaced some time after `since`; the number is given anew. Returns when."""
        opened = self._between(since, self.end[person])
        number, owner = self._number_at(person, opened)
        record = self._record(MEMBERS, person, opened, self._named(person, self.rates.name_on_card))
        code = _SECOND + self.first + person
        self._state((MEMBERS, "member_ref"), record, CARD, code, person, person, opened, self.end[person])
        until = np.minimum(self.end, self.switch)[person]
        self._state((MEMBERS, "phone"), record, PHONE, number, owner, person, opened, until)
        self._note("two_cards", person)
        self._tickets(person, code, opened, self.end[person], self.rates.tickets)
        return opened

    def _tickets(self, person: Ints, code: Ints, since: Ints, until: Ints, mean: float) -> None:
        times = self.rng.poisson(mean, len(person))
        person, code, since, until = (np.repeat(column, times) for column in (person, code, since, until))
        at = self._between(since, until)
        self._visit(person, at)
        record = self._record(TICKETS, person, at)
        by_card = self._chance(len(person), 0.6)
        self._state((TICKETS, "member_ref"), record, CARD, code, person, person, at, at, where=by_card)
        payer = self.payer[person]
        account = _FIRST + self.first + payer
        self._state(
            (TICKETS, "pay_openid"), record, PAYER, account, payer, person, at, at, where=self.pays[person]
        )
        number, owner = self._number_at(person, at)
        self._state((TICKETS, "phone"), record, PHONE, number, owner, person, at, at, where=~by_card)

    # ---- accounts in the two apps

    def _accounts(self) -> None:
        rates = self.rates
        # when a person leaves her WeChat, and when she opens it anew
        self.left, self.again = np.full(self.size, NEVER), np.full(self.size, NEVER)
        has_mall = self._chance(self.size, rates.mall_account)
        person = np.flatnonzero(has_mall)
        joined = self._joined(person)
        anew = self._chance(len(person), rates.reregistered)
        left = (joined + (self.end[person] - joined) // 2)[anew]
        without = self.rng.exponential(rates.reregistered_after * DAY, len(left)).astype(np.int64)
        self.left[person[anew]] = left
        self.again[person[anew]] = np.minimum(left + without, self.end[person[anew]])
        self._note("reregistered", person[anew])
        self._users(person, MALL, joined, np.zeros(len(person), np.bool_))
        person = np.flatnonzero(self._chance(self.size, rates.mini_account))
        joined = self._joined(person)
        is_second = joined >= self.left[person]
        joined = np.where(is_second, np.maximum(joined, self.again[person]), joined)
        self._users(person, MINI, joined, is_second)
        person = np.flatnonzero(self.again < NEVER)
        self._users(person, MALL, self.again[person], np.ones(len(person), np.bool_))

    def _joined(self, person: Ints) -> Ints:
        stop = np.minimum(self.end, self.switch)[person]
        return self._met(person, self.start[person], self.start[person] + (stop - self.start[person]) // 2)

    def _users(self, person: Ints, app: int, joined: Ints, is_second: Bools) -> None:
        rates, n = self.rates, len(person)
        until = np.where(is_second, self.end[person], np.minimum(self.end, self.left)[person])
        base = np.where(is_second, _SECOND, _FIRST)
        openid = unionid = base + self.first + person
        record = self._record(USERS, person, joined)
        self._state((USERS, "openid"), record, app, openid, person, person, joined, until)
        known = self._chance(n, rates.unionid_known)
        self._state((USERS, "unionid"), record, UNION, unionid, person, person, joined, until, where=known)
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
            self._state((USERS, name), record, PHONE, number, owner, person, first, last, where=chosen)
        was = proved & moved & (first - joined >= SLIP) & self._chance(n, rates.former_seen)
        number, owner = self._number_at(person, joined)
        self._state(
            (USERS, "verified_phone"), record, PHONE, number, owner, person, joined, first, first, where=was
        )
        if app == MALL:
            self._orders(person[proved], openid[proved], joined[proved], until[proved])

    def _orders(self, person: Ints, openid: Ints, since: Ints, until: Ints) -> None:
        times = self.rng.poisson(self.rates.orders, len(person))
        person, openid, since, until = (np.repeat(column, times) for column in (person, openid, since, until))
        at = self._between(since, until)
        self._visit(person, at)  # to fetch it
        number, owner = self._number_at(person, at)
        two = (self.trap[person] == NUMBER_TRAPS.index("two_phones")) & self._chance(len(person), 0.5)
        name = self._named(person, self.rates.name_on_order, self.rates.other_receiver)
        record = self._record(ORDERS, person, at, name)
        self._state((ORDERS, "openid"), record, MALL, openid, person, person, at, at)
        number = np.where(two, self.second[person], number)
        self._state((ORDERS, "verified_phone"), record, PHONE, number, owner, person, at, at)
        known = self._chance(len(person), self.rates.unionid_known)
        self._state((ORDERS, "unionid"), record, UNION, openid, person, person, at, at, where=known)

    def _contacts(self) -> None:
        rates = self.rates
        person = np.flatnonzero(self._chance(self.size, rates.contact))
        at = self._met(person, self.start[person], self.end[person])
        # who has no WeChat is added when she has it again
        at = np.where((at >= self.left[person]) & (at < self.again[person]), self.again[person], at)
        record = self._record(CONTACTS, person, at, self._named(person, rates.name_in_remark))
        is_old = at < self.again[person]
        until = np.where(is_old, np.minimum(self.end, self.left)[person], self.end[person])
        account = np.where(is_old, _FIRST, _SECOND) + self.first + person
        self._state((CONTACTS, "external_userid"), record, CONTACT, account, person, person, at, until)
        known = self._chance(len(person), rates.unionid_of_contact)
        self._state((CONTACTS, "unionid"), record, UNION, account, person, person, at, until, where=known)
        noted = np.flatnonzero(self._chance(len(person), rates.phone_in_remark))
        wrong = self._chance(len(noted), rates.wrong_remark)
        whose = np.where(wrong, self._stranger(person[noted]), person[noted])
        number, owner = self._number_at(whose, at[noted])
        by, at = person[noted], at[noted]
        self._state((CONTACTS, "remark_phone"), record[noted], PHONE, number, owner, by, at, at)
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
    `claims` (the links as int_identity_claims makes them of the statements, with the owners of both ends) and `traps`.
    Owner −1 is nobody. `tonight` marks what arrives only on the night after, `revoked` what is withdrawn on it.

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
