"""What every windowed client is made of: its settings, one HTTP core under one limit, and its notes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import ClassVar
from zoneinfo import ZoneInfo

import httpx

from dagster_project.lang import tr
from dagster_project.sources.http import HttpCore, HttpOwner, SlidingWindow


class ApiClient(HttpOwner):
    """One connection; the vendor's own calls are in the subclasses. The constructor is that of `ClientFactory`.

    Args:
        settings: the connection's keys of chain.yml, all text; `calls_per_minute` bounds all calls together.
        connection: its name, for messages.
        zone: the chain's time zone, in which nights are calendar days.
        transport, sleep, clock: for tests.
        now: epoch seconds; used for the timestamps of signatures and lives of tokens only.

    Raises: ValueError: a setting cannot be used. Not safe for several threads at once.
    """

    default_calls_per_minute: ClassVar[int] = 60

    def __init__(
        self,
        settings: Mapping[str, str],
        *,
        connection: str,
        zone: ZoneInfo,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.connection, self.notes = connection, list[str]()
        self._settings, self._zone, self._clock, self._now = settings, zone, clock, now
        limit = whole_setting(settings, "calls_per_minute", self.default_calls_per_minute)
        self._http = HttpCore(
            settings["base_url"],
            transport=transport,
            limiter=SlidingWindow([(limit, 60.0)], clock=clock, sleep=sleep),
            sleep=sleep,
            clock=clock,
        )
        self._set_up()

    def _set_up(self) -> None:
        """What a vendor reads from the settings, and its token; nothing is called yet."""


def whole_setting(settings: Mapping[str, str], key: str, default: int) -> int:
    """A positive whole number of a connection's settings.

    Raises: ValueError naming the key; the value is not repeated.
    """
    text = settings.get(key) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise ValueError(
            tr(
                f"{key} 应为正整数，请改 chain.yml",
                f"{key} must be a positive whole number; mend chain.yml",
            )
        )
    return int(text)


def codes_setting(settings: Mapping[str, str], key: str) -> frozenset[str]:
    """Codes of a vendor, separated by commas or blanks."""
    return frozenset(filter(None, re.split(r"[,，\s]+", settings.get(key) or "")))


def choice(settings: Mapping[str, str], key: str, choices: tuple[str, ...]) -> str:
    """One of `choices`, the first when the setting is empty. Raises: ValueError."""
    value = settings.get(key) or choices[0]
    if value not in choices:
        listed = " | ".join(choices)
        raise ValueError(
            tr(f"{key} 应为 {listed}，请改 chain.yml", f"{key} must be {listed}; mend chain.yml")
        )
    return value
