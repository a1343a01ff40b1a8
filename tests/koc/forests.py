"""Random small worlds of people who bring each other: as events for the oracle, and as the rows that the models read.

Forests never meet, so one run of the models proves as many as there are. What fails names its forest.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from tests.oracle.commissions import Held, linli_code
from tests.oracle.log import Event, event_of

Row = dict[str, Any]
FIRST, NIGHT = date(2026, 9, 1), date(2026, 11, 5)
DAYS = (NIGHT - FIRST).days + 1
# nobody knows of shares before
SHARES_FROM = FIRST + timedelta(days=20)
READINGS = [FIRST + timedelta(days=n) for n in range(0, DAYS, 2)]
STAFF = [
    ("p", "E1", "anna", "S1"),
    ("p", "E2", None, "S1"),
    ("q", "E3", "bert", "S2"),
    ("q", "E1", "carl", "S2"),
]
LEADERS = [("g", "L1", "S1"), ("g", "L2", "S2"), ("g", "L3", "S2")]
STORES = ["S1", "S2"]


def business_day(at: datetime) -> date:
    return (at - timedelta(hours=4)).date()


class World:
    """`tables`: rows by relation. `events`: the same, as it happened. `members`: whose a record is."""

    def __init__(self, seed: int, forests: int) -> None:
        self.rng = Random(seed)
        self.tables: dict[str, list[Row]] = defaultdict(list)
        self.events: list[Event] = []
        self.members: dict[tuple[str, str, str], str | None] = {}
        self.retired: dict[str, str] = {}
        self.held: dict[str, list[Held]] = defaultdict(list)
        for number in range(forests):
            self._forest(f"f{number}")
        self._staff()

    def _happened(
        self, kind: str, connection: str, feed: str, record_id: str, at: datetime, **rest: Any
    ) -> None:
        night = max(FIRST, business_day(at))
        row = {"kind": kind, "connection": connection, "feed": feed, "record_id": record_id, "at": str(at)}
        self.events.append(event_of({**row, "night": str(night), **rest}))

    def _owned(self, connection: str, feed: str, record_id: str, member: str | None) -> None:
        self.members[connection, feed, record_id] = member
        row = {"connection": connection, "feed": feed, "record_id": record_id, "member_id": member}
        self.tables["audit.record_members"].append(row)

    def _moment(self, first: int = 0, last: int = DAYS - 1) -> datetime:
        """Often around the end of a business day."""
        day = datetime.combine(FIRST + timedelta(days=self.rng.randint(first, last)), datetime.min.time())
        edge = [timedelta(hours=3, minutes=59, seconds=59), timedelta(hours=4), timedelta(hours=9)]
        return day + self.rng.choice([*edge, timedelta(seconds=self.rng.randint(0, 86399))])

    def _forest(self, name: str) -> None:
        rng = self.rng
        people = [f"{name}m{n}" for n in range(rng.randint(2, 7))]
        if rng.random() < 0.03:
            self.retired[f"{name}old"] = people[0]
        self.tables["audit.members"] += [{"member_id": p, "home_store_code": "S1"} for p in people]
        self.tables["audit.member_metrics"] += [{"member_id": p} for p in people]
        codes = [f"C{name}-{n}" for n in range(len(people))]
        said = [*codes, *codes, codes[0].lower(), "LOST", linli_code(people[-1]), linli_code(f"{name}old")]
        accounts = self._accounts(name, people, codes, said)
        self._numbers(name, accounts)
        for number in range(rng.randint(3, 9)):
            self._group_order(f"{name}-{number}", people, accounts, said)
        for number in range(rng.randint(0, 6)):
            self._sale(f"S1|{name}-{number}", rng.choice(people))
        for number in range(rng.randint(0, 14)):
            self._share(f"SH{name}-{number}", people)
        for number in range(rng.choice([0, 0, 0, 1, 2])):
            self._complaint(f"CP{name}-{number}", rng.choice(people))
        for number in range(rng.randint(0, 4)):
            self._join(f"{name}-{number}", rng.choice(people))

    def _accounts(
        self, name: str, people: list[str], codes: list[str], said: list[str]
    ) -> list[tuple[str, str]]:
        """One or two a person; a ring or a chain of invitations on purpose, else whatever."""
        rng, out = self.rng, []
        style = rng.choice(["ring", "chain", "any", "any"])
        for place, person in enumerate(people):
            for number in range(rng.choice([1, 1, 2])):
                openid = f"{name}o{place}{number}"
                own = codes[place] if rng.random() < (0.8 if number == 0 else 0.2) else ""
                if rng.random() < 0.04:
                    own = codes[0]
                after = codes[(place + 1) % len(codes)]
                by = {
                    "ring": after,
                    "chain": after if place + 1 < len(people) else "",
                    "any": rng.choice([*said, "", ""]),
                }
                invited_by = by[style] if number == 0 or rng.random() < 0.5 else ""
                at = self._moment(0, 20)
                record_id = f"wx|{openid}"
                detail = f'{{"own_invite_code": "{own}"}}'
                self._happened("registered", "g", "users", record_id, at, ref=invited_by, detail=detail)
                self._owned("g", "users", record_id, person)
                self.tables["staging.stg_groupbuy__users"].append(
                    {"connection": "g", "appid": "wx", "openid": openid, "record_id": record_id, "registered_at": at,
                     "record_key": f"g|users|{record_id}", "own_invite_code": own or None, "arrived_on": NIGHT,
                     "invited_by_code": invited_by or None, "first_arrived_on": FIRST}
                )  # fmt: skip
                out.append((openid, person))
        return out

    def _numbers(self, name: str, accounts: list[tuple[str, str]]) -> None:
        """A number that some accounts verified, each from and to a day; one member may have two of the accounts."""
        rng = Random(f"numbers of {name}")
        who = rng.sample(accounts, min(len(accounts), rng.choice([0, 2, 3])))
        holders = {person: openid for openid, person in who}
        for person, openid in holders.items():
            first = FIRST + timedelta(days=rng.randint(0, DAYS // 2))
            last = rng.choice([None, first + timedelta(days=rng.randint(0, DAYS // 2))])
            self.held[person].append(Held(name, first, last))
            pair = {"namespace_a": "openid", "identifier_a": f"wx:{openid}", "namespace_b": "phone"}
            self.tables["audit.identity_refusals"].append(
                pair | {"identifier_b": name, "reason": "shared_phone"}
            )
            dates = {"valid_from": first, "valid_to": last}
            self.tables["audit.member_identifiers"] += [
                {"member_id": person, "namespace": "openid", "identifier": f"wx:{openid}", **dates},
                {"member_id": person, "namespace": "phone", "identifier": name, **dates},
            ]

    def _group_order(
        self, number: str, people: list[str], accounts: list[tuple[str, str]], said: list[str]
    ) -> None:
        rng, record_id = self.rng, f"G{number}"
        openid, buyer = rng.choice(accounts)
        member = buyer if rng.random() < 0.95 else None
        at, amount = (
            self._moment(),
            rng.choice([*range(1, 8), 10, 33, rng.randint(1, 4000), rng.randint(1, 4000)]),
        )
        code = rng.choice([*said, "", "", "", ""])
        sharer = rng.choice([rng.choice(accounts)[0], "", "", "stranger"])
        leader = rng.choice(["L1", "L2", "L3", "X9", ""])
        paid, test = rng.random() < 0.93, rng.random() < 0.04
        detail: Row = {
            "appid": "wx",
            "openid": openid,
            "invite_code": code,
            "sharer": sharer,
            "leader_id": leader,
        }
        detail = {key: value for key, value in detail.items() if value} | ({"test": "yes"} if test else {})
        store = rng.choice([*STORES, ""])
        text = str(detail).replace("'", '"')
        self._happened(
            "order_placed",
            "g",
            "orders",
            record_id,
            at,
            amount_fen=str(amount),
            detail=text,
            store_code=store,
        )
        if paid:
            self._happened("order_paid", "g", "orders", record_id, at, amount_fen=str(amount))
        self._owned("g", "orders", record_id, member)
        self.tables["staging.stg_groupbuy__orders"].append(
            {"connection": "g", "record_id": record_id, "appid": "wx", "openid": openid}
        )
        backs = self._backs(record_id, at, amount) if paid and rng.random() < 0.4 else []
        self._order("groupbuy", "g", record_id, at, amount if paid else 0, backs, member, store, is_test=test,
                    invite_code=code or None, sharer=f"wx:{sharer}" if sharer else None, leader_id=leader or None)  # fmt: skip

    def _backs(self, record_id: str, at: datetime, amount: int) -> list[tuple[datetime, int]]:
        rng, out = self.rng, []
        for turn in range(rng.choice([1, 1, 2, 3])):
            back_at = min(at + timedelta(days=rng.choice([0, 1, 6, 7, 8, 9, 20]), seconds=rng.randint(0, 80000)),
                          datetime.combine(NIGHT, datetime.min.time()) + timedelta(hours=20))  # fmt: skip
            fen = rng.choice([1, 2, 3, (amount + 1) // 2, amount])
            self._happened(
                "refund_done",
                "g",
                "refunds",
                f"R{record_id}-{turn}",
                back_at,
                ref=record_id,
                amount_fen=str(fen),
            )
            out.append((back_at, fen))
        given = sum(fen for _, fen in out)
        if given < amount and rng.random() < 0.2:
            self._happened("order_cancelled", "g", "orders", record_id, out[-1][0])
            out.append((out[-1][0], amount - given))
        return out

    def _sale(self, record_id: str, person: str) -> None:
        at, amount = self._moment(), self.rng.randint(1, 9000)
        self._happened("sale", "p", "tickets", record_id, at, amount_fen=str(amount), store_code="S1")
        self._owned("p", "tickets", record_id, person)
        backs = []
        if self.rng.random() < 0.15:
            later = min(
                at + timedelta(days=self.rng.choice([0, 3, 30])), datetime.combine(NIGHT, datetime.min.time())
            )
            fen = self.rng.randint(1, amount)
            self._happened(
                "return",
                "p",
                "tickets",
                f"{record_id}R",
                later,
                ref=record_id,
                amount_fen=str(fen),
                state="linked",
            )
            backs.append((later, fen))
        self._order("pos", "p", record_id, at, amount, backs, person, "S1")

    def _order(
        self, channel: str, connection: str, record_id: str, at: datetime, net: int, backs: list[tuple[datetime, int]],
        member: str | None, store: str, *, is_test: bool = False, **rest: Any,
    ) -> None:  # fmt: skip
        key = f"{channel}|{connection}|{record_id}"
        back = sum(fen for _, fen in backs)
        bought = net > back and not is_test
        row = {"order_key": key, "channel": channel, "connection": connection, "record_id": record_id, "is_listed": True,
               "is_test": is_test, "is_staff": False, "is_purchase": bought, "net_fen": net, "ordered_at": at,
               "spend_fen": net - back if bought else 0, "business_date": business_day(at), "member_id": member,
               "store_code": store or None, "invite_code": None, "sharer": None, "leader_id": None}  # fmt: skip
        self.tables["raw_orders"].append(row | rest)
        for when, fen in backs:
            self.tables["raw_refunds"].append(
                {"order_key": key, "channel": channel, "business_date": business_day(when), "amount_fen": fen,
                 "store_code": store or None}
            )  # fmt: skip

    def _engaged(self, kind: str, record_id: str, at: datetime, member: str, is_counted: bool = True) -> None:
        self.tables["audit.engagements"].append(
            {"engagement_key": f"{kind}|g|{record_id}", "kind": kind, "member_id": member, "is_counted": is_counted,
             "business_date": business_day(at)}
        )  # fmt: skip

    def _share(self, record_id: str, people: list[str]) -> None:
        """Mostly of the first two, so that some share often enough."""
        person = people[self.rng.choice([0, 0, 0, 1, len(people) - 1])]
        span = ((SHARES_FROM - FIRST).days, DAYS - 1)
        at = datetime.combine(self._moment(*span).date(), datetime.min.time()) + timedelta(hours=9)
        self._happened("share", "g", "shares", record_id, at)
        self._owned("g", "shares", record_id, person)
        self._engaged("share", record_id, at, person)

    def _complaint(self, record_id: str, person: str) -> None:
        at, withdrawn = self._moment(), self.rng.random() < 0.5
        self._happened("complaint_opened", "g", "complaints", record_id, at)
        if withdrawn:
            self._happened("complaint_withdrawn", "g", "complaints", record_id, at)
        self._owned("g", "complaints", record_id, person)
        self._engaged("complaint", record_id, at, person, not withdrawn)

    def _join(self, number: str, person: str) -> None:
        rng, at = self.rng, self._moment()
        ends = at + timedelta(days=rng.choice([0, 1, 6, 7, 8, 9])) if rng.random() < 0.4 else None
        if ends and business_day(ends) > NIGHT:
            ends = None
        user, state = f"wm{number}", rng.choice(["E1", "E2", "E3", "bert", "S1", "nobody", ""])
        if rng.random() < 0.6:
            kind, feed, record_id = ("chat_join", "chat_leave"), "group_members", f"c|{user}"
            ref, scene = rng.choice(["anna", "bert", "mallory", "", ""]), rng.choice([1, 2, 3, 9])
            detail = f'{{"join_scene": "{scene}"}}'
        else:
            kind, feed, record_id = ("contact_added", "contact_removed"), "contacts", user
            ref, scene = rng.choice(["anna", "bert", "carl"]), rng.choice([1, 2, 3])
            detail = f'{{"add_way": "{scene}"}}'
        self._happened(kind[0], "w", feed, record_id, at, ref=ref, state=state, detail=detail)
        if ends:
            self._happened(kind[1], "w", feed, record_id, ends, ref=ref, state=state)
        self._owned("w", feed, record_id, person)
        seen = [n for n in READINGS if business_day(at) <= n and not (ends and business_day(ends) <= n)]
        if not seen:
            return
        row = {"connection": "w", "record_id": record_id, "state": state or None, "first_arrived_on": min(seen),
               "arrived_on": max(seen)}  # fmt: skip
        if feed == "group_members":
            row |= {"chat_id": "c", "userid": user, "member_type": 2, "join_time": at, "join_scene": scene,
                    "invitor_userid": ref or None}  # fmt: skip
            self.tables["staging.stg_wecom__group_members"].append(row)
        else:
            row |= {"userid": ref, "external_userid": user, "createtime": at, "add_way": scene}
            self.tables["staging.stg_wecom__contacts"].append(row)

    def _staff(self) -> None:
        for connection, staff_id, userid, store in STAFF:
            self.tables["staging.stg_pos__staff"].append(
                {"connection": connection, "staff_id": staff_id, "wecom_userid": userid, "store_code": store}
            )
        for connection, leader_id, store in LEADERS:
            self.tables["staging.stg_groupbuy__leaders"].append(
                {"connection": connection, "leader_id": leader_id, "store_code": store}
            )
        self.tables["staging.stg_wecom__group_chats"] = [
            {"connection": "w", "chat_id": "c", "arrived_on": READINGS[-1]}
        ]
        self.tables["staging.stg_wecom__snapshot_staff"] = [
            {"connection": "w", "userid": user, "arrived_on": READINGS[-1], "complete": True}
            for user in ("anna", "bert", "carl")
        ]
        self.tables["ops.stores"] = [{"store_code": code} for code in STORES]
        self.tables["intermediate.int_identity_redirects"] = [
            {"retired_member_id": old, "member_id": new} for old, new in self.retired.items()
        ]
