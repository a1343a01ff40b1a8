"""What a segment means, condition by condition, over lists of dicts. Written from the language's description only.

`Town` holds one row per member and lists of happenings. A value that is not known is None. Nothing here knows SQL, and
nothing of the compiler is used.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

Row = Mapping[str, Any]
Rule = Mapping[str, Any]

YUAN = ("spend", "counter_spend", "pos_spend", "groupbuy_spend", "basket", "refund")
KINDS_OF_EVENT = (
    "share", "complaint", "group_join", "contact_added", "registered", "coupon_issued", "coupon_redeemed",
    "coupon_expired", "points_earned", "points_spent", "message",
)  # fmt: skip
TEXTS = {
    "price_sensitivity", "top_category_l1", "usual_item", "home_store_basis", "pickup_site", "lifecycle",
    "consent_marketing", "home_store_code", "status", "koc", "tier",
}  # fmt: skip
FLAGS = {
    "is_potential_group_buyer", "is_groupbuy_star", "never_high_margin", "is_staff", "has_pos", "has_groupbuy", "has_wecom",
}  # fmt: skip
FLOATS = {
    "gap_days", "discount_share_90d", "discount_index_90d", "top_category_share", "usual_item_gap_days",
    "home_distance_km", "pickup_distance_km",
}  # fmt: skip
QUANTITIES = {"items_90d", "points_balance"}


def is_yuan(metric: str) -> bool:
    stem = metric.rsplit("_", 1)[0]
    return stem in YUAN and metric.endswith("d") and metric != "gap_days"


@dataclass
class Town:
    """`members`: one dict each. `happenings`: orders, lines, engagements, tags, usual_items, places."""

    night: date
    members: list[dict[str, Any]]
    happenings: dict[str, list[dict[str, Any]]]
    tags: Mapping[str, Rule] = field(default_factory=dict)
    segments: Mapping[str, Rule] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by_member: dict[str, dict[str, list[Row]]] = {}
        for name, rows in self.happenings.items():
            mine = defaultdict(list)
            for row in rows:
                mine[row["member_id"]].append(row)
            self.by_member[name] = mine
        self._known: dict[tuple[str, str], bool] = {}

    def rows(self, relation: str, member: Row) -> list[Row]:
        return self.by_member[relation].get(member["member_id"], [])

    def in_segment(self, segment_id: str, member: Row) -> bool:
        key = (segment_id, member["member_id"])
        if key not in self._known:
            self._known[key] = holds(self.segments[segment_id], member, self)
        return self._known[key]


def members_of(rule: Rule, town: Town) -> set[str]:
    return {member["member_id"] for member in town.members if holds(rule, member, town)}


def holds(rule: Rule, member: Row, town: Town) -> bool:
    for heads, judge in _JUDGES:
        if all(head in rule for head in heads):
            return judge(rule, member, town)
    raise AssertionError(rule)


def compare(op: str, left: Any, right: Any) -> bool:
    return {
        "=": left == right, "!=": left != right, ">": left > right, ">=": left >= right, "<": left < right,
        "<=": left <= right,
    }[op]  # fmt: skip


def value_of(member: Row, metric: str) -> Any:
    return member[f"{metric}_fen" if is_yuan(metric) else metric]


def written(metric: str, text: str) -> Any:
    """A value of the file in the unit that the member's value has."""
    if is_yuan(metric):
        return int(Decimal(text) * 100)
    if metric in FLAGS:
        return text == "true"
    if metric in TEXTS:
        return text
    if metric.endswith("_on") or metric == "lifecycle_since":
        return date.fromisoformat(text)
    if metric in FLOATS:
        return float(text)
    return Decimal(text) if metric in QUANTITIES else int(text)


# ---------------------------------------------------------------- one metric


