"""all, any, none, not, at_least: conditions made of conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from dagster_project.lang import tr
from dagster_project.segments.base import Condition, Operator, head, operator
from dagster_project.segments.compile import Compiler
from dagster_project.segments.problems import KeyPath, wrong
from dagster_project.segments.values import Whole

_FAMILY = "groups"


def _list(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise ValueError(tr("应当是列表（每项一行，以 - 开头）", "must be a list"))
    if not value:
        raise ValueError(tr("至少要有一个条件", "at least one condition is needed"))
    return value


Conditions = Annotated[tuple[Condition, ...], BeforeValidator(_list)]


class Group(Operator):
    """Base of conditions made of a list of conditions."""

    def inner(self) -> tuple[str, tuple[Operator, ...]]:
        """The key, and the conditions of its list."""
        raise NotImplementedError

    def children(self) -> Iterator[tuple[KeyPath, Operator]]:
        key, conditions = self.inner()
        for number, condition in enumerate(conditions):
            yield (key, number), condition

    def parts(self, to: Compiler) -> list[str]:
        """The predicates of the conditions, in brackets."""
        found = []
        for place, condition in self.children():
            with to.inside(*place):
                found.append(f"({condition.sql(to)})")
        return found

    def list_words(self, zh: str, en: str) -> str:
        return tr(zh, en).join(
            f"（{one.words}）" if isinstance(one, Group) else one.words for _, one in self.children()
        )

    @property
    def shown(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for _, one in self.children() for name in one.shown))


@operator(
    "all", _FAMILY, "{all: [{metric: orders_30d, op: \">=\", value: 2}, {metric: spend_30d, op: \">\", value: 300}]}",
    "所有条件都满足。", "All conditions hold.",
)  # fmt: skip
class All(Group):
    all: Conditions

    def inner(self) -> tuple[str, tuple[Operator, ...]]:
        return "all", self.all

    def sql(self, to: Compiler) -> str:
        return " and ".join(self.parts(to))

    @property
    def words(self) -> str:
        return self.list_words("；", "; ")


@operator(
    "any", _FAMILY, "{any: [{metric: orders_30d, op: \">=\", value: 4}, {metric: spend_30d, op: \">\", value: 500}]}",
    "至少一个条件满足。", "At least one condition holds.",
)  # fmt: skip
class AnyOf(Group):
    any: Conditions

    def inner(self) -> tuple[str, tuple[Operator, ...]]:
        return "any", self.any

    def sql(self, to: Compiler) -> str:
        return " or ".join(self.parts(to))

    @property
    def words(self) -> str:
        return self.list_words(" 或 ", " or ")


@operator(
    "none", _FAMILY, "{none: [{metric: orders_30d, op: \">=\", value: 1}, {metric: has_wecom, op: \"=\", value: true}]}",
    "一个条件都不满足；“不知道”也算不满足。", "No condition holds; what is not known does not hold.",
)  # fmt: skip
class NoneOf(Group):
    none: Conditions

    def inner(self) -> tuple[str, tuple[Operator, ...]]:
        return "none", self.none

    def sql(self, to: Compiler) -> str:
        return f"not ({' or '.join(self.parts(to))})"

    @property
    def words(self) -> str:
        return tr("都不：", "none of: ") + self.list_words("、", ", ")


@operator(
    "not", _FAMILY, "{not: {metric: days_since_purchase, op: \">=\", value: 7}}",
    "条件不满足。从没买过的人没有 days_since_purchase，所以例子里也包括他们。",
    "The condition does not hold. Who never bought has no days_since_purchase, so the example includes them.",
)  # fmt: skip
class Not(Group):
    not_: Condition = Field(alias="not")

    def children(self) -> Iterator[tuple[KeyPath, Operator]]:
        yield ("not",), self.not_

    def sql(self, to: Compiler) -> str:
        [part] = self.parts(to)
        return f"not {part}"

    @property
    def words(self) -> str:
        return tr("并非（", "not (") + self.not_.words + tr("）", ")")


@operator(
    "at_least", _FAMILY,
    "{at_least: 2, of: [{metric: orders_30d, op: \">=\", value: 4}, {metric: spend_30d, op: \">\", value: 500},"
    " {metric: channels_30d, op: \"=\", value: 2}]}",
    "列出的条件里至少满足几个。", "At least so many of the conditions hold.",
)  # fmt: skip
class AtLeast(Group):
    at_least: Whole
    of: Conditions

    @model_validator(mode="after")
    def _possible(self) -> AtLeast:
        if not 1 <= self.at_least <= len(self.of):
            raise wrong(tr(f"应当在 1 到 {len(self.of)} 之间", f"must be 1 to {len(self.of)}"), "at_least")
        return self

    def inner(self) -> tuple[str, tuple[Operator, ...]]:
        return "of", self.of

    def sql(self, to: Compiler) -> str:
        ones = [f"case when {part} then 1 else 0 end" for part in self.parts(to)]
        return f"{' + '.join(ones)} >= {self.at_least}"

    @property
    def words(self) -> str:
        return tr(f"至少满足{self.at_least}个：", f"at least {self.at_least} of: ") + self.list_words(
            "、", ", "
        )


def _always(model: type[Operator]) -> Any:
    def choose(_: Mapping[str, Any]) -> type[Operator]:
        return model

    return choose


for _key, _model in (("all", All), ("any", AnyOf), ("none", NoneOf), ("not", Not), ("at_least", AtLeast)):
    head(_key, _always(_model))
