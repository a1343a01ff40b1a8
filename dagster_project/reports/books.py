"""What is owed and what does not add up: statements, differences of the books, evening markdown, experiments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from dagster_project.reports import words
from dagster_project.reports.published import rows_by_name
from dagster_project.reports.totals import Scope, by_scope

LISTED = 10
WINDOW_DAYS = 28
EVENINGS = 7
HOLDOUT = "holdout"
Row = Mapping[str, Any]

BALANCE = "balance"
# what a product is counted in when its list tells no unit
PIECE = "件"
_QUANTITIES = ("sold_qty", "left_qty", "wasted_qty")
_EVENING_QUANTITIES = tuple(f"evening_{name}" for name in _QUANTITIES)

POINT_DIFFERENCES: Mapping[str, str] = {
    BALANCE: "余额与上报的不一致",
    "earn_not_posted": "该得的积分没有入账",
    "spend_not_posted": "用掉的积分没有入账",
    "amount_differs": "小票与入账数目不同",
    "reversal_not_posted": "退货后积分没有扣回",
    "posted_twice": "同一笔入账两次",
    "unowned": "不知道是谁的积分",
    "negative_balance": "余额低于零",
}
COUPON_EXCEPTIONS: Mapping[str, str] = {
    "redeemed_twice": "重复核销",
    "after_expiry": "过期后核销",
    "before_issue": "发放前核销",
    "other_member": "别人核销",
    "never_issued": "没有发放记录",
    "after_void": "作废后核销",
    "holder_unknown": "不知道是谁的券",
    "issued_twice": "同一张发给两个人",
    "use_not_posted": "用了却没有核销记录",
}


@dataclass(frozen=True)
class Listed:
    """Rows, the greatest first and at most ten; `total` is that of all of them, by the same metrics, `of` how many."""

    rows: Sequence[Row]
    total: Row
    of: int


@dataclass(frozen=True)
class Books:
    """One page's; what is empty is not shown.

    month: which one the statements are about.
    koc: phone_masked, member, statement_*. leaders: leader_id, leader_*. cashiers: staff_id, incentive_*.
    balances: point_differences and point_difference of all balances that differ tonight, {} when none does.
    points, coupons: kind (but the balance) or fault with the number of rows of 28 days.
    evening_on: the last evening with results; evening: its items with their unit; evening_units: its quantities, a row
    per unit: pounds and pieces have no sum; evenings: sums of the seven days up to it.
    """

    month: str
    koc: Listed
    leaders: Listed
    cashiers: Listed
    balances: Row
    points: Sequence[Row]
    coupons: Sequence[Row]
    evening_on: date | None
    evening: Listed
    evening_units: Sequence[Row]
    evenings: Row

    @property
    def has_statements(self) -> bool:
        return bool(self.koc.rows or self.leaders.rows or self.cashiers.rows)

    @property
    def has_differences(self) -> bool:
        return bool(self.balances or self.points or self.coupons)


@dataclass(frozen=True)
class Experiment:
    """Arms by name (assigned, converted, lift, ci_low, ci_high, srm_p, recall_days)."""

    arms: Mapping[str, Row]

    @property
    def line(self) -> str:
        """Who came back, against the hold-out; '' when there is nothing to compare with."""
        treated, held = self.arms.get("treatment"), self.arms.get(HOLDOUT)
        if not treated or not held or treated["lift"] is None:
            return ""
        low, high = (100 * treated[name] for name in ("ci_low", "ci_high"))
        # a publication of an older release does not say how many
        days = "" if treated["recall_days"] is None else f"{treated['recall_days']} 天内："
        text = (
            f"{days}推送组 {words.count(treated['assigned'])} 人中 {words.count(treated['converted'])} 人"
            f"（{words.share(treated['converted'], treated['assigned'])}），"
            f"对照组 {words.count(held['assigned'])} 人中 {words.count(held['converted'])} 人"
            f"（{words.share(held['converted'], held['assigned'])}），"
            f"相差 {100 * treated['lift']:+.1f} 个百分点，95% 区间 {low:+.1f} 到 {high:+.1f}"
        )
        text += "，还分不清是不是碰巧。" if low <= 0 <= high else "。"
        if treated["srm_p"] is not None and treated["srm_p"] < 0.001:
            text += "两组人数不合比例，先查分组再看效果。"
        return text


def read_experiments(con: duckdb.DuckDBPyConnection) -> dict[str, Experiment]:
    """Results by campaign, as of the publication's night."""
    arms: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in rows_by_name(con.execute("from experiment_results order by campaign_id, arm")):
        arms[row["campaign_id"]][row["arm"]] = row
    return {campaign: Experiment(found) for campaign, found in arms.items()}


