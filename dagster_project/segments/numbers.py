"""Conditions on one column of the frame, or on two."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ValidationInfo, field_validator, model_validator

from dagster_project.lang import tr
from dagster_project.segments.base import Operator, head, operator
from dagster_project.segments.compile import Compiler
from dagster_project.segments.events import yuan
from dagster_project.segments.metrics import METRICS, Metric
from dagster_project.segments.problems import KeyPath, unknown, wrong
from dagster_project.segments.values import (
    Days,
    Factor,
    Percent,
    Text,
    Whole,
    day,
    days,
    decimal,
    exact,
    fen,
    listed,
    literal,
    literals,
    pair,
    rising,
    scalar,
    truth,
    whole,
)
from dagster_project.segments.values import operator as spelled

_FAMILY = "metrics"
_NUMBERS = ("int", "yuan", "ratio", "quantity")
# operator → kinds of metric that it fits
FITS: Mapping[str, tuple[str, ...]] = {
    "=": ("int", "yuan", "quantity", "bool", "text", "date"),
    "!=": ("int", "yuan", "quantity", "bool", "text", "date"),
    ">": _NUMBERS,
    ">=": _NUMBERS,
    "<": _NUMBERS,
    "<=": _NUMBERS,
    "between": (*_NUMBERS, "date"),
    "not_between": (*_NUMBERS, "date"),
    "in": ("int", "text"),
    "not_in": ("int", "text"),
    "known": (*_NUMBERS, "bool", "text", "date", "presence"),
    "unknown": (*_NUMBERS, "bool", "text", "date", "presence"),
    "top_percent": _NUMBERS,
    "bottom_percent": _NUMBERS,
    "top_n": _NUMBERS,
    "contains": ("text",),
    "starts_with": ("text",),
    "before": ("date",),
    "after": ("date",),
    "within_last": ("date",),
    "not_within_last": ("date",),
}
_READ: Mapping[str, Callable[[Any], Any]] = {
    "int": whole,
    "yuan": fen,
    "ratio": decimal,
    "quantity": decimal,
    "bool": truth,
    "text": scalar,
    "date": day,
}
_KINDS = {
    "int": ("整数", "whole numbers"), "yuan": ("金额", "amounts"), "ratio": ("比例", "ratios"),
    "quantity": ("数量", "quantities"), "bool": ("是否", "yes or no"), "text": ("文字", "texts"),
    "date": ("日期", "dates"), "presence": ("只看有没有的值", "values that are only known or not"),
}  # fmt: skip


def metric_name(value: Any) -> str:
    if not isinstance(value, str) or value not in METRICS:
        raise ValueError(unknown("指标", "metric", value, tuple(METRICS)))
    return value


MetricName = Annotated[str, BeforeValidator(metric_name)]


def _value(metric: Metric, value: Any) -> Any:
    """One value as the metric is stored."""
    found = _READ[metric.kind](value)
    if metric.values and found not in metric.values:
        raise ValueError(unknown("值", "value", found, metric.values))
    return found


def _sql(metric: Metric, value: Any) -> str:
    """A value as the metric's column compares with it."""
    return f"cast({value} as double)" if metric.kind == "ratio" else literal(value)


def _said(metric: Metric, value: Any) -> str:
    if metric.kind == "yuan":
        return tr(f"{yuan(value)}元", f"{yuan(value)} yuan")
    return tr("是" if value else "否", "yes" if value else "no") if isinstance(value, bool) else str(value)


class OfMetric(Operator):
    """Base of conditions on one metric."""

    metric: MetricName

    @property
    def subject(self) -> Metric:
        return METRICS[self.metric]

    @property
    def shown(self) -> tuple[str, ...]:
        return (self.metric,)


class OfOperator(OfMetric):
    """Base of conditions written as metric, op and perhaps value."""

    op: str

    @property
    def operator(self) -> str:
        return self.op

    def named(self) -> Iterator[tuple[KeyPath, str, str]]:
        if self.metric in _SHOPS and self.op in ("=", "!=", "in", "not_in"):
            for shop in listed(getattr(self, "value", ())):
                yield ("value",), "store", shop

    @field_validator("op")
    @classmethod
    def _op_fits(cls, value: str, info: ValidationInfo) -> str:
        metric = METRICS.get(info.data.get("metric", ""))
        if metric is not None and metric.kind not in FITS[value]:
            fitting = ", ".join(op for op, kinds in FITS.items() if metric.kind in kinds)
            zh, en = _KINDS[metric.kind]
            raise ValueError(
                tr(f"{zh}不能用 {value}，可用：{fitting}", f"{en} do not go with {value}; known: {fitting}")
            )
        return value

    @staticmethod
    def of(info: ValidationInfo) -> Metric | None:
        """The metric, None when it or the operator was wrong already."""
        return METRICS.get(info.data.get("metric", "")) if "op" in info.data else None


