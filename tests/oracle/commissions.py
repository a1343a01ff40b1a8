"""What recommenders earn for the orders they brought, worked out again from the log: entries, refusals, statements."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from tests.oracle import koc
from tests.oracle.log import Bought, Event, Known


@dataclass(frozen=True)
class Terms:
    """Defaults of the part `koc` of rules/commission.yml; shares are hundredths of a percent."""

    level_1: int = 1500
    level_2: int = 500
    window: int = 7
    require_koc: bool = True
    attribution: tuple[str, ...] = ("invite_code",)
    max_circle: int = 16
    refuse_shared_phone: bool = True


@dataclass(frozen=True)
class Account:
    name: str  # appid:openid
    member: str | None
    own_code: str
    invited_by: str
    registered_at: datetime


@dataclass(frozen=True)
class Entry:
    base: int
    amount: int
    status: str
    day: date
    due_on: date
    koc: str

    @property
    def month(self) -> str:
        return f"{self.day:%Y-%m}"


@dataclass
class Books:
    """entries: by (order_key, beneficiary, level, entry_no). refusals: by (order_key, level) → (beneficiary, reason)."""

    entries: dict[tuple[str, str, int, int], Entry] = field(default_factory=dict)
    refusals: dict[tuple[str, int], tuple[str | None, str]] = field(default_factory=dict)


@dataclass
class Statement:
    orders: int = 0
    level_1: int = 0
    level_2: int = 0
    clawed_back: int = 0
    pending: int = 0
    due: int = 0


def half_up(amount: int, basis_points: int) -> int:
    return (amount * basis_points + 5000) // 10000


def month_of(day: date) -> str:
    return f"{day:%Y-%m}"


def refund_days(known: Known) -> dict[str, dict[date, int]]:
    """What was given back of each order of `known.bought`, by the business day it was given back."""
    out: dict[str, Counter[date]] = defaultdict(Counter)
    by_record = {(one.channel, one.record_id): one for one in known.bought.values()}

    def give(one: Bought | None, event: Event, amount: int) -> None:
        if one is not None and one.net and amount:
            out[one.key][known.business_date(event.when, one.store_code)] += amount

    for event in known.by_kind["refund_done"]:
        give(by_record.get(("groupbuy", event.ref)), event, event.amount_fen)
    for event in known.by_kind["return"]:
        if event.state == "linked" and ("pos", event.ref) in by_record:
            give(by_record["pos", event.ref], event, event.amount_fen)
        else:
            stray = by_record["pos", event.record_id]
            out[stray.key][stray.day] += stray.refund
    # what cancels an order gives back what is left of it
    for kind, channel, name in (("void", "pos", "ref"), ("order_cancelled", "groupbuy", "record_id")):
        for event in sorted(known.by_kind[kind], key=lambda e: (e.when, e.record_id)):
            one = by_record.get((channel, getattr(event, name)))
            if one is not None:
                give(one, event, one.net - sum(out[one.key].values()))
    return {key: dict(days) for key, days in out.items() if days}


def accounts_of(known: Known) -> dict[str, Account]:
    """Group-buy accounts by name."""
    out = {}
    for event in known.by_kind["registered"]:
        name = event.record_id.replace("|", ":")
        own = (event.detail or {}).get("own_invite_code") or ""
        out[name] = Account(name, known.member_of(event), own, event.ref, event.when)
    return out


def linli_code(member: str) -> str:
    """Our own code for whoever has none of the source."""
    return "LK" + hashlib.sha256(f"invite|{member}".encode()).hexdigest()[:10].upper()


def owners_of_codes(known: Known, retired: Mapping[str, str] | None = None) -> dict[str, set[str]]:
    """Members behind each code. `retired`: member ids that are another one's today."""
    out: dict[str, set[str]] = defaultdict(set)
    for account in accounts_of(known).values():
        if account.own_code:
            out[account.own_code] |= {account.member} if account.member else set()
    ids = {member: member for member in known.members.values() if member} | dict(retired or {})
    for said, member in ids.items():
        out[linli_code(said)].add(member)
    return out


def shown_codes(known: Known) -> dict[str, str]:
    """The invite code that is shown of each member who has one: of the oldest account with a code, else ours of who qualifies."""
    out: dict[str, str] = {}
    for account in sorted(accounts_of(known).values(), key=lambda a: (a.registered_at, a.name)):
        if account.member and account.own_code:
            out.setdefault(account.member, account.own_code)
    for member, one in koc.koc(known).items():
        if one.eligible == "yes":
            out.setdefault(member, linli_code(member))
    return out


