"""Small random worlds of members and what they did, and random expressions over them.

Both are drawn from a `Dice`: of a seed, or of bytes that Hypothesis draws.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol, TypeVar

import duckdb
import pyarrow as pa

from dagster_project.segments import METRICS
from dagster_project.segments.events import COLUMNS, EVENTS
from dagster_project.segments.metrics import AGO
from tests.segments.evaluator import Town

NIGHT = date(2026, 11, 20)  # a Friday
STORES = ["S01", "S02", "S03"]
ITEMS = {"肋排": ("猪肉", "生鲜"), "五花": ("猪肉", "生鲜"), "生姜": ("调料", "蔬菜"), "香菜": ("叶菜", "蔬菜"),
         "有机蛋": ("蛋", "生鲜"), "卤味": ("熟食", "熟食"), "啤酒": ("酒水", "杂货")}  # fmt: skip
TEXTS = {
    "price_sensitivity": ["sensitive", "neutral", "quality", "unknown"], "top_category_l1": ["生鲜", "蔬菜", "熟食"],
    "usual_item": ["有机蛋", "肋排", "土鸡蛋"], "home_store_basis": ["first_purchase", "location", "declared"],
    "pickup_site": ["东门", "西门"], "lifecycle": ["none", "new", "active", "lapsed", "regained"],
    "consent_marketing": ["Y", "N"], "home_store_code": STORES, "status": ["active"], "household_id": ["h1", "h2"],
    "koc": ["yes", "no", "unknown"], "tier": ["active", "L1", "L2", "L3"],
}  # fmt: skip
TAGS = ["VIP", "老客", "价格敏感"]
STAFF = ["csh1", "csh2"]
T = TypeVar("T")


class Dice(Protocol):
    def below(self, count: int) -> int:
        """0 to count - 1."""
        ...


class Seeded:
    """Dice of a seed: fast, the same every time."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def below(self, count: int) -> int:
        return int(self._random.random() * count)


def pick(dice: Dice, items: Sequence[T]) -> T:
    return items[dice.below(len(items))]


def some(dice: Dice, items: Sequence[T], most: int) -> list[T]:
    """1 to `most` different items."""
    left, found = list(items), []
    for _ in range(1 + dice.below(min(most, len(left)))):
        found.append(left.pop(dice.below(len(left))))
    return found


def town(dice: Dice, people: int = 40, days: int = 60) -> Town:
    """Members with every metric, each unknown now and then, and what they did in so many days."""
    members, happenings = [], {name: [] for name in COLUMNS}
    for number in range(people):
        member_id = f"m{number:03d}"
        members.append(_member(dice, member_id, days))
        _did(dice, member_id, days, happenings)
    return Town(NIGHT, members, happenings)


def _member(dice: Dice, member_id: str, days: int) -> dict[str, Any]:
    row: dict[str, Any] = {"member_id": member_id}
    for metric in METRICS.values():
        if dice.below(6) == 0:
            value: Any = None
        elif metric.kind == "int":
            value = dice.below(12)
        elif metric.kind == "yuan":
            value = dice.below(9) * 2550
        elif metric.kind == "bool":
            value = dice.below(2) == 1
        elif metric.kind == "date":
            value = NIGHT - timedelta(days=dice.below(days + 5) - 2)
        elif metric.kind == "ratio":
            value = dice.below(17) / 8
        elif metric.kind == "quantity":
            value = Decimal(dice.below(40)) / 8
        else:
            value = pick(dice, TEXTS[metric.name])
        row[metric.field] = value
    return row


