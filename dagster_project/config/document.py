"""YAML as text values plus the line of every key, with `${VARIABLE}` taken from the environment."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from dagster_project.config.errors import ConfigError
from dagster_project.lang import problem_text, tr

# `{a: ${B}}` is no YAML, yet it is how people (and our own contract) write a variable inside braces: variables are
# marked with private-use characters before parsing
_WRITTEN = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_VARIABLE = re.compile("\ue000([A-Za-z_][A-Za-z0-9_]*)\ue001")
# how PyYAML begins its complaints, and what usually is the matter
_YAML_PROBLEMS = {
    "mapping values are not allowed": "这一行多了一个冒号，或上一行的引号没有闭合；值里有冒号时请加引号",
    "could not find expected ':'": "缺少冒号（冒号后要有空格）",
    "found character '\\t'": "缩进不能用制表符，请改用空格",
    "expected <block end>": "缩进没有对齐",
    "expected ',' or ']'": "方括号没有闭合，或各项之间缺少逗号",
    "expected ',' or '}'": "花括号没有闭合，或各项之间缺少逗号",
    "found unexpected end of stream": "引号没有闭合",
    "found undefined alias": "* 开头的值请加引号",
    "special characters are not allowed": "含有不可见的控制字符",
}
KeyPath = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """A parsed YAML file. Scalars stay text: ids keep leading zeros and "04:00" stays a time.

    `variables`: keys whose value is written with a `${VARIABLE}`.
    """

    path: Path
    data: Any
    lines: dict[KeyPath, int]
    variables: set[KeyPath] = field(default_factory=set)

    def line(self, key: KeyPath) -> int | None:
        """Line of a key, or of its nearest parent that exists in the file."""
        for length in range(len(key), -1, -1):
            if key[:length] in self.lines:
                return self.lines[key[:length]]
        return None

    def error(self, key: KeyPath, problem: str) -> ConfigError:
        """What is wrong with a key, with its place in the file."""
        return ConfigError(self.path, self.line(key), ".".join(str(part) for part in key), problem)

    def parse(self, model: type[Model], data: Any = None, at: KeyPath = (), context: Any = None) -> Model:
        """Validates (a part of) the document; a ConfigError names the first wrong key.

        `context` is handed to the model's validators.
        """
        try:
            return model.model_validate(self.data if data is None else data, context=context)
        except ValidationError as error:
            first = error.errors()[0]
            key = at + tuple(first["loc"])
            if first["type"] == "extra_forbidden":
                known = ", ".join(_known_keys(model, tuple(first["loc"][:-1])))
                problem = tr(f"不认识的键。可用的键：{known}", f"unknown key; known keys: {known}")
            elif first["type"] == "missing":
                problem = tr("缺少这个键", "this key is missing")
            else:
                problem = problem_text(first)
            raise self.error(key, problem) from None


def _known_keys(model: Any, place: KeyPath) -> list[str]:
    """Field names of the model that stands at a place inside another."""
    for part in place:
        model = get_args(model)[0] if isinstance(part, int) else model.model_fields[part].annotation
        if get_origin(model) is not tuple:  # X | None
            model = next((kind for kind in get_args(model) if hasattr(kind, "model_fields")), model)
    fields: dict[str, FieldInfo] = getattr(model, "model_fields", {})
    return sorted(info.alias or name for name, info in fields.items())


def read_document(path: Path, *, resolve: bool = True) -> Document:
    """Reads one YAML file.

    Args:
        path: the file.
        resolve: replace `${VARIABLE}` by its environment value; off when only the shape is needed.

    Raises:
        ConfigError: no such file, no valid YAML, a key given twice, or a variable that is not set.
    """
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(path, None, "", tr("文件不存在", "no such file")) from None
    except UnicodeDecodeError:
        raise ConfigError(path, None, "", tr("请把文件存成 UTF-8 编码", "save the file as UTF-8")) from None
    try:
        root = yaml.compose(_WRITTEN.sub("\ue000\\1\ue001", text), Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        problem = _yaml_problem(
            getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        )
        raise ConfigError(path, line, "", tr(f"YAML 写法有误：{problem}", f"bad YAML: {problem}")) from None
    except RecursionError:
        raise ConfigError(path, 1, "", tr("嵌套太深", "nested too deep")) from None
    document = Document(path, {}, {})
    return replace(document, data=_build(document, root, (), resolve)) if root is not None else document


def _yaml_problem(text: str) -> str:
    """The parser's complaint; the usual ones in Chinese."""
    return next((tr(zh, text) for start, zh in _YAML_PROBLEMS.items() if text.startswith(start)), text)


def _build(document: Document, node: yaml.Node, key: KeyPath, resolve: bool) -> Any:
    path, lines = document.path, document.lines
    lines[key] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for name, value in node.value:
            if name.value in mapping:
                raise ConfigError(
                    path, name.start_mark.line + 1, name.value, tr("这个键写了两次", "key given twice")
                )
            mapping[name.value] = _build(document, value, (*key, name.value), resolve)
            lines[(*key, name.value)] = name.start_mark.line + 1
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_build(document, child, (*key, i), resolve) for i, child in enumerate(node.value)]
    text = node.value
    if text in ("", "null", "~") and getattr(node, "style", None) is None:
        return None
    if _VARIABLE.search(text):
        document.variables.add(key)
    return _substitute(path, text, key, lines[key]) if resolve else _VARIABLE.sub(r"${\1}", text)


def _substitute(path: Path, text: str, key: KeyPath, line: int) -> str:
    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise ConfigError(
                path,
                line,
                ".".join(map(str, key)),
                tr(
                    f"环境变量 {name} 没有设置，请先 export {name}=…",
                    f"environment variable {name} is not set: export {name}=…",
                ),
            )
        return os.environ[name]

    return _VARIABLE.sub(value, text)