Inviters = Mapping[str, tuple[str, str]]


def inviters_of(known: Known, owners: Mapping[str, set[str]]) -> dict[str, tuple[str, str]]:
    """Who brought whom, and the code: that of the oldest account, else that of the first paid order."""
    oldest: dict[str, Account] = {}
    for account in sorted(accounts_of(known).values(), key=lambda a: (a.registered_at, a.name)):
        if account.member:
            oldest.setdefault(account.member, account)
    codes = {member: account.invited_by for member, account in oldest.items() if account.invited_by}
    firsts: dict[str, Bought] = {}
    for one in sorted(known.bought.values(), key=lambda one: (one.at, one.key)):
        if one.channel == "groupbuy" and one.member and one.net and not one.is_test:
            firsts.setdefault(one.member, one)
    for member, one in firsts.items():
        if member not in codes and one.detail.get("invite_code"):
            codes[member] = one.detail["invite_code"]
    return {member: (next(iter(owners[c])), c) for member, c in codes.items() if len(owners.get(c, ())) == 1}


def _is_above(buyer: str | None, beneficiary: str, inviters: Inviters, steps: int) -> bool:
    at = beneficiary
    for _ in range(steps):
        if at not in inviters:
            return False
        at, _ = inviters[at]
        if at == buyer:
            return True
    return False


@dataclass(frozen=True)
class Held:
    """A number that One ID follows for nobody, and from which to which day a member had it."""

    phone: str
    first: date
    last: date | None = None

    def on(self, day: date) -> bool:
        return self.first <= day and (self.last is None or day <= self.last)


def _share_a_number(one: Bought, beneficiary: str, held: Mapping[str, Iterable[Held]]) -> bool:
    """Whether buyer and beneficiary are two accounts of one number on the day of the order."""
    mine, theirs = (
        {number.phone for number in held.get(member or "", ()) if number.on(one.at.date())}
        for member in (one.member, beneficiary)
    )
    return bool(mine & theirs)


def books(
    known: Known,
    terms: Terms | None = None,
    rules: koc.Rules | None = None,
    retired: Mapping[str, str] | None = None,
    held: Mapping[str, Iterable[Held]] | None = None,
) -> Books:
    """All entries and refusals that are known in the night. `held`: numbers by the member whose WeChat account holds them."""
    terms = terms or Terms()
    held = held if held is not None and terms.refuse_shared_phone else {}
    out = Books()
    owners, accounts = owners_of_codes(known, retired), accounts_of(known)
    inviters = inviters_of(known, owners)
    given_back = refund_days(known)
    answers: dict[date, dict[str, koc.Koc]] = {}

    def answer(member: str, day: date) -> str:
        if day not in answers:
            answers[day] = koc.koc(known, rules, day)
        found = answers[day].get(member)
        return found.eligible if found else koc.nobody(known, rules, day)

    def decide(one: Bought, level: int, member: str, rate: int) -> None:
        eligible = answer(member, one.day - timedelta(days=1))
        if terms.require_koc and eligible == "no":
            out.refusals[one.key, level] = (member, "not_koc")
        elif rate:
            _earn(out, one, member, level, rate, eligible, given_back.get(one.key, {}), known.as_of, terms)

    for one in known.bought.values():
        if one.channel != "groupbuy" or not one.net or one.day > known.as_of:
            continue
        member, account, shared, code = _brought_by(one, terms, owners, accounts, inviters)
        if member is None and not code:
            continue
        reason = ""
        if one.is_test:
            reason = "test_order"
        elif member is None:
            reason = "shared_code" if shared else "unknown_code"
        elif member == one.member:
            reason = _own(one, code, account, accounts)
        elif _share_a_number(one, member, held):
            reason = "duplicate_account"
        elif _is_above(one.member, member, inviters, terms.max_circle):
            reason = "circular"
        if reason:
            out.refusals[one.key, 1] = (member, reason)
            continue
        assert member is not None
        decide(one, 1, member, terms.level_1)
        if member not in inviters:
            continue
        second, _ = inviters[member]
        if second not in (one.member, member) and _share_a_number(one, second, held):
            out.refusals[one.key, 2] = (second, "duplicate_account")
        elif second in (one.member, member) or _is_above(one.member, second, inviters, terms.max_circle):
            out.refusals[one.key, 2] = (second, "circular")
        else:
            decide(one, 2, second, terms.level_2)
    return out


