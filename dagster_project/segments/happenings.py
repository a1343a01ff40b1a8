"""Conditions on what a member did: whether, how often, how much, when first and last, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ValidationInfo, field_validator, model_validator

from dagster_project.lang import tr
from dagster_project.segments.base import Operator, head, operator
from dagster_project.segments.compile import Compiler, both
from dagster_project.segments.events import EVENTS, KEYS, Direction, Happening, Period, Where, yuan
from dagster_project.segments.problems import KeyPath, unknown, wrong
from dagster_project.segments.values import Counted, Days, Truth, decimal, fen, whole
from dagster_project.segments.values import operator as spelled

_FAMILY = "events"
Sign = Literal[">=", "<=", ">", "<", "=", "!="]


class OfEvent(Period, Happening, Operator):
    """Base of conditions on an event within a period."""

    def all_conditions(self) -> list[str]:
        return self.conditions() + self.period()

    def times(self, to: Compiler, *more: str) -> str:
        """Feature: how often it happened."""
        distinct = "order_key" if self.repeats else None
        return to.count(self.relation, [*self.all_conditions(), *more], distinct)

    @property
    def event_words(self) -> str:
        period = self.period_words
        return f"{period}{tr('', ' ') if period else ''}{self.happening_words}"


@operator("did", _FAMILY, "{event: share, did: true, within_days: 30}",
          "发生过。", "It happened.")  # fmt: skip
@operator("did_not", _FAMILY, "{event: purchase, did: false, where: {channel: groupbuy}, within_days: 90}",
          "没有发生过；什么都没做过的人也算。", "It did not happen; who never did anything is included.")  # fmt: skip
class Did(OfEvent):
    did: Truth

    @property
    def operator(self) -> str:
        return "did" if self.did else "did_not"

    def sql(self, to: Compiler) -> str:
        return f"{self.times(to)} {'> 0' if self.did else '= 0'}"

    @property
    def words(self) -> str:
        return f"{tr('有' if self.did else '没有', 'did: ' if self.did else 'did not: ')}{self.event_words}"


@operator("count", _FAMILY, '{event: purchase, where: {category: 猪肉}, count: ">= 3", within_days: 90}',
          "发生的次数。按商品筛选的 purchase 是“买了这种商品的那几次消费”。",
          "How often. A purchase narrowed down by items is a purchase with such an item.")  # fmt: skip
class Count(OfEvent):
    count: Counted

    def sql(self, to: Compiler) -> str:
        return f"{self.times(to)} {self.count.sql}"

    @property
    def words(self) -> str:
        return f"{self.event_words} {self.count.op} {self.count.value} {tr('次', 'times')}"


@operator("sum", _FAMILY, '{event: purchase, sum: amount, op: ">=", value: 300, between: [2026-10-01, 2026-10-31]}',
          "加起来是多少：amount（元）、qty（商品行）、points（积分）。一次也没有就是 0。",
          "What it adds up to: amount (yuan), qty (lines), points. Nothing at all is 0.")  # fmt: skip
class Sum(OfEvent):
    sum: str
    op: Sign
    value: Any

    @field_validator("sum")
    @classmethod
    def _can_be_added(cls, value: str, info: ValidationInfo) -> str:
        event = EVENTS.get(info.data.get("event", ""))
        if event is None:
            return value
        if not event.sums:
            raise ValueError(
                tr(f"事件 {info.data['event']} 没有可以相加的值", f"{info.data['event']} adds up to nothing")
            )
        if value not in event.sums:
            raise ValueError(unknown("可相加的值", "value to add", value, tuple(event.sums)))
        return value

    @field_validator("value", mode="before")
    @classmethod
    def _typed(cls, value: Any, info: ValidationInfo) -> Any:
        return fen(value) if info.data.get("sum") == "amount" else decimal(value)

    @model_validator(mode="after")
    def _adds_once(self) -> Sum:
        if self.repeats:
            raise wrong(
                tr(
                    "按商品筛选时，请用 event: line 来加金额",
                    "narrowed down by items, use event: line to add amounts",
                ),
                "event",
            )
        return self

    def sql(self, to: Compiler) -> str:
        column = EVENTS[self.event].sums[self.sum]
        return f"{to.total(self.relation, self.all_conditions(), column)} {spelled(self.op)} {self.value}"

    @property
    def words(self) -> str:
        value = (
            tr(f"{yuan(self.value)}元", f"{yuan(self.value)} yuan") if self.sum == "amount" else self.value
        )
        return f"{self.event_words} {tr('合计', 'sum of ')}{self.sum} {self.op} {value}"


@operator("distinct", _FAMILY, '{event: line, distinct: category_l1, op: ">=", value: 4, within_days: 30}',
          "有几种不同的：day、store、hour、channel，商品行还有 item、sku、category、category_l1、order。",
          "How many different: day, store, hour, channel; of lines also item, sku, category, category_l1, order.")  # fmt: skip
class Distinct(OfEvent):
    distinct: str
    op: Sign
    value: Annotated[int, BeforeValidator(whole)]

    @field_validator("distinct")
    @classmethod
    def _can_be_told_apart(cls, value: str, info: ValidationInfo) -> str:
        event = EVENTS.get(info.data.get("event", ""))
        if event is not None and value not in event.distincts:
            raise ValueError(unknown("可区分的值", "value to tell apart", value, tuple(event.distincts)))
        return value

    def sql(self, to: Compiler) -> str:
        column = EVENTS[self.event].distincts[self.distinct]
        return f"{to.count(self.relation, self.all_conditions(), column)} {spelled(self.op)} {self.value}"

    @property
    def words(self) -> str:
        return f"{self.event_words} {tr('不同的', 'different ')}{self.distinct} {self.op} {self.value}"


class Edge(Happening, Operator):
    """Base of conditions on the first or last time."""

    value: Days

    def edge(self, to: Compiler, aggregate: str, direction: str) -> str:
        days = to.feature(
            self.relation, f"{aggregate}(case when {both(self.conditions())} then days_ago end)", None
        )
        return f"coalesce({days} {'<' if direction == 'within_days' else '>='} {self.value}, false)"

    def edge_words(self, zh: str, en: str, direction: str) -> str:
        inside = direction == "within_days"
        return tr(
            f"{zh}{self.happening_words}{'在' if inside else '不在'}近{self.value}天",
            f"{en} {self.happening_words} {'' if inside else 'not '}in the last {self.value} days",
        )


@operator("first", _FAMILY, "{event: purchase, first: within_days, value: 30}",
          "第一次在（within_days）或不在（not_within_days）最近几天；没有发生过的不算。",
          "The first time is (within_days) or is not (not_within_days) in the last days; false when it never was.")  # fmt: skip
class First(Edge):
    first: Direction

    def sql(self, to: Compiler) -> str:
        return self.edge(to, "max", self.first)

    @property
    def words(self) -> str:
        return self.edge_words("首次", "first", self.first)


@operator("last", _FAMILY, "{event: purchase, where: {channel: pos}, last: not_within_days, value: 14}",
          "最后一次在或不在最近几天；没有发生过的不算。",
          "The last time is or is not in the last days; false when it never was.")  # fmt: skip
class Last(Edge):
    last: Direction

    def sql(self, to: Compiler) -> str:
        return self.edge(to, "min", self.last)

    @property
    def words(self) -> str:
        return self.edge_words("最近一次", "last", self.last)


@operator("streak", _FAMILY, "{event: purchase, streak: week, at_least: 4}",
          "最近连续几个整周（周一到周日）每周都有；streak: day 是连续几天，当天算第一天。",
          "In each of the last so many full weeks, Monday to Sunday; day: on each of the last days.")  # fmt: skip
class Streak(Happening, Operator):
    streak: Literal["week", "day"]
    at_least: Annotated[int, BeforeValidator(whole)]

    @field_validator("at_least")
    @classmethod
    def _possible(cls, value: int) -> int:
        if not 1 <= value <= 156:
            raise ValueError(tr("应当在 1 到 156 之间", "must be 1 to 156"))
        return value

    def sql(self, to: Compiler) -> str:
        if self.streak == "day":
            mark, inside = "days_ago", f"days_ago < {self.at_least}"
        else:
            # the same for every day of a Monday-to-Sunday week; from 7 on its Sunday is not in the future
            mark = "days_ago + weekday"
            inside = f"{mark} >= 7 and {mark} < {7 * self.at_least + 7}"
        return f"{to.count(self.relation, [*self.conditions(), inside], mark)} = {self.at_least}"

    @property
    def words(self) -> str:
        unit = tr("周" if self.streak == "week" else "天", self.streak + "s")
        return tr(
            f"连续{self.at_least}{unit}都有{self.happening_words}",
            f"{self.happening_words} in each of the last {self.at_least} {unit}",
        )


def _steps(value: Any) -> Any:
    if not isinstance(value, list | tuple) or not 2 <= len(value) <= 5:
        raise ValueError(tr("应当是 2 到 5 步的列表", "must be a list of 2 to 5 steps"))
    return value


@operator("sequence", _FAMILY,
          "{sequence: [{event: group_join}, {event: purchase, where: {channel: groupbuy}}], within_days: 7, gap_days: 3}",
          "按先后发生，后一步严格晚于前一步；gap_days 是相邻两步最多隔几天。",
          "In this order, each step strictly later than the one before; gap_days: at most so many days between.")  # fmt: skip
class InOrder(Period, Operator):
    sequence: Annotated[tuple[Happening, ...], BeforeValidator(_steps)]
    gap_days: Days | None = None

    def named(self) -> Iterator[tuple[KeyPath, str, str]]:
        for number, step in enumerate(self.sequence):
            for place, key, value in step.named():
                yield ("sequence", number, *place), key, value

    def sql(self, to: Compiler) -> str:
        reached = ""
        for number, step in enumerate(self.sequence):
            with to.inside("sequence", number):
                flag = to.flag(step.relation, step.conditions() + self.period())
            if number == 0:
                reached = flag
                continue
            earlier = (
                f"min(case when {reached} = 1 then days_ago end) over"
                " (partition by member_id order by moment range between unbounded preceding and 1 preceding)"
            )
            near = f"{earlier} - days_ago <= {self.gap_days}" if self.gap_days else f"{earlier} is not null"
            reached = to.step(number - 1, f"case when {flag} = 1 and {near} then 1 else 0 end")
        return f"{to.trail_feature(f'max({reached})')} = 1"

    @property
    def words(self) -> str:
        steps = " → ".join(step.happening_words for step in self.sequence)
        gap = (
            tr(f"（间隔不超过{self.gap_days}天）", f" (at most {self.gap_days} days apart)")
            if self.gap_days
            else ""
        )
        return f"{self.period_words} {steps}{gap}".strip()


@operator("not_followed", _FAMILY,
          "{event: coupon_issued, not_followed_by: {event: coupon_redeemed}, in_days: 3}",
          "发生后几天之内没有另一件事；几天还没过完的不算。时间段只限定前一件事。",
          "It happened and so many days went by without the other; days that are not over do not count."
          " A period is about the first event only.")  # fmt: skip
class NotFollowed(OfEvent):
    not_followed_by: Happening
    in_days: Days

    def named(self) -> Iterator[tuple[KeyPath, str, str]]:
        yield from super().named()
        for place, key, value in self.not_followed_by.named():
            yield ("not_followed_by", *place), key, value

    def sql(self, to: Compiler) -> str:
        flag = to.flag(self.relation, self.all_conditions())
        with to.inside("not_followed_by"):
            other = to.flag(self.not_followed_by.relation, self.not_followed_by.conditions())
        later = (
            f"max(case when {other} = 1 then days_ago end) over"
            " (partition by member_id order by moment range between 1 following and unbounded following)"
        )
        alone = to.step(
            0,
            f"case when {flag} = 1 and days_ago >= {self.in_days}"
            f" and coalesce({later} < days_ago - {self.in_days}, true) then 1 else 0 end",
        )
        return f"{to.trail_feature(f'max({alone})')} = 1"

    @property
    def words(self) -> str:
        return tr(
            f"{self.event_words}后{self.in_days}天内没有{self.not_followed_by.happening_words}",
            f"{self.event_words} not followed by {self.not_followed_by.happening_words} in {self.in_days} days",
        )


@operator("first_was", _FAMILY, "{event: purchase, first_was: {channel: groupbuy}}",
          "第一次是这样的；where 和时间段决定从哪些里找第一次。按商品筛选时只看有商品明细的消费。",
          "The first one was like this; where and period say among which the first is looked for. By items, only"
          " purchases whose lines are known count.")  # fmt: skip
class FirstWas(OfEvent):
    first_was: Where

    @model_validator(mode="after")
    def _fits_too(self) -> FirstWas:
        known = EVENTS[self.event].where
        for key in self.first_was.given:
            if key not in known:
                listed = ", ".join(known)
                raise wrong(
                    tr(
                        f"事件 {self.event} 不能按 {key} 筛选，可用：{listed}",
                        f"event {self.event} has no {key}; known: {listed}",
                    ),
                    "first_was",
                    key,
                )
        return self

    def named(self) -> Iterator[tuple[KeyPath, str, str]]:
        yield from super().named()
        yield from self.first_was.named("first_was")

    def sql(self, to: Compiler) -> str:
        wanted = Happening.model_construct(event=self.event, where=self.first_was)
        relation = "lines" if "lines" in (self.relation, wanted.relation) else self.relation
        key, fits = KEYS[relation], both(self.all_conditions())
        first = to.window(
            relation,
            f"first_value({key}) over (partition by member_id"
            f" order by case when {fits} then 0 else 1 end, happened_at nulls last, {key})",
        )
        like = self.first_was.conditions(_amount(self.event))
        if not wanted.repeats:
            # of a purchase several lines may be seen: one fits, perhaps another is like this
            like.append(fits)
        found = [
            to.feature(relation, f"max(case when {key} = {first} and {condition} then 1 else 0 end)")
            for condition in dict.fromkeys((fits, both(like)))
        ]
        return " and ".join(f"{one} = 1" for one in found)

    @property
    def words(self) -> str:
        return tr("首次", "first ") + self.event_words + tr("是", " was ") + self.first_was.words


def _amount(event: str) -> str:
    return "amount_fen" if EVENTS[event].relation != "orders" else "spend_fen"


_EVENT_KINDS: dict[str, type[Operator]] = {
    "did": Did, "count": Count, "sum": Sum, "distinct": Distinct, "first": First, "last": Last, "streak": Streak,
    "not_followed_by": NotFollowed, "first_was": FirstWas,
}  # fmt: skip


def _of_event(data: Mapping[str, Any]) -> type[Operator]:
    given = [key for key in _EVENT_KINDS if key in data]
    if len(given) > 1:
        listed = ", ".join(given)
        raise wrong(
            tr(f"一个条件只能写一种，写了：{listed}", f"a condition is of one kind, given: {listed}"),
            given[1],
        )
    if not given:
        listed = ", ".join(_EVENT_KINDS)
        rest = [key for key in data if key not in ("event", "where")]
        if rest:
            raise wrong(unknown("键", "key", rest[0], tuple(_EVENT_KINDS)), str(rest[0]))
        raise wrong(tr(f"还要写一种：{listed}", f"one of these is needed: {listed}"), "event")
    return _EVENT_KINDS[given[0]]


head("event", _of_event)
head("sequence", lambda _: InOrder)
