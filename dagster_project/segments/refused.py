"""What no name, tag or condition may say: anything of health, pregnancy or children, and anybody's mobile number.

Names and conditions are published as they are written: as names of segments, as reasons, as tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagster_project.lang import tr
from dagster_project.privacy.phones import mask_text
from dagster_project.segments.problems import wrong

# never inferred about anybody: health, pregnancy, children
SENSITIVE = (
    "怀孕", "孕妇", "孕期", "备孕", "孕妈", "母婴", "婴儿", "宝妈", "有娃", "有孩", "糖尿病", "高血压", "患者", "病人", "疾病",
    "残疾", "癌", "pregnan", "diabet", "disease", "patient", "infant", "newborn", "disabled",
)  # fmt: skip


def sensitive_word(name: str) -> str:
    """What in a name says something about health, pregnancy or children; empty when nothing does."""
    return next((word for word in SENSITIVE if word in name.lower()), "")


def check_words(text: str, what: str) -> None:
    """Raises ValueError when a text says what is never inferred. `what`: name or tag, in the language chosen."""
    if word := sensitive_word(text):
        raise ValueError(
            tr(
                f"{what}里有 {word}：健康、怀孕、孩子等敏感特征不能推断",
                f"{word} in a {what}: health, pregnancy and children are never inferred",
            )
        )


def check_number(text: str) -> None:
    """Raises ValueError when there is a mobile number in a text, whose digits are not repeated."""
    if mask_text(text) != text:
        raise ValueError(_no_number())


def check_numbers(condition: Any, *place: str | int) -> None:
    """Raises pydantic.ValidationError at a text with a mobile number; a SKU may look like one."""
    if isinstance(condition, str) and mask_text(condition) != condition:
        raise wrong(_no_number(), *place)
    if isinstance(condition, Mapping):
        inside = [(key, value) for key, value in condition.items() if key != "sku"]
    else:
        inside = list(enumerate(condition)) if isinstance(condition, list | tuple) else []
    for key, value in inside:
        check_numbers(value, *place, key)


def _no_number() -> str:
    return tr("这里不要写手机号", "no mobile number here")
