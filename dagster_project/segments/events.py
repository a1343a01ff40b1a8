"""What members do: the relations that segments read, the events they hold, and how an event is narrowed down.

Every relation has one row per happening of a known member that is not in the future: `member_id`, `days_ago` (0 is
the night itself), `business_date`, `happened_at`, `hour_of_day`, `weekday` (1 Monday), `channel`, `store_code` and the columns
of `COLUMNS`. `orders` holds purchases, `lines` their lines with something left after refunds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator

from dagster_project.lang import tr
from dagster_project.segments.problems import KeyPath, unknown, wrong
from dagster_project.segments.values import (
    Days,
    Listed,
    Priced,
    Truth,
    day,
    literal,
    literals,
    pair,
    rising,
    whole,
)

_COMMON = (
    "member_id",
    "days_ago",
    "business_date",
    "happened_at",
    "hour_of_day",
    "weekday",
    "channel",
    "store_code",
)
_ORDER = (*_COMMON, "order_key", "leader_id", "spend_fen")
COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "orders": _ORDER,
        "lines": (*_ORDER, "line_no", "sku", "item_name", "category", "category_l1", "qty", "amount_fen", "is_discounted"),
        "engagements": (*_COMMON, "engagement_key", "kind", "ref", "amount_fen", "points"),
        # a WeCom tag that stands: who set it, and how long ago (null when nobody knows)
        "tags": ("member_id", "tag", "author", "days_ago"),
        # an item bought again and again, with the member's own median of days between
        "usual_items": ("member_id", "item_name", "days_ago", "gap_days"),
        # how far every located member is from every located shop
        "places": ("member_id", "store_code", "distance_km"),
    }
)  # fmt: skip
# what tells two rows of one instant apart
KEYS = MappingProxyType({"orders": "order_key", "lines": "order_key", "engagements": "engagement_key"})

_ALWAYS = ("channel", "store", "hour", "weekday")
_OF_LINES = ("category", "category_l1", "item", "sku", "discounted")
_WHOLE_NAMES = {
    "channel": ("渠道", "channel"), "store": ("门店", "shop"), "category": ("品类", "category"),
    "category_l1": ("大类", "category_l1"), "item": ("商品", "item"), "sku": ("SKU", "SKU"),
    "leader": ("团长", "leader"), "kind": ("种类", "kind"), "template": ("券模板", "template"),
    "campaign": ("活动", "campaign"),
}  # fmt: skip


@dataclass(frozen=True)
class Event:
    """`where`: keys that narrow it down. `sums`, `distincts`: what can be added up or told apart, as columns."""

    relation: str
    zh: str
    en: str
    where: tuple[str, ...]
    sums: Mapping[str, str]
    distincts: Mapping[str, str]

    @property
    def words(self) -> str:
        return tr(self.zh, self.en)


_MOMENTS = {"day": "business_date", "store": "store_code", "hour": "hour_of_day", "channel": "channel"}
_ITEMS = {"item": "item_name", "sku": "sku", "category": "category", "category_l1": "category_l1"}


def _engagement(zh: str, en: str, *where: str, **sums: str) -> Event:
    return Event("engagements", zh, en, (*_ALWAYS, *where), sums, {**_MOMENTS, "ref": "ref"})


EVENTS: Mapping[str, Event] = MappingProxyType(
    {
        "purchase": Event(
            "orders", "消费", "purchase", (*_ALWAYS, "amount", "leader", *_OF_LINES),
            {"amount": "spend_fen"}, {**_MOMENTS, "leader": "leader_id"},
        ),
        "line": Event(
            "lines", "商品行", "line", (*_ALWAYS, "amount", "leader", *_OF_LINES),
            {"amount": "amount_fen", "qty": "qty"}, {**_MOMENTS, "leader": "leader_id", "order": "order_key", **_ITEMS},
        ),
        "share": _engagement("分享", "share"),
        "complaint": _engagement("投诉", "complaint"),
        "group_join": _engagement("入群", "group join"),
        "contact_added": _engagement("加企微", "WeCom contact added"),
        "registered": _engagement("团购注册", "group-buy registration"),
        "coupon_issued": _engagement("发券", "coupon issued", "template"),
        "coupon_redeemed": _engagement("核销券", "coupon redeemed", "template", "amount", amount="amount_fen"),
        "coupon_expired": _engagement("券过期", "coupon expired", "template"),
        "points_earned": _engagement("得积分", "points earned", points="points"),
        "points_spent": _engagement("用积分", "points spent", points="points"),
        "message": _engagement("收到消息", "message", "campaign"),
        "engagement": _engagement("任何互动", "engagement of any kind", "kind"),
    }
)  # fmt: skip
ENGAGEMENTS = tuple(
    name for name, e in EVENTS.items() if e.relation == "engagements" and name != "engagement"
)


def event_name(value: Any) -> str:
    if not isinstance(value, str) or value not in EVENTS:
        raise ValueError(unknown("事件", "event", value, tuple(EVENTS)))
    return value


EventName = Annotated[str, BeforeValidator(event_name)]


def _hours(value: Any) -> tuple[int, int]:
    problem = tr(
        "应当是 [从, 到) 两个整点，0 到 24，从小于到，例如 [8, 10] 是 8 点到 10 点之前",
        "must be two whole hours [from, to), 0 to 24, from below to, such as [8, 10]",
    )
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(problem)
    low, high = (whole(part) for part in value)
    if not 0 <= low < high <= 24:
        raise ValueError(problem)
    return low, high


def _weekdays(value: Any) -> tuple[int, ...]:
    days = tuple(whole(part) for part in (value if isinstance(value, list | tuple) else [value]))
    if not days or len(set(days)) < len(days) or not all(1 <= one <= 7 for one in days):
        raise ValueError(tr("应当是 1（周一）到 7（周日），不重复", "must be 1 (Monday) to 7, each once"))
    return days


def _channels(value: tuple[str, ...]) -> tuple[str, ...]:
    for one in value:
        if one not in ("pos", "groupbuy", "wecom"):
            raise ValueError(unknown("渠道", "channel", one, ("pos", "groupbuy", "wecom")))
    return value


def _kinds(value: tuple[str, ...]) -> tuple[str, ...]:
    for one in value:
        if one not in ENGAGEMENTS:
            raise ValueError(unknown("事件", "event", one, ENGAGEMENTS))
    return value


class Where(BaseModel):
    """All keys given must hold; a list means any of them; a row without the value does not fit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channel: Annotated[Listed, AfterValidator(_channels)] | None = None
    store: Listed | None = None
    category: Listed | None = None
    category_l1: Listed | None = None
    item: Listed | None = None
    sku: Listed | None = None
    hour: Annotated[tuple[int, int], BeforeValidator(_hours)] | None = None
    weekday: Annotated[tuple[int, ...], BeforeValidator(_weekdays)] | None = None
    amount: Priced | None = None
    discounted: Truth | None = None
    leader: Listed | None = None
    kind: Annotated[Listed, AfterValidator(_kinds)] | None = None
    template: Listed | None = None
    campaign: Listed | None = None

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            raise ValueError(tr("应当是键值结构（键: 值）", "must be a mapping (key: value)"))
        if not data:
            raise ValueError(tr("至少要有 1 项", "at least one key is needed"))
        for key in data:
            if key not in cls.model_fields:
                raise wrong(unknown("键", "key", key, tuple(cls.model_fields)), str(key))
        for key, value in data.items():
            if value is None:
                raise wrong(tr("缺少值", "the value is missing"), key)
        return data

    @property
    def given(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in type(self).model_fields if getattr(self, key) is not None}

    def named(self, *place: str | int) -> Iterator[tuple[KeyPath, str, str]]:
        """The things of the shops in it, with their places below `place` and their keys."""
        for key in ("store", *_ITEMS):
            for value in getattr(self, key) or ():
                yield (*place, key), key, value

    @property
    def of_lines(self) -> bool:
        return any(key in _OF_LINES for key in self.given)

    def conditions(self, amount: str) -> list[str]:
        """SQL conditions over a relation's columns; `amount`: the column that `amount` compares."""
        columns = {
            "channel": "channel", "store": "store_code", "category": "category", "category_l1": "category_l1",
            "item": "item_name", "sku": "sku", "leader": "leader_id", "kind": "kind", "template": "ref",
            "campaign": "ref",
        }  # fmt: skip
        found = [
            f"{column} in ({literals(values)})"
            for key, column in columns.items()
            if (values := getattr(self, key)) is not None
        ]
        if self.hour is not None:
            found.append(f"hour_of_day >= {self.hour[0]} and hour_of_day < {self.hour[1]}")
        if self.weekday is not None:
            found.append(f"weekday in ({literals(self.weekday)})")
        if self.amount is not None:
            found.append(f"{amount} {self.amount.sql}")
        if self.discounted is not None:
            found.append(f"is_discounted = {literal(self.discounted)}")
        return found

    @property
    def words(self) -> str:
        parts = []
        for key, value in self.given.items():
            if key in _WHOLE_NAMES:
                parts.append(f"{tr(*_WHOLE_NAMES[key])}={'/'.join(value)}")
            elif key == "hour":
                parts.append(tr(f"{value[0]}–{value[1]}点", f"{value[0]}:00–{value[1]}:00"))
            elif key == "weekday":
                parts.append(tr("周", "weekday ") + "/".join(map(str, value)))
            elif key == "amount":
                parts.append(tr("金额", "amount") + f"{value.op}{yuan(value.value)}")
            else:
                parts.append(tr("打折" if value else "没打折", "discounted" if value else "full price"))
        return tr("，", ", ").join(parts)


