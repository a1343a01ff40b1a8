"""No plain phone number in a rule file: people read it, copy it and put it under version control."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from dagster_project.config.document import Document, KeyPath
from dagster_project.config.errors import ConfigError
from dagster_project.lang import tr
from dagster_project.privacy.phones import mask_text, replace_numbers


def refuse_numbers(document: Document, *, allowed: Collection[str] = ()) -> None:
    """Looks through keys, values and comments of a file. A SKU may look like a number, and is none.

    Args:
        allowed: numbers that are nobody's, as the file spells them.

    Raises:
        ConfigError: a mobile number of the mainland stands there, with file, line and, but in a comment, the key.
    """
    written = list(_scalars(document.data, ()))
    skus = [text for key, text in written if "sku" in key]
    spared = {digits for text in (*allowed, *skus) for digits in _numbers(text)}
    for key, text in written:
        if any(number not in spared for number in _numbers(text)):
            raise document.error(key, _problem())
    for number, line in enumerate(document.path.read_text("utf-8-sig").splitlines(), 1):
        if any(found not in spared for found in _numbers(line)):
            raise ConfigError(document.path, number, "", _problem())


def _numbers(text: str) -> list[str]:
    """Every mobile number in a text, its digits only."""
    found: list[str] = []

    def keep(digits: str) -> str:
        found.append(digits)
        return digits

    replace_numbers(text, keep)
    return found


def _scalars(value: Any, key: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Every value with its place. A key that is a number itself is told of at its parent: an error shows the place."""
    if isinstance(value, dict):
        for name, child in value.items():
            if mask_text(name) != name:
                yield key, name
            yield from _scalars(child, (*key, name))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _scalars(child, (*key, index))
    elif value is not None:
        yield key, str(value)


def _problem() -> str:
    return tr(
        "这里不要写手机号：规则文件会被传看和备份，号码只存在 vault/。请删掉，或写成 138****1234；"
        "谁也不是的占位号码写进 identity.yml 的 placeholder_phones",
        "no mobile number here: rule files are read and copied, numbers stand in vault/ only. Take it out or write"
        " 138****1234; placeholders that are nobody's go into placeholder_phones of identity.yml",
    )