def _brought_by(
    one: Bought,
    terms: Terms,
    owners: Mapping[str, set[str]],
    accounts: Mapping[str, Account],
    inviters: Inviters,
) -> tuple[str | None, str, bool, str]:
    """Who brought an order, by which account, whether the code is two people's, and the code."""
    code = one.detail.get("invite_code", "") if "invite_code" in terms.attribution else ""
    for way in terms.attribution:
        if way == "invite_code" and len(owners.get(code, ())) == 1:
            return next(iter(owners[code])), "", False, code
        if way == "sharer" and one.detail.get("sharer"):
            account = accounts.get(f"{one.detail['appid']}:{one.detail['sharer']}")
            if account and account.member:
                return account.member, account.name, False, ""
        if way == "inviter" and one.member in inviters:
            return inviters[one.member][0], "", False, inviters[one.member][1]
    return None, "", len(owners.get(code, ())) > 1, code


def _own(one: Bought, code: str, account: str, accounts: Mapping[str, Account]) -> str:
    """The same account's code or link, or that of another account of the same person."""
    buyer = f"{one.detail.get('appid')}:{one.detail.get('openid')}"
    mine = accounts.get(buyer)
    if not one.detail.get("openid") or buyer == account or code.startswith("LK"):
        return "self"
    return "self" if mine and code and mine.own_code == code else "duplicate_account"


def _earn(
    out: Books, one: Bought, member: str, level: int, rate: int, eligible: str, back: Mapping[date, int],
    as_of: date, terms: Terms,
) -> None:  # fmt: skip
    due_on = one.day + timedelta(days=terms.window)
    waits = terms.require_koc and eligible == "unknown"
    left = max(0, one.net - sum(fen for day, fen in back.items() if waits or day <= due_on))
    status = "clawed_back" if not left else "pending" if waits or due_on > as_of else "due"
    out.entries[one.key, member, level, 0] = Entry(
        left, half_up(left, rate), status, one.day, due_on, eligible
    )
    if waits:
        return
    number, taken = 0, sum(fen for day, fen in back.items() if day <= due_on)
    for day in sorted(day for day in back if day > due_on):
        taken += back[day]
        after = max(0, one.net - taken)
        if after != left:
            number += 1
            amount = half_up(after, rate) - half_up(left, rate)
            out.entries[one.key, member, level, number] = Entry(
                after - left, amount, "clawed_back", day, due_on, eligible
            )
            left = after


def statements(found: Books) -> dict[tuple[str, str], Statement]:
    """By month and beneficiary."""
    out: dict[tuple[str, str], Statement] = defaultdict(Statement)
    counted: dict[tuple[str, str], set[str]] = defaultdict(set)
    for (order, member, level, number), entry in found.entries.items():
        one = out[entry.month, member]
        if number:
            one.clawed_back += entry.amount
        elif level == 1:
            one.level_1 += entry.amount
        else:
            one.level_2 += entry.amount
        if not number and entry.status != "clawed_back":
            counted[entry.month, member].add(order)
        if entry.status == "pending":
            one.pending += entry.amount
        else:
            one.due += entry.amount
    for key, orders in counted.items():
        out[key].orders = len(orders)
    return dict(out)


def ranking(found: Books) -> dict[tuple[str, int], tuple[str, int, int, int]]:
    """By month and place: member, orders and what is left of them, commission of both levels in that month."""
    left: dict[tuple[str, str], int] = defaultdict(int)  # (member, order)
    months = {}
    for (order, member, level, number), entry in found.entries.items():
        if level == 1:
            left[member, order] += entry.base
            if not number:
                months[member, order] = entry.month
    brought: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for key, fen in left.items():
        if fen > 0:
            brought[months[key]][key[0]].append(fen)
    told = statements(found)
    out = {}
    for month, people in brought.items():
        order = sorted(people, key=lambda member: (-sum(people[member]), -len(people[member]), member))
        for place, member in enumerate(order, start=1):
            one = told[month, member]
            commission = one.level_1 + one.level_2 + one.clawed_back
            out[month, place] = (member, len(people[member]), sum(people[member]), commission)
    return out
