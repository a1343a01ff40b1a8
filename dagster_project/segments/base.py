"""A condition: its pydantic model, the registry of all operators, and how a mapping finds its operator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, PlainValidator, SerializeAsAny

from dagster_project.lang import tr
from dagster_project.segments.compile import Compiler
from dagster_project.segments.problems import KeyPath, unknown, wrong

MOST_DEEP = 8
_DEPTH: ContextVar[int] = ContextVar("linli_segment_depth", default=0)


class Operator(BaseModel):
    """A condition on a member, true or false and never null: what is not known fulfils no comparison."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    registered: ClassVar[str] = ""

    @property
    def operator(self) -> str:
        """Its name in the registry."""
        return self.registered

    def children(self) -> Iterator[tuple[KeyPath, Operator]]:
        """Conditions inside, with the way to them."""
        yield from ()

    def sql(self, to: Compiler) -> str:
        """A predicate over the features that is never null."""
        raise NotImplementedError

    @property
    def words(self) -> str:
        """The condition as people say it."""
        raise NotImplementedError

    def named(self) -> Iterator[tuple[KeyPath, str, str]]:
        """Things of the shops that it names, each with its place and kind: a key of where, segment or tag of rules."""
        yield from ()

    @property
    def shown(self) -> tuple[str, ...]:
        """Metrics whose value lets somebody in, for examples."""
        return ()


@dataclass(frozen=True)
class Entry:
    """An operator in the registry. `example`: the YAML of one condition."""

    name: str
    family: str
    model: type[Operator]
    example: str
    zh: str
    en: str

    @property
    def doc(self) -> str:
        return tr(self.zh, self.en)


REGISTRY: dict[str, Entry] = {}
# head key → which model, from the mapping
_HEADS: dict[str, Callable[[Mapping[str, Any]], type[Operator]]] = {}
Model = TypeVar("Model", bound=type[Operator])


def operator(name: str, family: str, example: str, zh: str, en: str) -> Callable[[Model], Model]:
    """Registers an operator of a model; a model of several operators is decorated for each."""

    def register(model: Model) -> Model:
        REGISTRY[name] = Entry(name, family, model, example, zh, en)
        model.registered = name
        return model

    return register


def head(key: str, choose: Callable[[Mapping[str, Any]], type[Operator]]) -> None:
    """A condition with this key is of the model that `choose` names."""
    _HEADS[key] = choose


def heads() -> tuple[str, ...]:
    return tuple(_HEADS)


def parse(data: Any) -> Operator:
    """A condition from its mapping.

    Raises:
        pydantic.ValidationError: it is none; the error's place leads to the wrong key.
    """
    if isinstance(data, Operator):
        return data
    model = _model_of(data)
    depth = _DEPTH.get() + 1
    if depth > MOST_DEEP:
        raise wrong(tr(f"条件最多嵌套 {MOST_DEEP} 层", f"conditions nest at most {MOST_DEEP} deep"))
    known = [field.alias or name for name, field in model.model_fields.items()]
    for key in data:
        if key not in known:
            raise wrong(unknown("键", "key", key, known), str(key))
    token = _DEPTH.set(depth)
    try:
        return model.model_validate(data)
    finally:
        _DEPTH.reset(token)


def _model_of(data: Any) -> type[Operator]:
    if not isinstance(data, Mapping):
        raise wrong(
            tr(
                '条件应当是 {键: 值}，例如 {metric: spend_30d, op: ">", value: 500}',
                'a condition is a mapping such as {metric: spend_30d, op: ">", value: 500}',
            )
        )
    given = [key for key in _HEADS if key in data]
    if len(given) > 1 and "at_least" in given:
        # also a key of streak
        given.remove("at_least")
    if len(given) > 1:
        listed = ", ".join(given)
        raise wrong(
            tr(f"一个条件只能写一种，写了：{listed}", f"a condition is of one kind, given: {listed}"),
            given[1],
        )
    if not given:
        if not data:
            raise wrong(tr("空的条件", "an empty condition"))
        first = str(next(iter(data)))
        raise wrong(unknown("条件", "condition", first, heads()), first)
    return _HEADS[given[0]](data)


# an empty value would be None, which no condition is
Condition = Annotated[SerializeAsAny[Operator], PlainValidator(parse)]