def by_metric(rule: Rule, member: Row, town: Town) -> bool:
    metric, op = rule["metric"], rule["op"]
    own = value_of(member, metric)
    if op in ("known", "unknown"):
        return (own is None) == (op == "unknown")
    if own is None:
        return False
    if op in ("=", "!=", ">", ">=", "<", "<="):
        return compare(op, own, written(metric, rule["value"]))
    if op in ("between", "not_between"):
        low, high = (written(metric, part) for part in rule["value"])
        return (low <= own <= high) == (op == "between")
    if op in ("in", "not_in"):
        return (own in [written(metric, part) for part in rule["value"]]) == (op == "in")
    if op == "contains":
        return rule["value"] in own
    if op == "starts_with":
        return own.startswith(rule["value"])
    if op in ("before", "after"):
        day = date.fromisoformat(rule["value"])
        return own < day if op == "before" else own > day
    if op in ("within_last", "not_within_last"):
        first = town.night - timedelta(days=int(rule["value"]) - 1)
        return (first <= own <= town.night) == (op == "within_last")
    everybody = [value for one in town.members if (value := value_of(one, metric)) is not None]
    if op == "top_n":
        better = sum(
            value_of(one, metric) is not None
            and (
                value_of(one, metric) > own
                or (value_of(one, metric) == own and one["member_id"] < member["member_id"])
            )
            for one in town.members
        )
        return better < int(rule["value"])
    better = sum(value > own if op == "top_percent" else value < own for value in everybody)
    return Fraction(better * 100) < Fraction(rule["value"]) * len(everybody)


def by_ratio(rule: Rule, member: Row, town: Town) -> bool:
    above, below = value_of(member, rule["ratio"]), value_of(member, rule["to"])
    if above is None or below is None or below <= 0:
        return False
    return compare(rule["op"], Fraction(above) / Fraction(below), Fraction(rule["value"]))


def by_own_normal(rule: Rule, member: Row, town: Town) -> bool:
    stem, days = rule["metric"].rsplit("_", 1)
    length, before = int(days.removesuffix("d")), int(rule["own_normal"])
    channel = {"pos": "pos", "counter": "pos", "groupbuy": "groupbuy"}.get(stem.split("_")[0])
    earlier = [
        order
        for order in town.rows("orders", member)
        if length <= ago(order, town) < length + before and channel in (None, order["channel"])
    ]
    usual = sum(order["spend_fen"] for order in earlier) if stem.endswith("spend") else len(earlier)
    own = value_of(member, rule["metric"])
    if own is None or usual <= 0:
        return False
    return compare(rule["op"], Fraction(own, length), Fraction(rule["times"]) * Fraction(usual, before))


