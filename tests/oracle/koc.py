"""Who is a recommender (KOC), with the evidence, worked out again from the log."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta

from tests.oracle.log import Known


@dataclass(frozen=True)
class Rules:
    """Defaults of rules/koc.yml; `fewest_fen` is yuan × 100."""

    fewest_fen: int = 30_000
    fewest_shares: int = 5
    most_complaints: int = 0
    silent_share_days: int = 30
    days: int = 30


@dataclass
class Koc:
    spend: int = 0
    shares: int | None = 0
    complaints: int = 0
    eligible: str = "no"
    reason: str = ""
    evidence: set[tuple[str, str]] = field(default_factory=set)  # (kind, ref)


def koc(known: Known, rules: Rules | None = None, day: date | None = None) -> dict[str, Koc]:
    """Every member with a purchase, share or complaint. `day`: judged as of an earlier day by what is known now."""
    chosen = rules or Rules()
    as_of = day or known.as_of
    out: dict[str, Koc] = defaultdict(Koc)
    first = as_of - timedelta(days=chosen.days - 1)
    for one in known.purchases:
        if one.member and one.day <= as_of:
            found = out[one.member]
            if one.day >= first:
                found.spend += one.spend
                found.evidence.add(("order", one.key))
    for event in known.by_kind["share"]:
        member = known.member_of(event)
        if member and first <= known.business_date(event.when) <= as_of:
            out[member].shares = (out[member].shares or 0) + 1
            out[member].evidence.add(("share", event.record_id))
    withdrawn = {event.record_id for event in known.by_kind["complaint_withdrawn"]}
    for event in known.by_kind["complaint_opened"]:
        member = known.member_of(event) or _buyer(known, event.ref)
        if member and known.business_date(event.when) <= as_of:
            out[member].evidence.add(("complaint", event.record_id))
            out[member].complaints += event.record_id not in withdrawn
    nights = sorted({*_share_nights(known)})
    heard = _heard(known, chosen, as_of)
    for found in out.values():
        enough = (
            found.spend >= chosen.fewest_fen
            and (found.shares or 0) >= chosen.fewest_shares
            and found.complaints <= chosen.most_complaints
        )
        found.eligible = ("yes" if enough else "no") if heard else "unknown"
        if not heard:
            found.shares = None
        found.reason = _reason(nights, found, chosen, as_of)
    return dict(out)


def _share_nights(known: Known) -> list[date]:
    return [event.night for event in known.by_kind["share"] if event.night]


def _reason(nights: list[date], found: Koc, rules: Rules, as_of: date) -> str:
    """In words: the first condition that is missed, in the order spend, shares, complaints."""
    if found.shares is None:
        return (
            f"分享数据已 {(as_of - nights[-1]).days} 天没有到，无法判断"
            if nights
            else "没有分享数据，无法判断"
        )
    if found.spend < rules.fewest_fen:
        return f"近30天消费 {found.spend / 100:.2f} 元，不足 {rules.fewest_fen / 100:.2f} 元"
    if found.shares < rules.fewest_shares:
        began = nights[0]
        only = f"（{began} 起才有分享数据）" if began > as_of - timedelta(days=rules.days - 1) else ""
        return f"近30天分享 {found.shares} 次，不足 {rules.fewest_shares} 次{only}"
    if found.complaints > rules.most_complaints:
        return f"有 {found.complaints} 次投诉，超过 {rules.most_complaints} 次"
    return "消费、分享、投诉三项全部达标"


def nobody(known: Known, rules: Rules | None = None, day: date | None = None) -> str:
    """The answer for who neither bought, shared nor complained."""
    chosen = rules or Rules()
    if not _heard(known, chosen, day or known.as_of):
        return "unknown"
    return "no" if chosen.fewest_fen or chosen.fewest_shares else "yes"


def _heard(known: Known, rules: Rules, as_of: date) -> bool:
    """Whether anybody could know of shares on that day: not before the first file of them, not long after the last."""
    nights = _share_nights(known)
    return bool(nights) and min(nights) <= as_of and (as_of - max(nights)).days < rules.silent_share_days


def _buyer(known: Known, ref: str) -> str | None:
    """A complaint that names nobody is the buyer's."""
    for one in known.bought.values():
        if one.record_id == ref:
            return one.member
    return None