# metrics whose value is the code of a shop
_SHOPS = ("home_store_code",)
_WORDS = {"=": ("是", "is"), "!=": ("不是", "is not"), ">": ("超过", "above"), ">=": ("至少", "at least"),
          "<": ("少于", "below"), "<=": ("至多", "at most")}  # fmt: skip


@operator("=", _FAMILY, '{metric: is_potential_group_buyer, op: "=", value: true}',
          "等于。金额写元。", "Equal. Amounts are in yuan.")  # fmt: skip
@operator("!=", _FAMILY, '{metric: tier, op: "!=", value: active}',
          "不等于；值不知道的不算。", "Not equal; an unknown value does not count.")  # fmt: skip
@operator(">", _FAMILY, '{metric: spend_30d, op: ">", value: 500}', "大于。", "Above.")
@operator(
    ">=", _FAMILY, '{metric: days_since_purchase, op: ">=", value: 7}', "大于或等于。", "Above or equal."
)
@operator("<", _FAMILY, '{metric: orders_90d, op: "<", value: 3}', "小于。", "Below.")
@operator("<=", _FAMILY, '{metric: rfm_r, op: "<=", value: 2}', "小于或等于。", "Below or equal.")
class Comparison(OfOperator):
    op: Literal["=", "!=", ">", ">=", "<", "<="]
    value: Any

    @field_validator("value", mode="before")
    @classmethod
    def _typed(cls, value: Any, info: ValidationInfo) -> Any:
        metric = cls.of(info)
        return value if metric is None else _value(metric, value)

    def sql(self, to: Compiler) -> str:
        column = to.metric(self.subject)
        return f"coalesce({column} {spelled(self.op)} {_sql(self.subject, self.value)}, false)"

    @property
    def words(self) -> str:
        if self.subject.kind == "bool":
            return tr(
                ("是" if self.value == (self.op == "=") else "不是") + self.subject.zh,
                ("" if self.value == (self.op == "=") else "not ") + self.subject.en,
            )
        return f"{self.subject.words} {tr(*_WORDS[self.op])} {_said(self.subject, self.value)}"


@operator("between", _FAMILY, "{metric: days_since_purchase, op: between, value: [7, 14]}",
          "在两个值之间，两头都算。", "Between two values, both included.")  # fmt: skip
@operator("not_between", _FAMILY, "{metric: spend_90d, op: not_between, value: [100, 500]}",
          "不在两个值之间；值不知道的不算。", "Not between two values; an unknown value does not count.")  # fmt: skip
class Between(OfOperator):
    op: Literal["between", "not_between"]
    value: Any

    @field_validator("value", mode="before")
    @classmethod
    def _typed(cls, value: Any, info: ValidationInfo) -> Any:
        metric = cls.of(info)
        if metric is None:
            return value
        low, high = (_value(metric, part) for part in pair(value))
        rising(low, high)
        return low, high

    def sql(self, to: Compiler) -> str:
        column = to.metric(self.subject)
        low, high = (_sql(self.subject, part) for part in self.value)
        word = "between" if self.op == "between" else "not between"
        return f"coalesce({column} {word} {low} and {high}, false)"

    @property
    def words(self) -> str:
        low, high = (_said(self.subject, part) for part in self.value)
        word = tr(
            "在" if self.op == "between" else "不在", "between" if self.op == "between" else "not between"
        )
        return f"{self.subject.words} {word} {low}–{high}"


@operator("in", _FAMILY, "{metric: tier, op: in, value: [L1, L2]}", "是列出的值之一。", "One of the values.")
@operator("not_in", _FAMILY, "{metric: home_store_code, op: not_in, value: [S01, S02]}",
          "不是列出的任何一个；值不知道的不算。", "None of the values; an unknown value does not count.")  # fmt: skip
