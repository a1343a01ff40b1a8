"""Segments as a marketing department might write them, many and repeatable, for the benchmark of the marts."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

Rule = dict[str, Any]
_EVENTS, _LINES = 0.3, 0.1  # shares of segments that ask for purchases, and for what was in them


def segments(count: int, categories: Sequence[str], groups: Sequence[str], seed: int = 7) -> list[Rule]:
    """`count` segments of 2 to 4 conditions each, as rules/segments.yml has them.

    Three in ten count purchases, one in ten looks into baskets, the others ask the metrics alone.
    """
    dice = random.Random(seed)
    return [_segment(dice, number, categories, groups) for number in range(count)]


def shares(rules: Sequence[Rule]) -> dict[str, float]:
    """Which share of the segments asks for purchases (`events`) and for lines (`lines`)."""
    asked = {
        "events": sum(any(c.get("event") == "purchase" for c in rule["all"]) for rule in rules),
        "lines": sum(
            any(c.get("event") == "line" or "never_bought" in c for c in rule["all"]) for rule in rules
        ),
    }
    return {name: found / len(rules) for name, found in asked.items()}


def _segment(dice: random.Random, number: int, categories: Sequence[str], groups: Sequence[str]) -> Rule:
    luck = dice.random()
    rules = [_recency(dice)]
    if luck < _LINES:
        rules.append(dice.choice((_bought, _never))(dice, categories, groups))
    elif luck < _LINES + _EVENTS:
        rules.append(_purchases(dice))
    more: list[Callable[[random.Random], Rule]] = [_spend, _orders, _ratio, _fifth, _shop, _channel]
    rules += [make(dice) for make in dice.sample(more, dice.randint(1, 2))]
    return {"segment_id": f"b{number:03d}", "name": f"第{number}群", "all": rules}


def _recency(dice: random.Random) -> Rule:
    first = dice.choice((0, 1, 3, 7, 15, 30))
    return {
        "metric": "days_since_purchase",
        "op": "between",
        "value": [str(first), str(first + dice.choice((2, 6, 13)))],
    }


def _spend(dice: random.Random) -> Rule:
    days = dice.choice((7, 30, 90))
    return {"metric": f"spend_{days}d", "op": ">=", "value": str(Decimal(dice.randint(4, 60)) * 5)}


def _orders(dice: random.Random) -> Rule:
    return {"metric": f"orders_{dice.choice((30, 90))}d", "op": ">=", "value": str(dice.randint(1, 6))}


def _ratio(dice: random.Random) -> Rule:
    return {
        "ratio": "groupbuy_spend_30d",
        "to": "spend_30d",
        "op": dice.choice((">=", "<")),
        "value": f"0.{dice.randint(2, 8)}",
    }


def _fifth(dice: random.Random) -> Rule:
    return {"metric": dice.choice(("rfm_r", "rfm_f", "rfm_m")), "op": "in", "value": ["4", "5"]}


def _shop(dice: random.Random) -> Rule:
    return {
        "metric": "home_store_code",
        "op": "in",
        "value": [f"S{shop:02d}" for shop in sorted(dice.sample(range(50), 12))],
    }


def _channel(dice: random.Random) -> Rule:
    return {
        "metric": dice.choice(("has_groupbuy", "has_wecom")),
        "op": "=",
        "value": dice.choice(("true", "false")),
    }


def _purchases(dice: random.Random) -> Rule:
    where = dice.choice(
        (
            {"channel": "pos"},
            {"channel": "groupbuy"},
            {"hour": ["17", "21"]},
            {"weekday": ["6", "7"]},
            {"amount": ">= 50"},
        )
    )
    return {
        "event": "purchase",
        "where": where,
        "count": f">= {dice.randint(1, 3)}",
        "within_days": str(dice.choice((14, 30, 60, 90))),
    }


def _bought(dice: random.Random, categories: Sequence[str], groups: Sequence[str]) -> Rule:
    where = (
        {"category": dice.choice(categories)} if dice.random() < 0.7 else {"category_l1": dice.choice(groups)}
    )
    return {
        "event": "line",
        "where": where,
        "count": f">= {dice.randint(1, 3)}",
        "within_days": str(dice.choice((30, 60, 90))),
    }


def _never(dice: random.Random, categories: Sequence[str], _groups: Sequence[str]) -> Rule:
    return {"never_bought": {"category": dice.choice(categories)}}