def read_books(con: duckdb.DuckDBPyConnection, as_of: date, shown: date) -> Mapping[Scope, Books]:
    """Reads the views of `published.connect` and the table `person`."""
    month = shown.replace(day=1)
    this_month = {"where": {"month_on": [month.isoformat()]}}
    koc = _listed(
        con,
        [f"statement_{name}" for name in ("due_fen", "pending_fen", "clawed_back_fen", "orders")],
        "beneficiary",
        shop="home_store_code",
        **this_month,
    )
    leaders = _listed(
        con,
        [
            "leader_groupbuy_fen",
            "leader_counter_fen",
            "leader_commission_fen",
            "leader_counter_commission_fen",
        ],
        "leader_id",
        **this_month,
    )
    cashiers = _listed(
        con,
        [f"incentive_{name}" for name in ("amount_fen", "joined_members", "stayed_members", "first_orders")],
        "staff_id",
        **this_month,
    )
    since = shown - timedelta(days=WINDOW_DAYS - 1)
    # a balance is dated by the last change of its card and differs until somebody mends it
    balances = by_scope(
        con,
        ["point_differences", "point_difference"],
        ["kind"],
        shop="home_store_code",
        where={"kind": [BALANCE]},
    )
    points = by_scope(con, ["point_differences"], ["kind"], shop="home_store_code", since=since, until=as_of)
    coupons = by_scope(
        con, ["coupon_exception_count"], ["fault"], shop="home_store_code", since=since, until=as_of
    )
    [last] = con.execute(
        "select max(business_date) from markdown_results where business_date <= ?", [as_of]
    ).fetchone() or (None,)
    evenings = [f"evening_{name}" for name in ("saved_fen", "sold_fen", *_QUANTITIES)]
    items = _listed(con, evenings, "sku", since=last, until=last) if last else {}
    quantities = by_scope(con, _EVENING_QUANTITIES, ["sku"], since=last, until=last) if last else {}
    week = by_scope(con, evenings, since=last - timedelta(days=EVENINGS - 1), until=last) if last else {}
    payees = sorted({row["beneficiary"] for listed in koc.values() for row in listed.rows})
    found = con.execute("select member_id, phone_masked from person where member_id = any(?)", [payees])
    phones = dict(found.fetchall())
    names = dict(con.execute("select sku, max(item_name) from markdown_plan group by sku").fetchall())
    units = dict(
        con.execute("select sku, max_by(unit, business_date) from markdown_plan group by sku").fetchall()
    )
    nothing = Listed((), {}, 0)

    def books(scope: Scope) -> Books:
        mine, sold = koc.get(scope, nothing), items.get(scope, nothing)
        told = [{**row, "phone_masked": phones.get(row["beneficiary"])} for row in mine.rows]
        goods = [
            {**row, "item_name": names.get(row["sku"]) or row["sku"], "unit": units.get(row["sku"]) or PIECE}
            for row in sold.rows
        ]
        return Books(
            month=f"{month.year} 年 {month.month} 月",
            koc=Listed(told, mine.total, mine.of),
            leaders=leaders.get(scope, nothing),
            cashiers=cashiers.get(scope, nothing),
            balances=balances[scope][0] if balances.get(scope) else {},
            points=_most(
                [row for row in points[scope] if row["kind"] != BALANCE],
                "point_differences",
            ),
            coupons=_most(coupons[scope], "coupon_exception_count"),
            evening_on=last if goods else None,
            evening=Listed(goods, sold.total, sold.of),
            evening_units=_by_unit(quantities.get(scope, []), units),
            evenings=week[scope][0] if week.get(scope) else {},
        )

    return _Lazily(books)


class _Lazily(defaultdict[Scope, Books]):
    """Every scope has books, if empty ones."""

    def __init__(self, make: Any) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, scope: Scope) -> Books:
        self[scope] = made = self._make(scope)
        return made


def _listed(
    con: duckdb.DuckDBPyConnection, names: Sequence[str], who: str, **narrowed: Any
) -> dict[Scope, Listed]:
    """Per scope the greatest by the first metric, and the total of all."""
    rows = by_scope(con, names, [who], **narrowed)
    totals = by_scope(con, names, **narrowed)
    return {
        scope: Listed(
            sorted(found, key=lambda row: (-(row[names[0]] or 0), str(row[who])))[:LISTED],
            totals[scope][0],
            len(found),
        )
        for scope, found in rows.items()
    }


def _by_unit(rows: Sequence[Row], units: Mapping[str, str | None]) -> list[Row]:
    """Sums of quantities, a row per unit."""
    sums: dict[str, dict[str, Decimal]] = defaultdict(lambda: dict.fromkeys(_EVENING_QUANTITIES, Decimal(0)))
    for row in rows:
        for name in _EVENING_QUANTITIES:
            sums[units.get(row["sku"]) or PIECE][name] += row[name] or 0
    return [{"unit": unit, **sums[unit]} for unit in sorted(sums)]


def _most(rows: Sequence[Row], name: str) -> list[Row]:
    return sorted(rows, key=lambda row: (-row[name], str(row)))