class Among(OfOperator):
    op: Literal["in", "not_in"]
    value: Any

    @field_validator("value", mode="before")
    @classmethod
    def _typed(cls, value: Any, info: ValidationInfo) -> Any:
        metric = cls.of(info)
        return value if metric is None else tuple(_value(metric, part) for part in listed(value))

    def sql(self, to: Compiler) -> str:
        word = "in" if self.op == "in" else "not in"
        return f"coalesce({to.metric(self.subject)} {word} ({literals(self.value)}), false)"

    @property
    def words(self) -> str:
        word = tr("是" if self.op == "in" else "不是", "in" if self.op == "in" else "not in")
        return f"{self.subject.words} {word} {'/'.join(map(str, self.value))}"


@operator("known", _FAMILY, "{metric: home_store_code, op: known}", "有这个值。", "The value is known.")
@operator(
    "unknown", _FAMILY, "{metric: joined_group_on, op: unknown}", "没有这个值。", "The value is not known."
)
class Known(OfOperator):
    op: Literal["known", "unknown"]

    def sql(self, to: Compiler) -> str:
        return f"{to.metric(self.subject)} is {'not ' if self.op == 'known' else ''}null"

    @property
    def words(self) -> str:
        return tr("有" if self.op == "known" else "没有", f"{self.op}: ") + self.subject.words


@operator("top_percent", _FAMILY, "{metric: spend_90d, op: top_percent, value: 10}",
          "在有这个值的会员里排前百分之几；并列的一起进。",
          "Among the highest so many percent of members with a value; ties are in together.")  # fmt: skip
@operator("bottom_percent", _FAMILY, "{metric: spend_90d, op: bottom_percent, value: 25}",
          "在有这个值的会员里排后百分之几；并列的一起进。",
          "Among the lowest so many percent of members with a value; ties are in together.")  # fmt: skip
class Percentile(OfOperator):
    op: Literal["top_percent", "bottom_percent"]
    value: Percent

    def sql(self, to: Compiler) -> str:
        column, best = to.metric(self.subject), self.op == "top_percent"
        ranked = (
            f"select {column} as worth, rank() over (order by {column}{' desc' if best else ''}) as place,"
            f" count(*) over () as known from features where {column} is not null"
        )
        edge = f"select {'min' if best else 'max'}(worth) as hit from ({ranked}) as ranked"
        name = to.limit(f"{edge} where (place - 1) * 100000 < {self.value} * known", "1 = 1")
        return f"coalesce({column} {'>=' if best else '<='} hit_{name}, false)"

    @property
    def words(self) -> str:
        share = f"{Decimal(self.value) / 1000:f}%"
        best = self.op == "top_percent"
        return f"{self.subject.words} {tr('前' if best else '后', 'top ' if best else 'bottom ')}{share}"


@operator("top_n", _FAMILY, "{metric: orders_90d, op: top_n, value: 1000}",
          "值最大的几位会员，正好这么多；并列时按会员号。",
          "The so many members with the highest value, exactly; ties go by member id.")  # fmt: skip
class TopN(OfOperator):
    op: Literal["top_n"]
    value: Whole

    @field_validator("value")
    @classmethod
    def _some(cls, value: int) -> int:
        if not 1 <= value <= 10_000_000:
            raise ValueError(tr("应当在 1 到 1000 万之间", "must be 1 to 10 million"))
        return value

    def sql(self, to: Compiler) -> str:
        column = to.metric(self.subject)
        ranked = (
            f"select member_id, row_number() over (order by {column} desc, member_id) as place"
            f" from features where {column} is not null"
        )
        name = to.limit(
            f"select member_id, 1 as hit from ({ranked}) as ranked where place <= {self.value}",
            "features.member_id = {name}.member_id",
        )
        return f"hit_{name} is not null"

    @property
    def words(self) -> str:
        return tr(
            f"{self.subject.words} 最高的{self.value}位", f"the {self.value} with most {self.subject.words}"
        )


@operator("contains", _FAMILY, "{metric: usual_item, op: contains, value: 蛋}",
          "文字里有这几个字，区分大小写。", "The text contains this, case-sensitive.")  # fmt: skip
@operator("starts_with", _FAMILY, "{metric: home_store_code, op: starts_with, value: S0}",
          "文字以此开头，区分大小写。", "The text starts with this, case-sensitive.")  # fmt: skip
class TextMatch(OfOperator):
    op: Literal["contains", "starts_with"]
    value: Text

    def sql(self, to: Compiler) -> str:
        place = f"position({literal(self.value)} in {to.metric(self.subject)})"
        return f"coalesce({place} {'> 0' if self.op == 'contains' else '= 1'}, false)"

    @property
    def words(self) -> str:
        word = tr("含" if self.op == "contains" else "开头是", self.op.replace("_", " "))
        return f"{self.subject.words} {word} {self.value}"


