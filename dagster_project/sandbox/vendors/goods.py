"""What the vendors' worlds are made of: goods, neighbours, numbers above 2^53, moments of a day. No vendor's shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Literal

from dagster_project.sandbox.clock import BEIJING

PhoneKind = Literal["plain", "masked", "cipher", "extension", "float", "landline", "placeholder", "empty"]


@dataclass(frozen=True)
class Good:
    """One article. `price_fen` is for one `unit`; `weighed` goods are sold by the kilogram with three decimals."""

    sku: str
    barcode: str
    name: str
    category: str
    unit: str
    price_fen: int
    weighed: bool = False


def _goods() -> tuple[Good, ...]:
    table = (
        ("上海青", "叶菜", "kg", 598, True),
        ("菠菜", "叶菜", "kg", 796, True),
        ("本地小白菜", "叶菜", "kg", 658, True),
        ("西红柿", "茄果", "kg", 758, True),
        ("黄瓜", "茄果", "kg", 696, True),
        ("黄心土豆", "根茎", "kg", 398, True),
        ("猪肋排", "鲜肉", "kg", 5980, True),
        ("前腿肉", "鲜肉", "kg", 2980, True),
        ("鲜活基围虾", "水产", "kg", 9960, True),
        ("红富士苹果", "水果", "kg", 1196, True),
        ("海南香蕉", "水果", "kg", 796, True),
        ("有机鸡蛋10枚", "蛋类", "盒", 1880, False),
        ("鲜牛奶950ml", "乳品", "瓶", 1390, False),
        ("老豆腐400g", "豆制品", "盒", 450, False),
        ("卤牛肉200g（熟食）", "熟食", "盒", 3280, False),
        ("盐焗鸡半只", "熟食", "份", 2680, False),
        ("东北大米5kg", "粮油", "袋", 4590, False),
        ("煲汤料包·四神汤", "干货", "包", 990, False),
        ("手工水饺（猪肉白菜）500g", "冷冻", "袋", 2190, False),
        ("张䶮记酱油500ml", "调味", "瓶", 1250, False),  # a character that GBK lacks
    )
    return tuple(
        Good(f"{100101 + number}", f"69{21000000000 + 13 * number}", name, category, unit, fen, weighed)
        for number, (name, category, unit, fen, weighed) in enumerate(table)
    )


GOODS = _goods()
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
CALLED = ("阿姨", "叔叔", "先生", "女士", "姐", "奶奶", "师傅", "妈妈")
STAFF = ("陈静", "李伟", "王秀兰", "赵敏")


def plain_phone(rng: Random) -> str:
    """Eleven digits of a made-up mobile number."""
    return f"1{rng.choice(('38', '39', '50', '59', '86', '88'))}{rng.randrange(10**8):08d}"


def phone_of(kind: PhoneKind, rng: Random) -> str:
    """A phone column's content of that kind."""
    plain = plain_phone(rng)
    shapes: dict[PhoneKind, str] = {
        "plain": plain,
        "masked": f"{plain[:3]}****{plain[-4:]}",
        "cipher": f"${rng.randbytes(24).hex()}$1$",
        "extension": f"{plain}-{rng.randrange(100, 999)}",
        "float": f"{plain}.0",
        "landline": f"021-5{rng.randrange(10**7):07d}",
        "placeholder": "13800138000",
        "empty": "",
    }
    return shapes[kind]


def person(rng: Random) -> str:
    """A neighbour's name as staff write it, such as 王阿姨."""
    return rng.choice(SURNAMES) + rng.choice(CALLED)


def big_id(rng: Random) -> int:
    """A 19-digit integer above 2^53, whose last digits a float loses."""
    return rng.randrange(10**18, 9 * 10**18) | 1


def weight(rng: Random) -> int:
    """Grams of a weighed article, 150 to 2,600."""
    return rng.randrange(150, 2600)


def moments(rng: Random, days: int, per_day: int, end: date) -> Iterator[tuple[int, datetime]]:
    """(day number, Shanghai time) in order: `per_day` moments a day, 06:30 to 21:59, all seconds of a day different."""
    for number in range(days):
        day = end - timedelta(days=days - 1 - number)
        start = datetime.combine(day, time(6, 30), BEIJING)
        seconds = sorted(rng.sample(range(int(15.5 * 3600)), per_day))
        for second in seconds:
            yield number, start + timedelta(seconds=second)


def stamp(moment: datetime) -> str:
    """2026-11-20 08:15:00, as most of these vendors write times."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def read_stamp(text: str) -> datetime:
    """The other way round, in Shanghai. `ValueError` when the text is no such time."""
    if len(text) != 19 or text[10] != " ":  # fromisoformat takes more, but is five times as fast as strptime
        raise ValueError(text)
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING)


@dataclass
class BasketLine:
    """What was taken of one article: quantity in thousandths of its unit, and what it cost before and after a rebate."""

    good: Good
    milli: int
    list_fen: int
    paid_fen: int

    @property
    def quantity(self) -> int | float:
        return self.milli // 1000 if self.milli % 1000 == 0 else self.milli / 1000


def take(rng: Random, good: Good, percent: int = 100) -> BasketLine:
    """Some of the article, at `percent` of its price."""
    milli = weight(rng) if good.weighed else 1000 * rng.randrange(1, 4)
    list_fen = (good.price_fen * milli + 500) // 1000
    return BasketLine(good, milli, list_fen, (list_fen * percent + 50) // 100)


def basket(rng: Random, *, weighed: bool | None = None, percent: int = 100) -> list[BasketLine]:
    """One to four different articles; `weighed` True takes only weighed ones, False only counted ones."""
    shelf = [good for good in GOODS if weighed is None or good.weighed == weighed]
    return [take(rng, good, percent) for good in rng.sample(shelf, rng.randrange(1, 5))]


def yuan(fen: int) -> int | float:
    """Yuan as such systems write it in JSON: 12, 12.3 or 12.34."""
    return fen // 100 if fen % 100 == 0 else fen / 100
