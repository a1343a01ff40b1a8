"""Which published tables have an oracle, and how a table is compared with it: one entry of `TABLES` each."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.publish import Publication
from tests.oracle import campaigns, incentives
from tests.oracle.churn import tiers
from tests.oracle.commissions import Books, Held, Terms, books, ranking, shown_codes, statements
from tests.oracle.days import Sold, product_days, seller_days, store_days
from tests.oracle.koc import koc
from tests.oracle.ledgers import balances, coupons, entries
from tests.oracle.log import Event, Known
from tests.oracle.metrics import WINDOWS, Metrics, metrics
from tests.oracle.pairs import Rules as PairRules
from tests.oracle.pairs import pairs

Key = tuple[Any, ...]
Rows = Mapping[Key, tuple[Any, ...]]

# rules/commission.yml of the chain that is compared: so few people that nobody else would earn anything
COMMISSION = "koc: {require_koc: false}\n"
_TERMS = Terms(require_koc=False)
# rules/pairs.yml: few orders, so few pairs
PAIRED = "min_orders: 8\nmin_lift: 1.1\nper_item: 3\n"
_PAIRED = PairRules(min_orders=8, min_lift=Fraction(11, 10), per_item=3)
_RATES = {1: _TERMS.level_1 / 10000, 2: _TERMS.level_2 / 10000}


@dataclass(frozen=True)
class Table:
    """A published table beside its oracle.

    rows: key → values of `columns` as they should be; every row that is published, and no other. key, columns: names, or
    SQL expressions, over the published table. where: which of its rows the oracle speaks of; of a table with nights it
    is those of the newest in any case. may_be_empty: so rare that a small world has none.
    """

    name: str
    rows: Callable[[Night], Rows]
    key: tuple[str, ...]
    columns: tuple[str, ...]
    where: str = "true"
    may_be_empty: bool = False


class Night(Known):
    """What the log tells by the night of a publication, whose own map says whose a record is.

    Of the pipeline it knows which member ids lead to which (One ID has its own oracle), which leaders are the chain's, and
    what was decided about whom. lake: where the push keeps its journals.
    """

    def __init__(self, events: Iterable[Event], publication: Publication, lake: Path) -> None:
        self.lake = lake
        names = "connection, feed, record_id, member_id"
        rows = duckdb.execute(f"select {names} from {publication.sql('record_members')}").fetchall()
        super().__init__(events, publication.as_of, {tuple(row[:3]): row[3] for row in rows})
        self.leaders = {(row[0], row[2]) for row in rows if row[1] == "leaders"}
        ids = duckdb.execute(
            f"select retired_member_id, member_id from {publication.sql('member_redirects')}"
        )
        self.retired: dict[str, str] = dict(ids.fetchall())
        numbers = duckdb.execute(
            "select distinct o.member_id, n.identifier, n.valid_from, n.valid_to"
            f" from {publication.sql('member_identifiers')} o join {publication.sql('member_identifiers')} n using (member_id)"
            f" join {publication.sql('identity_refusals')} r on r.identifier_a = o.identifier and r.identifier_b = n.identifier"
            " where (r.namespace_a, r.namespace_b, r.reason) = ('openid', 'phone', 'shared_phone')"
            " and o.namespace = 'openid' and n.namespace = 'phone'"
        )
        self.held: dict[str, list[Held]] = defaultdict(list)
        for member, *number in numbers.fetchall():
            self.held[member].append(Held(*number))
        decided = duckdb.execute(
            "select campaign_id, member_id, lapse_key, arm, outcome, business_date, planned_at"
            f" from {publication.sql('campaign_candidates')}"
        )
        self.decisions = [
            campaigns.Decision(campaign, self.retired.get(member, member), *rest, member)
            for campaign, member, *rest in decided.fetchall()
        ]

    @cached_property
    def numbers(self) -> dict[str, Metrics]:
        return metrics(self)

    @cached_property
    def lapses(self) -> list[campaigns.Lapse]:
        return campaigns.lapses(self, self.decisions)

    @cached_property
    def issued(self) -> list[campaigns.Issued]:
        return campaigns.issued(self, self.lake, self.decisions)

    @cached_property
    def recommended(self) -> Books:
        return books(self, _TERMS, retired=self.retired, held=self.held)


def differences(table: Table, known: Night, publication: Publication, most: int = 10) -> list[str]:
    """What is published otherwise than the oracle has it, a line each; a last line counts those left out."""
    wanted = table.rows(known)
    found = _published(table, publication)
    assert wanted or table.may_be_empty, (
        f"{table.name}: a world in which nothing is to be compared tests nothing"
    )
    lines = list(_compared(table, wanted, found))
    return lines[:most] + ([f"… and {len(lines) - most} more"] if len(lines) > most else [])


def _published(table: Table, publication: Publication) -> dict[Key, tuple[Any, ...]]:
    has_nights = any(name == "as_of_date" for name, _ in publication.tables[table.name].shape.columns)
    night = f"as_of_date = date '{publication.as_of}'" if has_nights else "true"
    query = (
        f"select {', '.join((*table.key, *table.columns))} from {publication.sql(table.name)}"
        f" where {night} and ({table.where})"
    )
    rows = duckdb.execute(query).fetchall()
    found = {row[: len(table.key)]: row[len(table.key) :] for row in rows}
    assert len(found) == len(rows), f"{table.name}: {table.key} is no key"
    return found


def _compared(table: Table, wanted: Rows, found: Rows) -> Iterator[str]:
    for key in sorted(wanted.keys() | found.keys(), key=repr):
        if key not in found:
            yield f"{table.name} lacks {key}: {wanted[key]}"
        elif key not in wanted:
            yield f"{table.name} has {key} too many: {found[key]}"
        else:
            told = [
                f"{column} {theirs!r}, should be {mine!r}"
                for column, theirs, mine in zip(table.columns, found[key], wanted[key], strict=True)
                if not _same(mine, theirs)
            ]
            if told:
                yield f"{table.name} {key}: {'; '.join(told)}"


def _same(mine: Any, theirs: Any) -> bool:
    """Exactly, but for quotients in floating point: within a millionth."""
    if isinstance(mine, float) and isinstance(theirs, float):
        return math.isclose(mine, theirs, rel_tol=1e-6)
    return bool(mine == theirs)


# ---- one function a table: what it should hold


def _orders(night: Night) -> Rows:
    return {
        (one.key,): (
            one.detail.get("leader_id") or None, one.detail.get("invite_code") or None,
            one.channel, one.connection, one.store_code, one.member, one.at, one.day, one.net, one.refund, one.discount,
            one.is_test, one.is_purchase, one.spend, one.paid_at if one.channel == "groupbuy" else one.at,
        )
        for one in night.bought.values()
    }  # fmt: skip


def _order_lines(night: Night) -> Rows:
    return {
        (one.key, line.line_no): (
            one.day, line.sku, line.item_name, line.category, line.category_l1, line.qty, line.amount, line.refunded,
        )
        for one in night.bought.values()
        for line in one.lines
    }  # fmt: skip


_OF_ALL = ("days_since_purchase", "last_purchase_on", "lifecycle", "visit_days_30d", "visit_days_90d", "items_90d",
           "basket_90d_fen", "gap_days", "newest_gap_days", "busy_hour", "busy_weekday", "groupbuy_first_on",
           "never_high_margin", "discount_index_90d", "price_sensitivity", "first_purchase_on", "lifecycle_since",
           "rfm_r", "rfm_f", "rfm_m")  # fmt: skip
_OF_WINDOWS = tuple(
    f"{channel}{what}"
    for days in WINDOWS
    for channel in ("", "pos_", "groupbuy_")
    for what in (f"orders_{days}d", f"spend_{days}d_fen")
)


def _member_metrics(night: Night) -> Rows:
    found = {}
    for member, one in night.numbers.items():
        windows = [
            figure
            for window in (one.windows[days] for days in WINDOWS)
            for pair in (
                (window.orders, window.spend),
                *(window.by_channel.get(c, (0, 0)) for c in ("pos", "groupbuy")),
            )
            for figure in pair
        ]
        found[member,] = (
            one.days_since, one.last_on, one.lifecycle, one.visit_days_30d, one.visit_days_90d, one.items_90d,
            one.basket_90d, one.gap_days, one.newest_gap_days, one.busy_hour, one.busy_weekday, one.groupbuy_first_on,
            one.never_high_margin, one.price_index, _sensitivity(one.price_index), one.first_on,
            one.lifecycle_since, *one.rfm, *windows,
        )  # fmt: skip
    return found


def _sensitivity(index: float | None) -> str:
    if index is None:
        return "unknown"
    return "sensitive" if index >= 1.25 else "quality" if index <= 0.75 else "neutral"


def _member_categories(night: Night) -> Rows:
    return {
        (member, *key): tuple(
            figure for days in WINDOWS for figure in one.windows[days].by_category.get(key, (0, 0))
        )
        for member, one in night.numbers.items()
        for key in one.windows[max(WINDOWS)].by_category
    }


def _member_usual_items(night: Night) -> Rows:
    return {
        (member, place): astuple(usual)
        for member, one in night.numbers.items()
        for place, usual in enumerate(one.usual, start=1)
    }


_LIFECYCLES = {"new": "新客", "active": "活跃", "regained": "回流", "lapsed": "流失"}


def _member_tags(night: Night) -> Rows:
    """Tags of the rules that say what a number says, and since when it does; of a usual item nobody knows."""
    entered = {member: one.entered_on for member, one in tiers(night).items()}
    tags = [
        (member, tag, since)
        for member, one in night.numbers.items()
        for tag, is_given, since in (
            (_LIFECYCLES[one.lifecycle], True, one.lifecycle_since),
            (one.tier, one.tier != "active", entered[member]),
            ("拼团达人", one.groupbuy_first_on is not None, one.groupbuy_first_on),
            ("从未买过高毛利", one.never_high_margin, one.first_on),
            ("常买" + (one.usual[0].item_name if one.usual else ""), bool(one.usual), None),
        )
        if is_given
    ]
    return {(member, tag): (since,) for member, tag, since in tags if "婴" not in tag}


def _churn_tiers(night: Night) -> Rows:
    return {
        (member,): (one.last_on, one.days_since, one.tier, one.entered_on, one.usual_item)
        for member, one in tiers(night).items()
    }


def _koc(night: Night) -> Rows:
    codes = shown_codes(night)
    return {
        (member,): (one.spend, one.shares, one.complaints, one.eligible, one.reason, codes.get(member))
        for member, one in koc(night).items()
        if one.spend or one.shares or one.complaints
    }


def _points_ledger(night: Night) -> Rows:
    return {
        (one.entry_id,): (one.member, one.account, one.at, one.kind, one.points, one.channel)
        for one in entries(night)
    }


def _points_balances(night: Night) -> Rows:
    return {
        (member,): (one.balance, one.locked, one.available, one.by_channel["pos"], one.by_channel["groupbuy"])
        for member, one in balances(night).items()
    }


def _coupons(night: Night) -> Rows:
    return {
        (code,): (
            one.status,
            one.holder,
            one.template_id or None,
            one.issued_at,
            one.redeemed_at,
            one.channel,
            len(one.faults),
        )
        for code, one in coupons(night).items()
    }


def _coupon_ledger(night: Night) -> Rows:
    return {
        (one.ledger_id,): (code, one.event, one.at, night.business_date(one.at), one.member, one.channel, one.connection,
                           one.ref, one.amount, one.is_derived, one.is_counted)
        for code, coupon in coupons(night).items()
        for one in coupon.told
    }  # fmt: skip


_OFFERS = {
    "churn_l2_coupon": ("L2_50_8", timedelta(hours=24)),
    "first_group_order": ("FIRST_GROUP", timedelta(hours=72)),
}


def _own_coupons(night: Night) -> Rows:
    """Nobody redeems them in the simulated world; they end when the template says, by the end of that day."""
    out = {}
    for one in night.issued:
        template, valid = _OFFERS[one.campaign]
        status = "expired" if night.business_date(one.at + valid) <= night.as_of else "issued"
        member = night.retired.get(one.member, one.member)
        out[one.code,] = (status, member, template, one.at, one.at + valid, one.campaign)
    return out


def _own_coupon_events(night: Night) -> Rows:
    return {
        (f"linli|{one.message_id}",): (one.code, "issued", one.at, night.business_date(one.at),
                                       night.retired.get(one.member, one.member), False, True)
        for one in night.issued
    }  # fmt: skip


def _coupon_exceptions(night: Night) -> Rows:
    return {
        (code, *key): (night.business_date(one.at), one.member, one.other)
        for code, coupon in coupons(night).items()
        for key, one in coupon.faults.items()
    }


def _item_pairs(night: Night) -> Rows:
    return {
        key: (one.orders_a, one.orders_b, one.together, one.orders_all, float(one.support), float(one.confidence),
              float(one.lift), one.place)
        for key, one in pairs(night, _PAIRED).items()
    }  # fmt: skip


def _commissions(night: Night) -> Rows:
    return {
        key: (one.base, one.amount, one.status, one.month, one.day, one.due_on, one.koc, _RATES[key[2]])
        for key, one in night.recommended.entries.items()
    }


def _commission_refusals(night: Night) -> Rows:
    return dict(night.recommended.refusals)


def _commission_statements(night: Night) -> Rows:
    return {key: astuple(one) for key, one in statements(night.recommended).items()}


def _koc_ranking(night: Night) -> Rows:
    return dict(ranking(night.recommended))


def _leader_contributions(night: Night) -> Rows:
    return {
        key: (len(one.members), one.groupbuy_orders, one.groupbuy_fen, one.refund_fen, one.counter_orders, one.counter_fen,
              one.commission, one.counter_commission)
        for key, one in incentives.leader_contributions(night, night.leaders).items()
    }  # fmt: skip


def _settlements(night: Night) -> Rows:
    """Of leaders; what shops settle contains what cashiers earn, who are judged by readings of WeCom."""
    found = incentives.settlements(night, night.recommended, {}, night.leaders)
    return {key: astuple(one) for key, one in found.items() if key[1] == "leader"}


def _messages(night: Night) -> Rows:
    names = (
        "campaign_id",
        "business_date",
        "member_id",
        "target",
        "action",
        "attempt",
        "state",
        "vendor_code",
        "payload_sha256",
    )
    return {
        (key,): (*(told.get(name) for name in names), datetime.fromisoformat(told["at"]))
        for key, told in campaigns.messages(night.lake, night.as_of).items()
    }


def _recall_lapses(night: Night) -> Rows:
    return {
        (one.campaign, one.member, one.lapse_key): (one.arm, one.assigned_on, one.reached_on, one.returned_on, one.is_returned,
                                                    one.spend, one.is_contaminated)
        for one in night.lapses
        if one.campaign == "churn_l2_coupon"
    }  # fmt: skip


def _experiment_results(night: Night) -> Rows:
    found = campaigns.arms(night.lapses)
    return {
        key: (
            one.assigned,
            one.delivered,
            one.converted,
            one.spend,
            one.contaminated,
            *campaigns.statistics(found, key),
        )
        for key, one in found.items()
    }


def _store_days(night: Night) -> Rows:
    recalled = campaigns.recalled(night, night.decisions)
    return {
        key: (one.orders, one.net, one.identified, one.new_members, one.counter, one.groupbuy_orders, one.groupbuy,
              len(one.buyers), len(one.returning), one.items, one.discount, one.refund, one.recharge, one.stored_value,
              one.margin, one.points, one.groupbuy / one.net if one.net else None,
              recalled[key])
        for key, one in store_days(night).items()
    }  # fmt: skip


def _sold(found: Mapping[Key, Sold]) -> Rows:
    return {
        key: (one.orders, one.net, len(one.buyers), one.items, one.refund, one.discounted, one.margin)
        for key, one in found.items()
    }


_SOLD = ("orders", "net_fen", "buyers", "items", "refund_fen", "discounted_fen", "margin_fen")

TABLES = (
    Table("orders", _orders, ("order_key",), ("leader_id", "invite_code", "channel", "connection", "store_code", "member_id", "ordered_at",
          "business_date", "net_fen", "refund_fen", "discount_fen", "is_test", "is_purchase", "spend_fen", "paid_at")),
    Table("order_lines", _order_lines, ("order_key", "line_no"), ("business_date", "sku", "item_name", "category", "category_l1",
          "qty", "amount_fen", "refunded_fen")),
    Table("member_metrics", _member_metrics, ("member_id",), (*_OF_ALL, *_OF_WINDOWS), where="orders_total > 0"),
    Table("member_metrics", lambda _: {}, ("member_id",), ("lifecycle",), where="orders_total = 0 and lifecycle <> 'none'",
          may_be_empty=True),
    Table("member_tags", _member_tags, ("member_id", "tag"), ("since",), where="source like 'rule:%' and (tag like '常买%' or tag in"
          " ('新客', '活跃', '回流', '流失', 'L1', 'L2', 'L3', '拼团达人', '从未买过高毛利'))"),
    Table("member_categories", _member_categories, ("member_id", "category_l1", "category"),
          tuple(f"{what}_{days}d{unit}" for days in WINDOWS for what, unit in (("orders", ""), ("spend", "_fen")))),
    Table("member_usual_items", _member_usual_items, ("member_id", "place"), ("item_name", "times", "last_bought_on", "gap_days")),
    Table("churn_tiers", _churn_tiers, ("member_id",), ("last_purchase_on", "days_since", "tier", "entered_on", "usual_item")),
    Table("koc", _koc, ("member_id",), ("spend_30d_fen", "shares_30d", "complaints", "eligible", "reason", "invite_code"),
          where="spend_30d_fen > 0 or shares_30d > 0 or complaints > 0"),
    Table("points_ledger", _points_ledger, ("entry_id",), ("member_id", "account", "occurred_at", "kind", "points", "channel")),
    Table("points_balances", _points_balances, ("member_id",), ("balance", "locked", "available", "pos_points", "groupbuy_points")),
    Table("coupons", _coupons, ("coupon_code",), ("status", "member_id", "template_id", "issued_at", "redeemed_at", "channel",
          "exceptions"), where="issued_channel is distinct from 'linli'"),
    Table("coupon_ledger", _coupon_ledger, ("ledger_id",), ("coupon_code", "event", "occurred_at", "business_date", "member_id",
          "channel", "connection", "ref", "amount_fen", "is_derived", "is_counted"), where="channel <> 'linli'"),
    Table("coupons", _own_coupons, ("coupon_code",), ("status", "member_id", "template_id", "issued_at", "expires_at", "campaign_id"),
          where="issued_channel = 'linli'", may_be_empty=True),
    Table("coupon_ledger", _own_coupon_events, ("ledger_id",), ("coupon_code", "event", "occurred_at", "business_date", "member_id",
          "is_derived", "is_counted"), where="channel = 'linli'", may_be_empty=True),
    Table("coupon_exceptions", _coupon_exceptions, ("coupon_code", "kind", "split_part(evidence, ',', -1)"),
          ("business_date", "member_id", "other_member_id")),
    Table("item_pairs", _item_pairs, ("item_a", "item_b"), ("orders_a", "orders_b", "together", "orders_all", "support",
          "confidence", "lift", "place")),
    Table("commissions", _commissions, ("order_key", "beneficiary_member_id", "level", "entry_no"),
          ("base_fen", "amount_fen", "status", "month", "business_date", "due_on", "koc_at_order", "rate")),
    Table("commission_refusals", _commission_refusals, ("order_key", "level"), ("beneficiary_member_id", "reason"),
          may_be_empty=True),
    Table("commission_statements", _commission_statements, ("month", "beneficiary_member_id"),
          ("orders", "level1_fen", "level2_fen", "clawed_back_fen", "pending_fen", "due_fen")),
    Table("koc_ranking", _koc_ranking, ("month", "place"), ("member_id", "brought_orders", "brought_fen", "commission_fen")),
    Table("leader_contributions", _leader_contributions, ("month", "connection", "leader_id"),
          ("members", "groupbuy_orders", "groupbuy_fen", "refund_fen", "counter_orders", "counter_fen", "commission_fen",
           "counter_commission_fen")),
    Table("settlements", _settlements, ("month", "party_kind", "party_id"),
          ("sales_fen", "refund_fen", "commission_fen", "incentive_fen", "due_fen"), where="party_kind = 'leader'"),
    Table("messages", _messages, ("message_id",), ("campaign_id", "cast(business_date as varchar)", "member_id", "target", "action",
          "attempt", "state", "vendor_code", "payload_sha256", '"at"'), may_be_empty=True),
    Table("recall_lapses", _recall_lapses, ("campaign_id", "member_id", "lapse_key"), ("arm", "assigned_on", "reached_on",
          "returned_on", "is_returned", "spend_fen", "is_contaminated")),
    Table("experiment_results", _experiment_results, ("campaign_id", "arm"), ("assigned", "delivered", "converted", "spend_fen",
          "contaminated", "lift", "ci_low", "ci_high", "srm_p", "always_valid_p")),
    Table("store_days", _store_days, ("store_code", "business_date"), ("orders", "net_fen", "identified_orders", "new_members",
          "counter_fen", "groupbuy_orders", "groupbuy_fen", "buyers", "returning_buyers", "items", "discount_fen", "refund_fen",
          "recharge_fen", "stored_value_fen", "margin_fen", "points_earned", "groupbuy_share", "recalled")),
    Table("leader_days", lambda night: _sold(seller_days(night, "leader_id")), ("leader_id", "store_code", "business_date"), _SOLD),
    Table("cashier_days", lambda night: _sold(seller_days(night, "cashier_id")), ("cashier_id", "store_code", "business_date"),
          _SOLD),
    Table("product_days", lambda night: _sold(product_days(night)), ("sku", "store_code", "business_date"), _SOLD),
)  # fmt: skip
