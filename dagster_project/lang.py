"""Which language people read: Chinese by default, English with `--lang en` or LINLI_LANG=en."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

LANGUAGES = ("zh", "en")
VARIABLE = "LINLI_LANG"

# processes that have no option of ours, such as Dagster's, follow the variable
LANGUAGE: ContextVar[str] = ContextVar(
    "linli_language", default="en" if os.environ.get(VARIABLE) == "en" else "zh"
)

# types of pydantic's validation errors in words; {name} is taken from the error's context
_PROBLEMS = {
    "missing": "缺少这个键",
    "extra_forbidden": "不认识的键",
    "int_parsing": "应当是整数",
    "int_from_float": "应当是整数",
    "int_type": "应当是整数",
    "int_parsing_size": "数字太大",
    "float_parsing": "应当是数字",
    "float_type": "应当是数字",
    "finite_number": "应当是数字",
    "bool_parsing": "应当是 true 或 false",
    "bool_type": "应当是 true 或 false",
    "string_type": "应当是一个值",
    "string_too_short": "不能少于 {min_length} 个字",
    "string_too_long": "不能超过 {max_length} 个字",
    "literal_error": "只能是 {expected}",
    "greater_than": "应当大于 {gt}",
    "greater_than_equal": "不能小于 {ge}",
    "less_than": "应当小于 {lt}",
    "less_than_equal": "不能大于 {le}",
    "too_short": "至少要有 {min_length} 项",
    "too_long": "最多 {max_length} 项",
    "tuple_type": "应当是列表（每项一行，以 - 开头）",
    "list_type": "应当是列表（每项一行，以 - 开头）",
    "dict_type": "应当是键值结构（键: 值）",
    "model_type": "应当是键值结构（键: 值）",
    "model_attributes_type": "应当是键值结构（键: 值）",
}


def tr(zh: str, en: str) -> str:
    """The text in the language chosen for this process."""
    return en if LANGUAGE.get() == "en" else zh


def problem_text(problem: Mapping[str, Any]) -> str:
    """What is wrong, from one entry of pydantic's `ValidationError.errors()`.

    Our own validators speak the chosen language already; of pydantic's texts the usual ones are known in Chinese.
    """
    text = str(problem["msg"])
    if problem["type"] == "value_error":
        return text.removeprefix("Value error, ")
    if LANGUAGE.get() == "en" or problem["type"] not in _PROBLEMS:
        return text
    context = {name: _plain(value) for name, value in problem.get("ctx", {}).items()}
    return _PROBLEMS[problem["type"]].format(**context)


def _plain(value: Any) -> str:
    return str(value).replace(" or ", "、").replace(", ", "、") if isinstance(value, str) else str(value)
