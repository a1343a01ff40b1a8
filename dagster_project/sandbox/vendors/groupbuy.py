"""Baskets, buyers and small conversions that the worlds of the group-buy vendors share. No vendor's shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random

from dagster_project.sandbox.clock import BEIJING
from dagster_project.sandbox.vendors.goods import GOODS, Good, person, plain_phone

PLACEHOLDER = "13800138000"  # passes every check and is nobody's
FAMILY = 8  # every eighth buyer uses the phone of the one before


@dataclass(frozen=True)
class Buyer:
    """A neighbour who buys: `phone` are 11 made-up digits, shared by some as in a family."""

    number: int
    name: str
    nickname: str
    phone: str
    building: int
    room: str

    @property
    def address(self) -> str:
        return f"和平里小区{self.building}栋{self.room}"


@dataclass(frozen=True)
class Piece:
    """One line of a basket: `thousandths` of the good's unit (grams of a weighed one), `amount` in fen."""

    good: Good
    thousandths: int
    amount: int


def buyers(rng: Random, count: int) -> list[Buyer]:
    found: list[Buyer] = []
    for number in range(count):
        name = person(rng)
        phone = found[-1].phone if number % FAMILY == FAMILY - 1 else plain_phone(rng)
        nickname = name + rng.choice(("", "🍓", "（3栋）", "家的厨房", " "))
        room = f"{rng.randint(1, 18)}0{rng.randint(1, 4)}"
        found.append(Buyer(number, name, nickname, phone, rng.randint(1, 28), room))
    return found


def basket(rng: Random, lines: int) -> list[Piece]:
    """Different goods, weighed ones to the gram."""
    pieces = []
    for good in rng.sample(GOODS, lines):
        thousandths = rng.randrange(180, 2600) if good.weighed else rng.choice((1, 1, 1, 2, 3)) * 1000
        pieces.append(Piece(good, thousandths, (good.price_fen * thousandths + 500) // 1000))
    return pieces


def packed(rng: Random, lines: int) -> list[Piece]:
    """As `basket`, but weighed goods come as whole packs of a kilogram, for vendors that count pieces only."""
    return [
        Piece(piece.good, packs * 1000, piece.good.price_fen * packs)
        for piece in basket(rng, lines)
        for packs in [max(1, piece.thousandths // 1000)]
    ]


def spread(amount: int, weights: Sequence[int]) -> list[int]:
    """`amount` in fen over the weights, to the fen; the last one takes the rest."""
    total = sum(weights) or 1
    shares = [amount * weight // total for weight in weights]
    shares[-1] += amount - sum(shares)
    return shares


def last_moment(end: date) -> datetime:
    return datetime.combine(end, time(23, 59, 59), BEIJING)


def some_later(rng: Random, moment: datetime, last: datetime, *, days: float) -> datetime:
    """A moment 1 minute to `days` days later in whole seconds, but not after `last`."""
    return min(moment + timedelta(seconds=rng.randint(60, max(61, int(days * 86_400)))), last)


def yuan(fen: int) -> str:
    """1230 → "12.30", as vendors write money in text."""
    return f"{fen // 100}.{fen % 100:02d}"


def fen(text: str) -> int:
    """ "12.30" → 1230."""
    whole, _, cents = text.partition(".")
    return int(whole) * 100 + int(cents)


def millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def masked(phone: str) -> str:
    return f"{phone[:3]}****{phone[-4:]}"
