"""Call limits per corp and API, counted on the real clock: a client that has to wait really has to wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """Calls allowed per API. The first two are the vendor's; its limit on gettoken is not published (ours: 2,000/h)."""

    per_minute: int = 10_000
    per_hour: int = 150_000
    gettoken_per_hour: int = 2_000


@dataclass
class RateLimiter:
    """`allow(api)` is False while the API is blocked: 60 s after a full minute, an hour after a full hour."""

    limits: Limits = field(default_factory=Limits)
    monotonic: Callable[[], float] = time.monotonic
    _windows: dict[tuple[str, int], tuple[float, int]] = field(default_factory=dict)
    _blocked_until: dict[str, float] = field(default_factory=dict)

    def allow(self, api: str) -> bool:
        now = self.monotonic()
        if now < self._blocked_until.get(api, float("-inf")):
            return False
        per_hour = self.limits.gettoken_per_hour if api == "gettoken" else self.limits.per_hour
        for seconds, allowed in ((60, self.limits.per_minute), (3600, per_hour)):
            started, calls = self._windows.get((api, seconds), (now, 0))
            if now - started >= seconds:
                started, calls = now, 0
            self._windows[(api, seconds)] = (started, calls + 1)
            if calls >= allowed:
                self._blocked_until[api] = now + seconds
                return False
        return True