def _did(dice: Dice, member_id: str, days: int, happenings: dict[str, list[dict[str, Any]]]) -> None:
    for number in range(max(0, dice.below(9) - 1)):
        order = {**_moment(dice, member_id, days), "order_key": f"{member_id}o{number}",
                 "leader_id": pick(dice, [None, "L1", "L2"]), "spend_fen": 1 + dice.below(80) * 150}  # fmt: skip
        happenings["orders"].append(order)
        for line in range(dice.below(5)):
            item = pick(dice, list(ITEMS))
            category, category_l1 = ITEMS[item]
            happenings["lines"].append(
                {**order, "line_no": str(line), "sku": "K" + item[0], "item_name": item,
                 "category": pick(dice, [category, category, category, None]), "category_l1": category_l1,
                 "qty": Decimal(1 + dice.below(8)) / 2, "amount_fen": 50 + dice.below(20) * 150,
                 "is_discounted": pick(dice, [True, False, None])}
            )  # fmt: skip
    for number in range(dice.below(7)):
        kind = pick(dice, [name for name, event in EVENTS.items() if event.relation == "engagements"][:-1])
        happenings["engagements"].append(
            {**_moment(dice, member_id, days), "engagement_key": f"{member_id}e{number}", "kind": kind,
             "ref": pick(dice, [None, "t1", "t2"]), "amount_fen": pick(dice, [None, 500, 1500]),
             "points": pick(dice, [None, Decimal("1.5"), Decimal(20)])}
        )  # fmt: skip
    for _ in range(dice.below(3)):
        happenings["tags"].append(
            {"member_id": member_id, "tag": pick(dice, TAGS), "author": pick(dice, STAFF),
             "days_ago": pick(dice, [None, 3, 13, 14, 40])}
        )  # fmt: skip
    for item in some(dice, ["有机蛋", "肋排", "卤味"], 2)[dice.below(2) :]:
        happenings["usual_items"].append(
            {"member_id": member_id, "item_name": item, "days_ago": dice.below(20), "gap_days": pick(dice, [None, 0.0, 3.5, 7.0])}
        )  # fmt: skip
    for store in STORES[dice.below(4) :]:
        happenings["places"].append(
            {"member_id": member_id, "store_code": store, "distance_km": dice.below(9) / 4}
        )


def _moment(dice: Dice, member_id: str, days: int) -> dict[str, Any]:
    # few instants, so that two things often happen at once; a day ends at four in the morning
    day = NIGHT - timedelta(days=min(dice.below(days), dice.below(days)))
    at = datetime(day.year, day.month, day.day) + timedelta(hours=pick(dice, [4, 9, 9, 18, 27]))
    return {"member_id": member_id, "happened_at": None if dice.below(25) == 0 else at, "business_date": day,
            "hour_of_day": at.hour, "channel": pick(dice, ["pos", "pos", "groupbuy"]),
            "store_code": pick(dice, [*STORES, *STORES, None])}  # fmt: skip


_TYPES = {
    "member_id": pa.string(), "days_ago": pa.int32(), "business_date": pa.date32(), "happened_at": pa.timestamp("us"),
    "hour_of_day": pa.int32(), "weekday": pa.int32(), "channel": pa.string(), "store_code": pa.string(),
    "order_key": pa.string(), "leader_id": pa.string(), "spend_fen": pa.int64(), "line_no": pa.string(), "sku": pa.string(),
    "item_name": pa.string(), "category": pa.string(), "category_l1": pa.string(), "qty": pa.decimal128(18, 3),
    "amount_fen": pa.int64(), "is_discounted": pa.bool_(), "engagement_key": pa.string(), "kind": pa.string(),
    "ref": pa.string(), "points": pa.decimal128(18, 3), "tag": pa.string(), "author": pa.string(), "gap_days": pa.float64(),
    "distance_km": pa.float64(),
}  # fmt: skip
_OF_KIND = {
    "int": pa.int32(), "yuan": pa.int64(), "bool": pa.bool_(), "text": pa.string(), "date": pa.date32(),
    "ratio": pa.float64(), "quantity": pa.decimal128(18, 3), "presence": pa.string(),
}  # fmt: skip


def into_duckdb(con: duckdb.DuckDBPyConnection, place: Town) -> dict[str, str]:
    """Tables of the town; what the plan's names stand for."""
    fields = {"member_id": pa.string()}
    rows = [dict(member) for member in place.members]
    for metric in METRICS.values():
        fields[metric.field] = _OF_KIND[metric.kind]
        if metric.kind == "date":
            fields[metric.field + AGO] = pa.int32()
            for row in rows:
                day = row[metric.field]
                row[metric.field + AGO] = None if day is None else (place.night - day).days
    _table(con, "frame", rows, fields)
    for name, columns in COLUMNS.items():
        rows = [dict(row) for row in place.happenings[name]]
        for row in rows:
            if "business_date" in row:
                row["days_ago"] = (place.night - row["business_date"]).days
                row["weekday"] = row["business_date"].isoweekday()
        _table(con, name, rows, {column: _TYPES[column] for column in columns})
    return {name: name for name in ("frame", *COLUMNS)}


