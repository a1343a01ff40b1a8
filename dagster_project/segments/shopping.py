"""Conditions on baskets, places, tags, other segments and chance."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from dagster_project.lang import tr
from dagster_project.segments.base import Operator, head, operator
from dagster_project.segments.compile import Compiler, both
from dagster_project.segments.events import Period, Where, yuan
from dagster_project.segments.problems import KeyPath, unknown, wrong
from dagster_project.segments.refused import check_words
from dagster_project.segments.values import (
    Compared,
    Counted,
    Days,
    Factor,
    Listed,
    Share,
    Text,
    fen,
    listed,
    literal,
    literals,
    scalar,
    whole,
)
from dagster_project.segments.values import operator as spelled

_BY = {"item": "item_name", "sku": "sku", "category": "category", "category_l1": "category_l1"}
_SALT = re.compile(r"[a-z0-9_]{1,64}")
Sign = Literal[">=", "<=", ">", "<", "=", "!="]


class Contents(BaseModel):
    """What is in a basket: all of, any of, none of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    all_: Listed | None = Field(default=None, alias="all")
    any_: Listed | None = Field(default=None, alias="any")
    none: Listed | None = None

    @model_validator(mode="before")
    @classmethod
    def _something(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not data:
            raise ValueError(tr("应当写 all、any 或 none", "all, any or none is needed"))
        for key, value in data.items():
            if key not in ("all", "any", "none"):
                raise wrong(unknown("键", "key", key, ("all", "any", "none")), str(key))
            if value is None:
                raise wrong(tr("缺少值", "the value is missing"), key)
        return data


@operator("basket", "shopping",
          '{basket: {all: [肋排], any: [生姜, 香菜], none: [酒水]}, by: item, min_total: 50, size: ">= 5",'
          ' count: ">= 1", within_days: 30}',
          "一次消费里买了什么：all 都有，any 至少一种，none 都没有；by 按 item、sku、category 或 category_l1；"
          "min_total 是这次消费至少几元，size 是有几种商品，count 是这样的消费有几次（默认至少一次）。",
          "What is in one purchase: all of, any of, none of; by item, sku, category or category_l1; min_total: its"
          " amount in yuan; size: different items; count: how many such purchases (at least one unless said).")  # fmt: skip
class Basket(Period, Operator):
    basket: Contents
    by: Literal["item", "sku", "category", "category_l1"] = "item"
    where: Where | None = None
    min_total: Annotated[int, BeforeValidator(fen)] | None = None
    size: Counted | None = None
    count: Counted = Field(default=Compared(">=", 1))

    @field_validator("where")
    @classmethod
    def _of_the_purchase(cls, value: Where | None) -> Where | None:
        fitting = ("channel", "store", "hour", "weekday", "leader", "amount")
        for key in value.given if value else ():
            if key not in fitting:
                known = ", ".join(fitting)
                raise wrong(tr(f"这里只能按消费筛选，可用：{known}", f"known here: {known}"), key)
        return value

    def named(self) -> Iterator[tuple[KeyPath, str, str]]:
        for key, values in (("all", self.basket.all_), ("any", self.basket.any_), ("none", self.basket.none)):
            for value in values or ():
                yield ("basket", key), self.by, value
        yield from self.where.named("where") if self.where else ()

    def sql(self, to: Compiler) -> str:
        column, inside = _BY[self.by], self.basket
        conditions = self.period() + (self.where.conditions("spend_fen") if self.where else [])
        if inside.all_:
            seen = to.basket(
                f"count(distinct case when {column} in ({literals(inside.all_)}) then {column} end)"
            )
            conditions.append(f"{seen} = {len(inside.all_)}")
        for values, wanted in ((inside.any_, 1), (inside.none, 0)):
            if values:
                some = to.basket(f"max(case when {column} in ({literals(values)}) then 1 else 0 end)")
                conditions.append(f"{some} = {wanted}")
        if self.size is not None:
            conditions.append(f"{to.basket('count(distinct item_name)')} {self.size.sql}")
        if self.min_total is not None:
            conditions.append(f"spend_fen >= {self.min_total}")
        return f"{to.count('baskets', conditions)} {self.count.sql}"

    @property
    def words(self) -> str:
        inside = self.basket
        parts = [
            f"{tr(zh, en)}{'/'.join(values)}"
            for zh, en, values in (
                ("都有", "all of ", inside.all_), ("有", "any of ", inside.any_), ("没有", "none of ", inside.none),
            )
            if values
        ]  # fmt: skip
        if self.size:
            parts.append(tr("商品种数", "items") + f" {self.size.op} {self.size.value}")
        if self.min_total is not None:
            parts.append(tr(f"至少{yuan(self.min_total)}元", f"at least {yuan(self.min_total)} yuan"))
        if self.where:
            parts.append(self.where.words)
        told = tr("，", ", ").join(parts)
        times = f"{self.count.op} {self.count.value}"
        return tr(
            f"{self.period_words}一篮子（{told}）{times} 次", f"{self.period_words} baskets ({told}) {times}"
        ).strip()


class OfLines(Operator):
    """Base of conditions whose head narrows down lines."""

    @staticmethod
    def check(value: Where) -> Where:
        fitting = ("channel", "store", "hour", "weekday", "amount", "leader", "category", "category_l1", "item", "sku", "discounted")  # fmt: skip
        for key in value.given:
            if key not in fitting:
                known = ", ".join(fitting)
                raise wrong(
                    tr(f"商品行不能按 {key} 筛选，可用：{known}", f"lines have no {key}; known: {known}"), key
                )
        return value


_OF = {"spend": "amount_fen", "items": "qty"}


@operator("share", "shopping", '{share: {category_l1: 蔬菜}, of: spend, within_days: 90, op: ">=", value: 0.4}',
          "这样的商品占多少：of 是 spend（金额）、items（数量）或 orders（消费次数）；没买过东西的不算。",
          "What share such lines are of all: of spend, items or orders; false without any purchase.")  # fmt: skip
class ShareOfLines(Period, OfLines):
    share: Where
    of: Literal["spend", "items", "orders"] = "spend"
    op: Sign
    value: Share

    @field_validator("share")
    @classmethod
    def _lines(cls, value: Where) -> Where:
        return cls.check(value)

    def named(self) -> Iterator[tuple[KeyPath, str, str]]:
        yield from self.share.named("share")

    def sql(self, to: Compiler) -> str:
        like = self.share.conditions("amount_fen")
        if self.of == "orders":
            part = to.count("lines", [*like, *self.period()], "order_key")
            whole_ = to.count("lines", self.period(), "order_key")
        else:
            part = to.total("lines", [*like, *self.period()], _OF[self.of])
            whole_ = to.total("lines", self.period(), _OF[self.of])
        wide = "decimal(38, 3)" if self.of == "items" else "decimal(38, 0)"
        left, right = f"cast({part} as {wide}) * 1000", f"cast({whole_} as {wide}) * {self.value}"
        return f"({whole_} > 0 and {left} {spelled(self.op)} {right})"

    @property
    def words(self) -> str:
        share = f"{Decimal(self.value) / 10:f}%"
        what = {"spend": ("金额", "spend"), "items": ("数量", "items"), "orders": ("次数", "orders")}[self.of]
        return tr(
            f"{self.period_words}{self.share.words} 占{what[0]} {self.op} {share}",
            f"{self.period_words} share of {what[1]} in {self.share.words} {self.op} {share}".strip(),
        )


@operator("never_bought", "shopping", "{never_bought: {category: 熟食}}",
          "买过东西，但从没买过这种。", "Bought something, but never this.")  # fmt: skip
class NeverBought(OfLines):
    never_bought: Where

    @field_validator("never_bought")
    @classmethod
    def _lines(cls, value: Where) -> Where:
        return cls.check(value)

    def named(self) -> Iterator[tuple[KeyPath, str, str]]:
        yield from self.never_bought.named("never_bought")

    def sql(self, to: Compiler) -> str:
        these = to.count("lines", self.never_bought.conditions("amount_fen"))
        return f"{these} = 0 and {to.count('orders', [])} > 0"

    @property
    def words(self) -> str:
        return tr("从未买过 ", "never bought ") + self.never_bought.words


@operator("overdue", "shopping", "{overdue: purchase, times: 1.5}",
          "距上次的天数至少是本人平时间隔的几倍；overdue: item 时看某一种商品：{overdue: item, item: 有机蛋, times: 1.2}。",
          "Days since the last time are at least so many times the member's usual gap; overdue: item looks at one"
          " item: {overdue: item, item: 有机蛋, times: 1.2}.")  # fmt: skip
class Overdue(Operator):
    overdue: Literal["purchase", "item"]
    item: Text | None = None
    times: Factor

    @model_validator(mode="after")
    def _names_an_item(self) -> Overdue:
        if (self.overdue == "item") != (self.item is not None):
            raise wrong(
                tr(
                    "overdue: item 时必须写 item，其他情况不写",
                    "item goes with overdue: item, and only there",
                ),
                "item",
            )
        return self

    def named(self) -> Iterator[tuple[KeyPath, str, str]]:
        if self.item is not None:
            yield ("item",), "item", self.item

    def sql(self, to: Compiler) -> str:
        if self.item is None:
            gap, days = to.member_field("gap_days"), to.member_field("days_since_purchase")
            return f"coalesce({gap} > 0 and {days} * 1000 >= {self.times} * {gap}, false)"
        late = f"item_name = {literal(self.item)} and gap_days > 0 and days_ago * 1000 >= {self.times} * gap_days"
        return f"{to.count('usual_items', [late])} > 0"

    @property
    def words(self) -> str:
        times = f"{Decimal(self.times) / 1000:f}"
        what = self.item or tr("消费", "purchase")
        return tr(f"{what}已超过平时间隔的 {times} 倍", f"{what} overdue {times} times the usual gap")


_AS = ("home", "bought_at", "only_at", "pickup")


@operator("shop", "places", "{shop: [S01, S02], as: home}",
          "门店：home 归属，bought_at 在这里买过，only_at 只在这里买，pickup 在这些自提点；后三种可加时间段（pickup 除外）。",
          "Shops: home, bought_at, only_at, or pickup (pick-up sites); bought_at and only_at take a period.")  # fmt: skip
class Shop(Period, Operator):
    shop: Listed
    as_: Literal["home", "bought_at", "only_at", "pickup"] = Field(default="home", alias="as")

    @model_validator(mode="after")
    def _period_fits(self) -> Shop:
        if self.as_ in ("home", "pickup") and self.period():
            raise wrong(tr(f"as: {self.as_} 没有时间段", f"as: {self.as_} takes no period"), "as")
        return self

    def named(self) -> Iterator[tuple[KeyPath, str, str]]:
        for shop in self.shop if self.as_ != "pickup" else ():
            yield ("shop",), "store", shop

    def sql(self, to: Compiler) -> str:
        shops = literals(self.shop)
        if self.as_ in ("home", "pickup"):
            column = to.member_field("home_store_code" if self.as_ == "home" else "pickup_site")
            return f"coalesce({column} in ({shops}), false)"
        here = to.count("orders", [f"store_code in ({shops})", *self.period()])
        if self.as_ == "bought_at":
            return f"{here} > 0"
        elsewhere = to.count("orders", [f"coalesce(store_code, '') not in ({shops})", *self.period()])
        return f"{here} > 0 and {elsewhere} = 0"

    @property
    def words(self) -> str:
        told = {"home": ("归属门店", "home shop"), "bought_at": ("买过的门店", "bought at"),
                "only_at": ("只在门店", "bought only at"), "pickup": ("自提点", "pick-up site")}[self.as_]  # fmt: skip
        return f"{self.period_words}{tr(*told)} {'/'.join(self.shop)}"


@operator("near", "places", "{near: home_shop, km: 1}",
          "住处离门店不超过几公里：home_shop 归属门店，any_shop 任何门店，pickup 自提点，或门店编号。位置不知道的不算。",
          "Lives at most so many km from home_shop, any_shop, pickup, or a shop by its code; false when unknown.")  # fmt: skip
class Near(Operator):
    near: Text
    km: Factor

    @property
    def is_any_shop(self) -> bool:
        """Asks how far shops are that need not be the member's own."""
        return self.near not in ("home_shop", "pickup")

    def named(self) -> Iterator[tuple[KeyPath, str, str]]:
        if self.near not in ("home_shop", "pickup", "any_shop"):
            yield ("near",), "store", self.near

    def sql(self, to: Compiler) -> str:
        edge = f"cast({Decimal(self.km) / 1000:f} as double)"
        if not self.is_any_shop:
            column = to.member_field("home_distance_km" if self.near == "home_shop" else "pickup_distance_km")
            return f"coalesce({column} <= {edge}, false)"
        conditions = [] if self.near == "any_shop" else [f"store_code = {literal(self.near)}"]
        return f"{to.count('places', [*conditions, f'distance_km <= {edge}'])} > 0"

    @property
    def words(self) -> str:
        places = {"home_shop": ("归属门店", "the home shop"), "any_shop": ("任何门店", "any shop"), "pickup": ("自提点", "the pick-up site")}  # fmt: skip
        place = tr(*places[self.near]) if self.near in places else self.near
        km = f"{Decimal(self.km) / 1000:f}"
        return tr(f"离{place}不超过{km}公里", f"within {km} km of {place}")


def _tag(value: Any) -> str:
    text = scalar(value)
    check_words(text, tr("标签", "tag"))
    return text


# also a tag that staff set: who is chosen by it would be told of it
TagName = Annotated[str, BeforeValidator(_tag)]


class OfTag(Operator):
    """Base of conditions on a tag."""

    def tagged(self, to: Compiler, name: str, *conditions: str) -> str:
        return f"{to.count('tags', [f'tag = {literal(name)}', *conditions])} > 0"

    def either(self, to: Compiler, name: str) -> str:
        """By the chain's own rule where there is one; by staff where such tags are known."""
        own = to.tag(name)
        if own is not None and "tags" not in to.schema.relations:
            return own
        return f"({own}) or {self.tagged(to, name)}" if own is not None else self.tagged(to, name)


@operator("tag", "tags", "{tag: 价格敏感}", "有这个标签，规则打的或员工在企微里打的。",
          "Has the tag, by a rule or by staff in WeCom.")  # fmt: skip
class Tag(OfTag):
    tag: TagName

    def named(self) -> Iterator[tuple[KeyPath, str, str]]:
        yield ("tag",), "tag", self.tag

    def sql(self, to: Compiler) -> str:
        return self.either(to, self.tag)

    @property
    def words(self) -> str:
        return tr(f"标签 {self.tag}", f"tag {self.tag}")


@operator("no_tag", "tags", "{no_tag: 价格敏感}", "没有这个标签。", "Does not have the tag.")
class NoTag(OfTag):
    no_tag: TagName

    def named(self) -> Iterator[tuple[KeyPath, str, str]]:
        yield ("no_tag",), "tag", self.no_tag

    def sql(self, to: Compiler) -> str:
        return f"not ({self.either(to, self.no_tag)})"

    @property
    def words(self) -> str:
        return tr(f"没有标签 {self.no_tag}", f"no tag {self.no_tag}")


@operator(
    "tag_by",
    "tags",
    "{tag: VIP, by: csh1_S01}",
    "某位员工在企微里打的标签。",
    "A tag that this staff member set in WeCom.",
)
class TagBy(OfTag):
    tag: TagName
    by: Text

    def sql(self, to: Compiler) -> str:
        return self.tagged(to, self.tag, f"author = {literal(self.by)}")

    @property
    def words(self) -> str:
        return tr(f"{self.by} 打的标签 {self.tag}", f"tag {self.tag} by {self.by}")


@operator("tag_within", "tags", "{tag: VIP, within_days: 14}",
          "最近几天打的标签；不知道哪天打的不算。可加 by。",
          "A tag set in the last days; false when the day is unknown. May have by.")  # fmt: skip
class TagWithin(OfTag):
    tag: TagName
    by: Text | None = None
    within_days: Days

    def sql(self, to: Compiler) -> str:
        author = [f"author = {literal(self.by)}"] if self.by else []
        return self.tagged(to, self.tag, f"days_ago < {self.within_days}", *author)

    @property
    def words(self) -> str:
        author = tr(f"（{self.by}）", f" by {self.by}") if self.by else ""
        return (
            tr(f"近{self.within_days}天打的标签 {self.tag}", f"tag {self.tag} set in {self.within_days} days")
            + author
        )


class OfSegments(Operator):
    """Base of conditions on other segments."""


@operator("segment", "segments", "{segment: vip}", "在另一个人群里。", "In another segment.")
class InSegment(OfSegments):
    segment: Text

    def named(self) -> Iterator[tuple[KeyPath, str, str]]:
        yield ("segment",), "segment", self.segment

    def sql(self, to: Compiler) -> str:
        return to.segment(self.segment)

    @property
    def words(self) -> str:
        return tr(f"在人群 {self.segment}", f"in segment {self.segment}")


@operator("no_segment", "segments", "{no_segment: vip}", "不在另一个人群里。", "Not in another segment.")
class NotInSegment(OfSegments):
    no_segment: Text

    def named(self) -> Iterator[tuple[KeyPath, str, str]]:
        yield ("no_segment",), "segment", self.no_segment

    def sql(self, to: Compiler) -> str:
        return f"not {to.segment(self.no_segment)}"

    @property
    def words(self) -> str:
        return tr(f"不在人群 {self.no_segment}", f"not in segment {self.no_segment}")


def _some(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(tr("应当是列表（每项一行，以 - 开头）", "must be a list"))
    return listed(value)


@operator(
    "any_of",
    "segments",
    "{segments: any_of, list: [vip, regulars]}",
    "在其中任何一个人群里。",
    "In any of the segments.",
)
@operator(
    "all_of",
    "segments",
    "{segments: all_of, list: [vip, regulars]}",
    "同时在这些人群里。",
    "In all of the segments.",
)
@operator("except", "segments", "{segments: except, list: [vip, regulars]}", "在第一个人群里，但不在其余任何一个里。",
          "In the first segment and in none of the rest.")  # fmt: skip
class Segments(OfSegments):
    segments: Literal["any_of", "all_of", "except"]
    list_: Annotated[tuple[str, ...], BeforeValidator(_some)] = Field(alias="list")

    @property
    def operator(self) -> str:
        return self.segments

    def named(self) -> Iterator[tuple[KeyPath, str, str]]:
        for number, name in enumerate(self.list_):
            yield ("list", number), "segment", name

    def sql(self, to: Compiler) -> str:
        first, *rest = (to.segment(name) for name in self.list_)
        if self.segments == "except":
            return both([first, *(f"not {other}" for other in rest)])
        return (" or " if self.segments == "any_of" else " and ").join([first, *rest])

    @property
    def words(self) -> str:
        told = {"any_of": ("任一人群", "any segment of"), "all_of": ("同时在人群", "all segments of"), "except": ("人群（除去后面的）", "segment except the rest")}  # fmt: skip
        return f"{tr(*told[self.segments])} {'/'.join(self.list_)}"


@operator("bucket", "segments", "{bucket: spring26, from: 0, to: 10}",
          "按会员号固定抽样：0 到 100 之间的一段，包括 from，不包括 to；同一个名字每晚抽到同一批人。",
          "A fixed sample by member id: percents from (included) to (excluded); one name gives the same people every night.")  # fmt: skip
class Bucket(Operator):
    bucket: str
    from_: Annotated[int, BeforeValidator(whole)] = Field(alias="from")
    to: Annotated[int, BeforeValidator(whole)]

    @field_validator("bucket", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if not isinstance(value, str) or not _SALT.fullmatch(value):
            raise ValueError(tr("只能用小写字母、数字、下划线", "lower case, digits and _ only"))
        return value

    @model_validator(mode="after")
    def _a_stretch(self) -> Bucket:
        if not 0 <= self.from_ < self.to <= 100:
            raise wrong(tr("应当 0 ≤ from < to ≤ 100", "must be 0 ≤ from < to ≤ 100"), "from")
        return self

    def sql(self, to: Compiler) -> str:
        column = to.bucket(self.bucket)
        return f"{column} >= {self.from_} and {column} < {self.to}"

    @property
    def words(self) -> str:
        return tr(
            f"抽样 {self.bucket} {self.from_}–{self.to}%", f"sample {self.bucket} {self.from_}–{self.to}%"
        )


def _of_tag(data: Any) -> type[Operator]:
    if "within_days" in data:
        return TagWithin
    return TagBy if "by" in data else Tag


def _always(model: type[Operator]) -> Callable[[Any], type[Operator]]:
    return lambda _: model


for _key, _model in (
    ("basket", Basket), ("share", ShareOfLines), ("never_bought", NeverBought), ("overdue", Overdue), ("shop", Shop),
    ("near", Near), ("no_tag", NoTag), ("segment", InSegment), ("no_segment", NotInSegment), ("segments", Segments),
    ("bucket", Bucket),
):  # fmt: skip
    head(_key, _always(_model))
head("tag", _of_tag)