@operator("before", _FAMILY, "{metric: first_purchase_on, op: before, value: 2026-10-01}",
          "早于某一天，当天不算。", "Before a day, that day excluded.")  # fmt: skip
@operator("after", _FAMILY, "{metric: joined_group_on, op: after, value: 2026-10-01}",
          "晚于某一天，当天不算。", "After a day, that day excluded.")  # fmt: skip
class DateSide(OfOperator):
    op: Literal["before", "after"]
    value: Annotated[date, BeforeValidator(day)]

    def sql(self, to: Compiler) -> str:
        sign = "<" if self.op == "before" else ">"
        return f"coalesce({to.metric(self.subject)} {sign} {literal(self.value)}, false)"

    @property
    def words(self) -> str:
        return f"{self.subject.words} {tr('早于' if self.op == 'before' else '晚于', self.op)} {self.value}"


@operator("within_last", _FAMILY, "{metric: joined_group_on, op: within_last, value: 7}",
          "在最近几天之内，当天是第一天。", "Within the last so many days, the night itself is the first.")  # fmt: skip
@operator("not_within_last", _FAMILY, "{metric: last_purchase_on, op: not_within_last, value: 30}",
          "日期知道，但不在最近几天之内。", "A known date that is not within the last so many days.")  # fmt: skip
class Recent(OfOperator):
    op: Literal["within_last", "not_within_last"]
    value: Annotated[int, BeforeValidator(days)]

    def sql(self, to: Compiler) -> str:
        ago = to.ago(self.subject)
        inside = f"{ago} >= 0 and {ago} < {self.value}"
        return f"coalesce({inside if self.op == 'within_last' else f'not ({inside})'}, false)"

    @property
    def words(self) -> str:
        word = tr("在" if self.op == "within_last" else "不在", "" if self.op == "within_last" else "not ")
        return f"{self.subject.words} {word}" + tr(f"近{self.value}天", f"in the last {self.value} days")


Sign = Literal[">=", "<=", ">", "<", "=", "!="]


@operator("ratio", _FAMILY, '{ratio: groupbuy_spend_30d, to: spend_30d, op: ">=", value: 0.5}',
          "一个指标除以另一个；分母是 0 或不知道时不算。",
          "One metric divided by another; false when the other is 0 or unknown.")  # fmt: skip
class Ratio(Operator):
    ratio: MetricName
    to: MetricName
    op: Sign
    value: Factor

    @model_validator(mode="after")
    def _same_unit(self) -> Ratio:
        left, right = METRICS[self.ratio], METRICS[self.to]
        for name, metric in (("ratio", left), ("to", right)):
            if metric.kind not in ("int", "yuan", "quantity"):
                zh, en = _KINDS[metric.kind]
                raise wrong(tr(f"{zh}不能相除", f"{en} cannot be divided"), name)
        if left.kind != right.kind:
            raise wrong(
                tr(
                    f"单位不同，不能相除：{left.words}、{right.words}",
                    f"different units: {left.words}, {right.words}",
                ),
                "to",
            )
        return self

    def sql(self, to: Compiler) -> str:
        above, below = to.metric(METRICS[self.ratio]), to.metric(METRICS[self.to])
        # a quantity has three decimals, all else none
        wide = "decimal(38, 3)" if METRICS[self.to].kind == "quantity" else "decimal(38, 0)"
        left, right = f"cast({above} as {wide}) * 1000", f"cast({below} as {wide}) * {self.value}"
        return f"coalesce({below} > 0 and {left} {spelled(self.op)} {right}, false)"

    @property
    def words(self) -> str:
        share = f"{Decimal(self.value) / 1000:f}"
        return f"{METRICS[self.ratio].words} ÷ {METRICS[self.to].words} {self.op} {share}"

    @property
    def shown(self) -> tuple[str, ...]:
        return (self.ratio, self.to)


@operator("own_normal", _FAMILY, '{metric: spend_30d, op: "<", times: 0.5, own_normal: 180}',
          "和本人平时比：指标的时间窗与之前若干天的平均水平之比；之前没有消费的不算。",
          "Against the member's own normal: the metric's window and the days before it, scaled by length;"
          " false without purchases before.")  # fmt: skip