def _table(
    con: duckdb.DuckDBPyConnection, name: str, rows: list[dict[str, Any]], fields: dict[str, pa.DataType]
) -> None:
    table = pa.table({key: pa.array([row[key] for row in rows], kind) for key, kind in fields.items()})
    con.register("given", table)
    con.execute(f"create or replace table {name} as select * from given")
    con.unregister("given")


# ---------------------------------------------------------------- expressions

SIGNS = [">=", "<=", ">", "<", "=", "!="]
NUMBERS = [m for m in METRICS.values() if m.is_number]
EXACT = [m for m in METRICS.values() if m.kind in ("int", "yuan")]
DATES = [m for m in METRICS.values() if m.kind == "date"]
WORDS = [m for m in METRICS.values() if m.kind == "text"]
WINDOWED = [m for m in METRICS.values() if m.window]
CATEGORIES = sorted({category for category, _ in ITEMS.values()})


def expression(dice: Dice, depth: int, segments: Sequence[str]) -> dict[str, Any]:
    """A condition at most `depth` deep; `segments`: ids it may refer to."""
    if depth > 1 and dice.below(3) > 0:
        inside = [expression(dice, depth - 1, segments) for _ in range(1 + dice.below(3))]
        kind = pick(dice, ["all", "any", "none", "not", "at_least"])
        if kind == "not":
            return {"not": inside[0]}
        if kind == "at_least":
            return {"at_least": str(1 + dice.below(len(inside))), "of": inside}
        return {kind: inside}
    leaves = [*_LEAVES, _segment] if segments else list(_LEAVES)
    leaf = pick(dice, leaves)
    return leaf(dice, segments) if leaf is _segment else leaf(dice)


def _number(dice: Dice, kind: str) -> str:
    if kind == "int":
        return str(dice.below(12))
    if kind == "yuan":
        return pick(dice, ["0", "25.5", "51", "76.50", "102", "127.5", "150"])
    return pick(dice, ["0", "0.125", "0.5", "1", "1.25", "2", "3.5"])


def _metric(dice: Dice) -> dict[str, Any]:
    which = dice.below(11)
    if which < 4:
        metric = pick(dice, NUMBERS)
        name, signs = metric.name, SIGNS[: 4 if metric.kind == "ratio" else 6]
        if dice.below(2):
            return {"metric": name, "op": pick(dice, signs), "value": _number(dice, metric.kind)}
        op = pick(
            dice, ["between", "not_between", "top_percent", "bottom_percent", "top_n", "known", "unknown"]
        )
        if op in ("known", "unknown"):
            return {"metric": name, "op": op}
        if op == "top_n":
            return {"metric": name, "op": op, "value": str(1 + dice.below(45))}
        if op.endswith("percent"):
            return {"metric": name, "op": op, "value": pick(dice, ["0.5", "10", "33.333", "50", "100"])}
        low, high = sorted((_number(dice, metric.kind), _number(dice, metric.kind)), key=Decimal)
        return {"metric": name, "op": op, "value": [low, high]}
    if which < 6:
        metric = pick(dice, DATES)
        op = pick(
            dice,
            [
                "before",
                "after",
                "within_last",
                "not_within_last",
                "between",
                "not_between",
                "=",
                "!=",
                "known",
                "unknown",
            ],
        )
        days = sorted((NIGHT - timedelta(days=dice.below(60))).isoformat() for _ in range(2))
        if op in ("known", "unknown"):
            return {"metric": metric.name, "op": op}
        value: Any = days if "between" in op else str(1 + dice.below(60)) if "last" in op else days[0]
        return {"metric": metric.name, "op": op, "value": value}
    if which < 9:
        metric = pick(dice, WORDS)
        op = pick(dice, ["=", "!=", "in", "not_in", "contains", "starts_with", "known", "unknown"])
        if op in ("known", "unknown"):
            return {"metric": metric.name, "op": op}
        if op in ("in", "not_in"):
            return {"metric": metric.name, "op": op, "value": some(dice, TEXTS[metric.name], 3)}
        value = pick(dice, TEXTS[metric.name])
        if op in ("contains", "starts_with"):
            value = value[dice.below(2) :][:2] or "蛋"
        return {"metric": metric.name, "op": op, "value": value}
    metric = pick(dice, [m for m in METRICS.values() if m.kind in ("bool", "presence")])
    if metric.kind == "presence":
        return {"metric": metric.name, "op": pick(dice, ["known", "unknown"])}
    return {"metric": metric.name, "op": pick(dice, ["=", "!="]), "value": pick(dice, ["true", "false"])}


