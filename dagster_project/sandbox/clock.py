"""The sandbox's clock: real, frozen at an instant, or any callable. Everything the vendor shows is as of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))  # the vendor counts days in Beijing time, which has no summer time

Instant = int | float | datetime
ClockSource = Instant | Callable[[], Instant] | None


def to_unix(instant: Instant) -> int:
    """Unix seconds; a datetime without zone is Beijing time."""
    if isinstance(instant, datetime):
        aware = instant if instant.tzinfo else instant.replace(tzinfo=BEIJING)
        return int(aware.timestamp())
    return int(instant)


def beijing_day(unix: int) -> int:
    """Day number of a Unix second in Beijing time."""
    return (unix + 8 * 3600) // 86400


class Clock:
    """`now()` in Unix seconds. `source` None is the real clock, an instant freezes it, a callable is asked."""

    def __init__(self, source: ClockSource = None) -> None:
        self._source = source

    def set(self, source: ClockSource) -> None:
        self._source = source

    def now(self) -> int:
        if self._source is None:
            return int(time.time())
        return to_unix(self._source() if callable(self._source) else self._source)