def by_shop_normal(rule: Rule, member: Row, town: Town) -> bool:
    own, shop = value_of(member, rule["metric"]), member["home_store_code"]
    if own is None or shop is None:
        return False
    known = sorted(
        value
        for one in town.members
        if one["home_store_code"] == shop and (value := value_of(one, rule["metric"])) is not None
    )
    middle = Fraction(known[(len(known) - 1) // 2] + known[len(known) // 2], 2)
    return middle > 0 and compare(rule["op"], Fraction(own), Fraction(rule["times"]) * middle)


# ---------------------------------------------------------------- happenings


def ago(row: Row, town: Town) -> int:
    return (town.night - row["business_date"]).days


def in_period(rule: Rule, row: Row, town: Town) -> bool:
    day = row["business_date"]
    if "within_days" in rule:
        return ago(row, town) < int(rule["within_days"])
    if "between_days" in rule:
        low, high = map(int, rule["between_days"])
        return low <= ago(row, town) <= high
    if "between" in rule:
        low, high = map(date.fromisoformat, rule["between"])
        return low <= day <= high
    if "since" in rule:
        return day >= date.fromisoformat(rule["since"])
    return day <= date.fromisoformat(rule["until"]) if "until" in rule else True


def any_of(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def fits(where: Rule, row: Row, amount: Any) -> bool:
    for key, wanted in where.items():
        if key == "amount":
            op, edge = wanted.split()
            if amount is None or not compare(op, amount, int(Decimal(edge) * 100)):
                return False
        elif key == "hour":
            if not int(wanted[0]) <= row["hour_of_day"] < int(wanted[1]):
                return False
        elif key == "weekday":
            if row["business_date"].isoweekday() not in map(int, any_of(wanted)):
                return False
        elif key == "discounted":
            if row["is_discounted"] is None or row["is_discounted"] != (wanted == "true"):
                return False
        else:
            column = {"store": "store_code", "item": "item_name", "leader": "leader_id", "template": "ref",
                      "campaign": "ref"}.get(key, key)  # fmt: skip
            if row[column] not in any_of(wanted):
                return False
    return True


OF_LINES = {"category", "category_l1", "item", "sku", "discounted"}


def happened(event: str, where: Rule, member: Row, town: Town) -> list[Row]:
    """Every happening of the kind, once each."""
    if event == "line":
        return [line for line in town.rows("lines", member) if fits(where, line, line["amount_fen"])]
    if event == "purchase":
        of_order = {key: value for key, value in where.items() if key not in OF_LINES}
        of_line = {key: value for key, value in where.items() if key in OF_LINES}
        orders = [o for o in town.rows("orders", member) if fits(of_order, o, o["spend_fen"])]
        if not of_line:
            return orders
        keys = {line["order_key"] for line in town.rows("lines", member) if fits(of_line, line, None)}
        return [order for order in orders if order["order_key"] in keys]
    return [
        row
        for row in town.rows("engagements", member)
        if event in ("engagement", row["kind"]) and fits(where, row, row["amount_fen"])
    ]


def of_rule(rule: Rule, member: Row, town: Town) -> list[Row]:
    found = happened(rule["event"], rule.get("where", {}), member, town)
    return [row for row in found if in_period(rule, row, town)]


def by_did(rule: Rule, member: Row, town: Town) -> bool:
    return bool(of_rule(rule, member, town)) == (rule["did"] == "true")


def by_count(rule: Rule, member: Row, town: Town) -> bool:
    op, wanted = rule["count"].split()
    return compare(op, len(of_rule(rule, member, town)), int(wanted))


def by_sum(rule: Rule, member: Row, town: Town) -> bool:
    column = {"qty": "qty", "points": "points"}.get(rule["sum"])
    if column is None:
        column = "spend_fen" if rule["event"] == "purchase" else "amount_fen"
    total = sum(
        (Fraction(row[column]) for row in of_rule(rule, member, town) if row[column] is not None), Fraction(0)
    )
    wanted = Fraction(rule["value"])
    return compare(rule["op"], total, wanted * 100 if rule["sum"] == "amount" else wanted)


def by_distinct(rule: Rule, member: Row, town: Town) -> bool:
    what = rule["distinct"]
    column = {"day": "business_date", "store": "store_code", "hour": "hour_of_day", "leader": "leader_id",
              "item": "item_name", "order": "order_key"}.get(what, what)  # fmt: skip
    found = {row[column] for row in of_rule(rule, member, town)} - {None}
    return compare(rule["op"], len(found), int(rule["value"]))


def by_edge(rule: Rule, member: Row, town: Town) -> bool:
    days = [ago(row, town) for row in happened(rule["event"], rule.get("where", {}), member, town)]
    if not days:
        return False
    which = "first" if "first" in rule else "last"
    day = max(days) if which == "first" else min(days)
    return (day < int(rule["value"])) == (rule[which] == "within_days")


def by_streak(rule: Rule, member: Row, town: Town) -> bool:
    days = {row["business_date"] for row in happened(rule["event"], rule.get("where", {}), member, town)}
    for back in range(int(rule["at_least"])):
        if rule["streak"] == "day":
            if town.night - timedelta(days=back) not in days:
                return False
            continue
        sunday = town.night - timedelta(days=town.night.isoweekday() % 7 + 7 * back)
        if not days & {sunday - timedelta(days=day) for day in range(7)}:
            return False
    return True


def by_sequence(rule: Rule, member: Row, town: Town) -> bool:
    steps = [
        [
            row
            for row in of_rule({**rule, "where": {}, **step}, member, town)
            if row["happened_at"] is not None
        ]
        for step in rule["sequence"]
    ]
    gap = int(rule["gap_days"]) if "gap_days" in rule else None

    def goes_on(number: int, before: Row | None) -> bool:
        if number == len(steps):
            return True
        for row in steps[number]:
            if before is not None:
                if row["happened_at"] <= before["happened_at"]:
                    continue
                if gap is not None and (row["business_date"] - before["business_date"]).days > gap:
                    continue
            if goes_on(number + 1, row):
                return True
        return False

    return goes_on(0, None)


def by_not_followed(rule: Rule, member: Row, town: Town) -> bool:
    other, days = rule["not_followed_by"], int(rule["in_days"])
    later = [
        r
        for r in happened(other["event"], other.get("where", {}), member, town)
        if r["happened_at"] is not None
    ]
    for row in of_rule(rule, member, town):
        if row["happened_at"] is None or row["business_date"] + timedelta(days=days) > town.night:
            continue
        if not any(
            two["happened_at"] > row["happened_at"]
            and (two["business_date"] - row["business_date"]).days <= days
            for two in later
        ):
            return True
    return False


def by_first_was(rule: Rule, member: Row, town: Town) -> bool:
    found = of_rule(rule, member, town)
    if rule["event"] == "purchase" and OF_LINES & set(rule["first_was"]):
        known = {line["order_key"] for line in town.rows("lines", member)}
        found = [order for order in found if order["order_key"] in known]
    if not found:
        return False
    key = "engagement_key" if rule["event"] not in ("purchase", "line") else "order_key"
    first = min((row["happened_at"] is None, row["happened_at"] or 0, row[key]) for row in found)
    firsts = [
        row for row in found if (row["happened_at"] is None, row["happened_at"] or 0, row[key]) == first
    ]
    like = happened(rule["event"], rule["first_was"], member, town)
    return any(row in like for row in firsts)


# ---------------------------------------------------------------- baskets, places, tags, segments


def by_basket(rule: Rule, member: Row, town: Town) -> bool:
    inside, by = rule["basket"], rule.get("by", "item")
    column = "item_name" if by == "item" else by
    found = 0
    for order in town.rows("orders", member):
        lines = [line for line in town.rows("lines", member) if line["order_key"] == order["order_key"]]
        values = {line[column] for line in lines} - {None}
        size_op, size = rule.get("size", ">= 0").split()
        found += bool(
            lines
            and in_period(rule, order, town)
            and fits(rule.get("where", {}), order, order["spend_fen"])
            and set(any_of(inside.get("all", []))) <= values
            and (values & set(any_of(inside["any"])) if "any" in inside else True)
            and not values & set(any_of(inside.get("none", [])))
            and order["spend_fen"] >= int(Decimal(rule.get("min_total", "0")) * 100)
            and compare(size_op, len({line["item_name"] for line in lines} - {None}), int(size))
        )
    op, wanted = rule.get("count", ">= 1").split()
    return compare(op, found, int(wanted))


def by_share(rule: Rule, member: Row, town: Town) -> bool:
    everything = [line for line in town.rows("lines", member) if in_period(rule, line, town)]
    part = [line for line in everything if fits(rule["share"], line, line["amount_fen"])]

    def size(lines: list[Row]) -> Fraction:
        if rule.get("of") == "orders":
            return Fraction(len({line["order_key"] for line in lines}))
        column = "qty" if rule.get("of") == "items" else "amount_fen"
        return sum((Fraction(line[column]) for line in lines), Fraction(0))

    if size(everything) <= 0:
        return False
    return compare(rule["op"], size(part) / size(everything), Fraction(rule["value"]))


def by_never_bought(rule: Rule, member: Row, town: Town) -> bool:
    these = [
        line for line in town.rows("lines", member) if fits(rule["never_bought"], line, line["amount_fen"])
    ]
    return not these and bool(town.rows("orders", member))


def by_overdue(rule: Rule, member: Row, town: Town) -> bool:
    times = Fraction(rule["times"])
    if rule["overdue"] == "purchase":
        pairs = [(member["days_since_purchase"], member["gap_days"])]
    else:
        pairs = [
            (row["days_ago"], row["gap_days"])
            for row in town.rows("usual_items", member)
            if row["item_name"] == rule["item"]
        ]
    return any(
        days is not None and gap is not None and gap > 0 and days >= times * Fraction(gap)
        for days, gap in pairs
    )


def by_shop(rule: Rule, member: Row, town: Town) -> bool:
    shops, how = any_of(rule["shop"]), rule.get("as", "home")
    if how in ("home", "pickup"):
        return member["home_store_code" if how == "home" else "pickup_site"] in shops
    bought = {o["store_code"] for o in town.rows("orders", member) if in_period(rule, o, town)}
    return bool(bought & set(shops)) and (how == "bought_at" or bought <= set(shops))


def by_near(rule: Rule, member: Row, town: Town) -> bool:
    place, most = rule["near"], float(rule["km"])
    if place in ("home_shop", "pickup"):
        distance = member["home_distance_km" if place == "home_shop" else "pickup_distance_km"]
        return distance is not None and distance <= most
    return any(
        row["distance_km"] <= most
        for row in town.rows("places", member)
        if place in ("any_shop", row["store_code"])
    )


def by_tag(rule: Rule, member: Row, town: Town) -> bool:
    name = rule["tag"]
    plain = "by" not in rule and "within_days" not in rule
    if plain and name in town.tags and holds(town.tags[name], member, town):
        return True
    return any(
        row["tag"] == name
        and rule.get("by") in (None, row["author"])
        and (
            "within_days" not in rule
            or (row["days_ago"] is not None and row["days_ago"] < int(rule["within_days"]))
        )
        for row in town.rows("tags", member)
    )


def by_segments(rule: Rule, member: Row, town: Town) -> bool:
    inside = [town.in_segment(name, member) for name in rule["list"]]
    return {"any_of": any(inside), "all_of": all(inside), "except": inside[0] and not any(inside[1:])}[
        rule["segments"]
    ]


def by_bucket(rule: Rule, member: Row, town: Town) -> bool:
    digest = hashlib.sha256(f"{rule['bucket']}|{member['member_id']}".encode()).hexdigest()
    return int(rule["from"]) <= int(digest[:8], 16) % 100 < int(rule["to"])


Judge = Callable[[Rule, Row, Town], bool]
# the first whose keys are all there
_JUDGES: tuple[tuple[tuple[str, ...], Judge], ...] = (
    (("all",), lambda r, m, t: all(holds(one, m, t) for one in r["all"])),
    (("any",), lambda r, m, t: any(holds(one, m, t) for one in r["any"])),
    (("none",), lambda r, m, t: not any(holds(one, m, t) for one in r["none"])),
    (("not",), lambda r, m, t: not holds(r["not"], m, t)),
    (("at_least", "of"), lambda r, m, t: sum(holds(one, m, t) for one in r["of"]) >= int(r["at_least"])),
    (("metric", "own_normal"), by_own_normal),
    (("metric", "shop_normal"), by_shop_normal),
    (("metric",), by_metric),
    (("ratio",), by_ratio),
    (("event", "did"), by_did),
    (("event", "count"), by_count),
    (("event", "sum"), by_sum),
    (("event", "distinct"), by_distinct),
    (("event", "first"), by_edge),
    (("event", "last"), by_edge),
    (("event", "streak"), by_streak),
    (("event", "not_followed_by"), by_not_followed),
    (("event", "first_was"), by_first_was),
    (("sequence",), by_sequence),
    (("basket",), by_basket),
    (("share",), by_share),
    (("never_bought",), by_never_bought),
    (("overdue",), by_overdue),
    (("shop",), by_shop),
    (("near",), by_near),
    (("tag",), by_tag),
    (("no_tag",), lambda r, m, t: not by_tag({"tag": r["no_tag"]}, m, t)),
    (("segment",), lambda r, m, t: t.in_segment(r["segment"], m)),
    (("no_segment",), lambda r, m, t: not t.in_segment(r["no_segment"], m)),
    (("segments",), by_segments),
    (("bucket",), by_bucket),
)