def _normal(dice: Dice) -> dict[str, Any]:
    times = pick(dice, ["0.5", "1", "1.5", "0.333"])
    which = dice.below(4)
    if which == 0:
        kind = pick(dice, ["int", "yuan", "quantity"])
        names = [m.name for m in METRICS.values() if m.kind == kind]
        return {"ratio": pick(dice, names), "to": pick(dice, names), "op": pick(dice, SIGNS), "value": times}
    if which == 1:
        return {"metric": pick(dice, WINDOWED).name, "op": pick(dice, SIGNS), "times": times,
                "own_normal": pick(dice, ["30", "45", "180"])}  # fmt: skip
    if which == 2:
        return {
            "metric": pick(dice, EXACT).name,
            "op": pick(dice, SIGNS),
            "times": times,
            "shop_normal": "true",
        }
    if dice.below(2):
        return {"overdue": "purchase", "times": times}
    return {"overdue": "item", "item": pick(dice, ["有机蛋", "肋排"]), "times": times}


def _period(dice: Dice) -> dict[str, Any]:
    which = dice.below(7)
    days = sorted((NIGHT - timedelta(days=dice.below(60))).isoformat() for _ in range(2))
    ago = [str(day) for day in sorted(dice.below(60) for _ in range(2))]
    return [{"within_days": str(1 + dice.below(60))}, {"between_days": ago}, {"between": days},
            {"since": days[0]}, {"until": days[1]}, {}, {}][which]  # fmt: skip


def _listed(dice: Dice, items: Sequence[str]) -> Any:
    found = some(dice, items, 3)
    return found[0] if len(found) == 1 and dice.below(2) else found


def _where(dice: Dice, keys: Sequence[str]) -> dict[str, Any]:
    made = {
        "channel": lambda: _listed(dice, ["pos", "groupbuy"]), "store": lambda: _listed(dice, STORES),
        "hour": lambda: pick(dice, [["4", "10"], ["0", "4"], ["9", "24"]]), "weekday": lambda: _listed(dice, list("1234567")),
        "amount": lambda: f"{pick(dice, SIGNS)} {pick(dice, ['5', '15', '30', '60.5'])}",
        "leader": lambda: _listed(dice, ["L1", "L2"]), "category": lambda: _listed(dice, CATEGORIES),
        "category_l1": lambda: _listed(dice, ["生鲜", "蔬菜", "熟食", "杂货"]), "item": lambda: _listed(dice, list(ITEMS)),
        "sku": lambda: _listed(dice, ["K肋", "K生"]), "discounted": lambda: pick(dice, ["true", "false"]),
        "kind": lambda: _listed(dice, ["share", "message", "group_join"]), "template": lambda: _listed(dice, ["t1", "t2"]),
        "campaign": lambda: _listed(dice, ["t1", "t2"]),
    }  # fmt: skip
    return {key: made[key]() for key in some(dice, keys, 2)}


def _happening(dice: Dice, events: Sequence[str] = tuple(EVENTS)) -> dict[str, Any]:
    event = pick(dice, [*events, *(["purchase", "line"] * 3 if "line" in events else [])])
    return {"event": event, **({"where": _where(dice, EVENTS[event].where)} if dice.below(2) else {})}