def yuan(fen: int) -> str:
    """Fen as people read yuan."""
    return f"{fen // 100}" if fen % 100 == 0 else f"{fen // 100}.{fen % 100:02d}"


def _dates(value: Any) -> tuple[date, date]:
    low, high = (day(part) for part in pair(value))
    rising(low, high)
    return low, high


def _ago(value: Any) -> tuple[int, int]:
    low, high = (whole(part) for part in pair(value))
    rising(low, high)
    if not (low >= 0 and high <= 1095):
        raise ValueError(tr("天数应当在 0 到 1095 之间", "days ago must be 0 to 1095"))
    return low, high


_PERIODS = ("within_days", "between_days", "between", "since", "until")


class Period(BaseModel):
    """Mixed into operators that look at a stretch of time; without one all of history counts."""

    within_days: Days | None = None
    between_days: Annotated[tuple[int, int], BeforeValidator(_ago)] | None = None
    between: Annotated[tuple[date, date], BeforeValidator(_dates)] | None = None
    since: Annotated[date, BeforeValidator(day)] | None = None
    until: Annotated[date, BeforeValidator(day)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_period(cls, data: Any) -> Any:
        given = [key for key in _PERIODS if isinstance(data, dict) and key in data]
        if len(given) > 1:
            listed = ", ".join(given)
            raise wrong(
                tr(f"只能写一种时间段，写了：{listed}", f"only one period, given: {listed}"), given[1]
            )
        for key in given:
            if data[key] is None:
                raise wrong(tr("缺少值", "the value is missing"), key)
        return data

    def period(self) -> list[str]:
        """SQL conditions over a relation's columns."""
        if self.within_days is not None:
            return [f"days_ago < {self.within_days}"]
        if self.between_days is not None:
            return [f"days_ago between {self.between_days[0]} and {self.between_days[1]}"]
        if self.between is not None:
            return [f"business_date between {literal(self.between[0])} and {literal(self.between[1])}"]
        if self.since is not None:
            return [f"business_date >= {literal(self.since)}"]
        return [f"business_date <= {literal(self.until)}"] if self.until is not None else []

    @property
    def period_words(self) -> str:
        if self.within_days is not None:
            return tr(f"近{self.within_days}天", f"in {self.within_days} days")
        if self.between_days is not None:
            low, high = self.between_days
            return tr(f"{low}–{high}天前", f"{low} to {high} days ago")
        if self.between is not None:
            return tr(f"{self.between[0]}至{self.between[1]}", f"{self.between[0]} to {self.between[1]}")
        if self.since is not None:
            return tr(f"{self.since}起", f"since {self.since}")
        return tr(f"到{self.until}为止", f"until {self.until}") if self.until is not None else ""


class Happening(BaseModel):
    """An event, perhaps narrowed down."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event: EventName
    where: Where | None = None

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, data: Any) -> Any:
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for key in data if isinstance(data, dict) else ():
            if key not in known:
                raise wrong(unknown("键", "key", key, known), str(key))
        return data

    @model_validator(mode="after")
    def _where_fits(self) -> Happening:
        known = EVENTS[self.event].where
        for key in self.where.given if self.where else ():
            if key not in known:
                listed = ", ".join(known)
                raise wrong(
                    tr(
                        f"事件 {self.event} 不能按 {key} 筛选，可用：{listed}",
                        f"event {self.event} has no {key}; known: {listed}",
                    ),
                    "where",
                    key,
                )
        return self

    @property
    def relation(self) -> str:
        """Where its rows are: a purchase narrowed down by what was bought is looked for among the lines."""
        if self.event == "purchase" and self.where is not None and self.where.of_lines:
            return "lines"
        return EVENTS[self.event].relation

    @property
    def repeats(self) -> bool:
        """Whether one happening may be several rows of its relation."""
        return self.event == "purchase" and self.relation == "lines"

    def named(self) -> Iterator[tuple[KeyPath, str, str]]:
        """The things of the shops that it names."""
        yield from self.where.named("where") if self.where else ()

    def conditions(self) -> list[str]:
        relation = EVENTS[self.event].relation
        found = [f"kind = '{self.event}'"] if self.event in ENGAGEMENTS else []
        amount = "amount_fen" if relation != "orders" else "spend_fen"
        return found + (self.where.conditions(amount) if self.where else [])

    @property
    def happening_words(self) -> str:
        inside = f"（{self.where.words}）" if self.where else ""
        return EVENTS[self.event].words + inside


Direction = Literal["within_days", "not_within_days"]