class OwnNormal(OfMetric):
    op: Sign
    times: Factor
    own_normal: Days

    @field_validator("metric")
    @classmethod
    def _has_a_window(cls, value: str) -> str:
        if METRICS[value].window is None:
            fitting = ", ".join(name for name, metric in METRICS.items() if metric.window)
            raise ValueError(
                tr(f"{value} 没有时间窗，可用：{fitting}", f"{value} has no window; known: {fitting}")
            )
        return value

    def sql(self, to: Compiler) -> str:
        window = self.subject.window
        assert window is not None
        conditions = [f"days_ago >= {window.days}", f"days_ago < {window.days + self.own_normal}"]
        conditions += [f"channel = '{window.channel}'"] if window.channel else []
        usual = (
            to.total("orders", conditions, "spend_fen") if window.is_sum else to.count("orders", conditions)
        )
        now = to.metric(self.subject)
        left = f"{exact(now)} * {self.own_normal * 1000}"
        right = f"{exact(usual)} * {self.times * window.days}"
        return f"coalesce({usual} > 0 and {left} {spelled(self.op)} {right}, false)"

    @property
    def words(self) -> str:
        times = f"{Decimal(self.times) / 1000:f}"
        return tr(
            f"{self.subject.words} {self.op} 本人之前{self.own_normal}天水平的 {times} 倍",
            f"{self.subject.words} {self.op} {times} × own level of the {self.own_normal} days before",
        )


@operator("shop_normal", _FAMILY, '{metric: spend_90d, op: ">", times: 1.5, shop_normal: true}',
          "和归属门店的中位数比；没有归属门店、值不知道或中位数为 0 的不算。",
          "Against the median of the home shop; false without a home shop, a value, or a median above 0.")  # fmt: skip
class ShopNormal(OfMetric):
    op: Sign
    times: Factor
    shop_normal: Literal["true", True]

    @field_validator("metric")
    @classmethod
    def _exact(cls, value: str) -> str:
        if METRICS[value].kind not in ("int", "yuan"):
            zh, en = _KINDS[METRICS[value].kind]
            raise ValueError(tr(f"{zh}不能与门店的中位数比", f"{en} have no exact median"))
        return value

    def sql(self, to: Compiler) -> str:
        column, shop = to.metric(self.subject), to.member_field("home_store_code")
        placed = (
            f"select {shop} as shop, {column} as worth,"
            f" row_number() over (partition by {shop} order by {column}, member_id) as place,"
            f" count(*) over (partition by {shop}) as known"
            f" from features where {column} is not null and {shop} is not null"
        )
        # twice the median: the middle value counted twice, or the two in the middle once each
        name = to.limit(
            "select shop, sum(case when 2 * place = known + 1 then 2 * worth else worth end) as hit"
            f" from ({placed}) as placed where 2 * place between known and known + 2 group by shop",
            f"features.{shop} = {{name}}.shop",
        )
        left = f"{exact(column)} * 2000"
        right = f"{exact(f'hit_{name}')} * {self.times}"
        return f"coalesce(hit_{name} > 0 and {left} {spelled(self.op)} {right}, false)"

    @property
    def words(self) -> str:
        times = f"{Decimal(self.times) / 1000:f}"
        return tr(
            f"{self.subject.words} {self.op} 归属门店中位数的 {times} 倍",
            f"{self.subject.words} {self.op} {times} × the home shop's median",
        )


_BY_OP: dict[str, type[Operator]] = {
    **dict.fromkeys(("=", "!=", ">", ">=", "<", "<="), Comparison),
    **dict.fromkeys(("between", "not_between"), Between),
    **dict.fromkeys(("in", "not_in"), Among),
    **dict.fromkeys(("known", "unknown"), Known),
    **dict.fromkeys(("top_percent", "bottom_percent"), Percentile),
    "top_n": TopN,
    **dict.fromkeys(("contains", "starts_with"), TextMatch),
    **dict.fromkeys(("before", "after"), DateSide),
    **dict.fromkeys(("within_last", "not_within_last"), Recent),
}


def _of_metric(data: Mapping[str, Any]) -> type[Operator]:
    if "own_normal" in data:
        return OwnNormal
    if "shop_normal" in data:
        return ShopNormal
    op = data.get("op")
    if not isinstance(op, str) or op not in _BY_OP:
        if op is None:
            raise wrong(tr("缺少 op", "op is missing"), "op")
        raise wrong(unknown("运算", "operator", op, tuple(_BY_OP)), "op")
    return _BY_OP[op]


head("metric", _of_metric)
head("ratio", lambda _: Ratio)