def _event(dice: Dice) -> dict[str, Any]:
    base = _happening(dice)
    event = EVENTS[base["event"]]
    kind = pick(
        dice, ["did", "count", "sum", "distinct", "first", "last", "streak", "not_followed", "first_was"]
    )
    if kind == "sum" and event.sums:
        of_lines = {"category", "category_l1", "item", "sku", "discounted"}
        if base["event"] == "purchase" and of_lines & set(base.get("where", {})):
            base["event"] = "line"
        column = pick(dice, list(event.sums))
        return {**base, **_period(dice), "sum": column, "op": pick(dice, SIGNS),
                "value": pick(dice, ["0", "15", "30", "100", "1.5"])}  # fmt: skip
    if kind == "distinct":
        return {**base, **_period(dice), "distinct": pick(dice, list(event.distincts)), "op": pick(dice, SIGNS),
                "value": str(dice.below(5))}  # fmt: skip
    if kind in ("first", "last"):
        direction = pick(dice, ["within_days", "not_within_days"])
        return {**base, kind: direction, "value": str(1 + dice.below(60))}
    if kind == "streak":
        return {**base, "streak": pick(dice, ["week", "day"]), "at_least": str(1 + dice.below(3))}
    if kind == "not_followed":
        return {
            **base,
            **_period(dice),
            "not_followed_by": _happening(dice),
            "in_days": str(1 + dice.below(20)),
        }
    if kind == "first_was":
        return {**base, **_period(dice), "first_was": _where(dice, event.where)}
    if kind == "did":
        return {**base, **_period(dice), "did": pick(dice, ["true", "false"])}
    return {**base, **_period(dice), "count": f"{pick(dice, SIGNS)} {dice.below(4)}"}


def _sequence(dice: Dice) -> dict[str, Any]:
    steps = [_happening(dice, ("purchase", "line", "engagement", "share")) for _ in range(2 + dice.below(2))]
    gap = {"gap_days": str(1 + dice.below(15))} if dice.below(2) else {}
    return {"sequence": steps, **gap, **_period(dice)}


def _shopping(dice: Dice) -> dict[str, Any]:
    which = dice.below(4)
    if which == 0:
        by = pick(dice, ["item", "sku", "category", "category_l1"])
        values = {
            "item": list(ITEMS),
            "sku": ["K肋", "K生", "K香"],
            "category": CATEGORIES,
            "category_l1": ["生鲜", "蔬菜"],
        }[by]
        more = {"min_total": "20", "size": pick(dice, [">= 2", "= 1", "< 3"]), "count": pick(dice, [">= 1", "= 0", "> 1"]),
                "where": {"channel": "pos"}}  # fmt: skip
        extra = {key: more[key] for key in some(dice, list(more), 2)} if dice.below(2) else {}
        inside = {key: _listed(dice, values) for key in some(dice, ["all", "any", "none"], 2)}
        return {"basket": inside, **({} if by == "item" else {"by": by}), **extra, **_period(dice)}
    if which == 1:
        return {"share": _where(dice, EVENTS["line"].where), "of": pick(dice, ["spend", "items", "orders"]), **_period(dice),
                "op": pick(dice, SIGNS), "value": pick(dice, ["0", "0.25", "0.5", "0.333", "1"])}  # fmt: skip
    if which == 2:
        return {"never_bought": _where(dice, EVENTS["line"].where)}
    return {
        "bucket": pick(dice, ["spring26", "a"]),
        "from": str(dice.below(50)),
        "to": str(51 + dice.below(50)),
    }


def _place(dice: Dice) -> dict[str, Any]:
    if dice.below(2):
        km = pick(dice, ["0.5", "1", "1.75"])
        return {"near": pick(dice, ["home_shop", "any_shop", "pickup", "S02"]), "km": km}
    how = pick(dice, ["home", "bought_at", "only_at", "pickup"])
    shops = _listed(dice, ["东门", "西门"] if how == "pickup" else STORES)
    period = _period(dice) if how in ("bought_at", "only_at") else {}
    return {"shop": shops, **({} if how == "home" else {"as": how}), **period}


def _tag(dice: Dice) -> dict[str, Any]:
    which, tag = dice.below(4), pick(dice, TAGS)
    if which == 0:
        return {"no_tag": tag}
    if which == 1:
        return {"tag": tag, "by": pick(dice, STAFF)}
    if which == 2:
        by = {"by": pick(dice, STAFF)} if dice.below(2) else {}
        return {"tag": tag, "within_days": pick(dice, ["4", "14", "60"]), **by}
    return {"tag": tag}


def _segment(dice: Dice, segments: Sequence[str]) -> dict[str, Any]:
    which = dice.below(3)
    if which < 2:
        return {["segment", "no_segment"][which]: pick(dice, segments)}
    return {"segments": pick(dice, ["any_of", "all_of", "except"]), "list": some(dice, segments, 3)}


_LEAVES = (
    _metric,
    _metric,
    _metric,
    _normal,
    _event,
    _event,
    _event,
    _event,
    _sequence,
    _shopping,
    _place,
    _tag,
)
