"""Which language people read: Chinese by default, English with `--lang en`."""

from __future__ import annotations

from contextvars import ContextVar

LANGUAGE: ContextVar[str] = ContextVar("linli_language", default="zh")


def tr(zh: str, en: str) -> str:
    """The text in the language chosen for this process."""
    return en if LANGUAGE.get() == "en" else zh
