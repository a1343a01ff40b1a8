"""What the POS clients share: one constructor, one limiter, and what a refusal means when its code is not documented.

None of the three vendors publishes a table of error codes that could be checked. Codes of throttling can therefore be
named in chain.yml (`throttle_codes`), and the vendor's text is looked at to choose the kind of error; it is never
repeated in a message, a note or a log.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Self
from zoneinfo import ZoneInfo

import httpx

from dagster_project.lang import tr
from dagster_project.sources.errors import RateLimited, VendorConfigError, VendorError
from dagster_project.sources.http import HttpCore, SlidingWindow

VENDOR_ZONE = ZoneInfo(
    "Asia/Shanghai"
)  # what the vendors' wall-clock times mean, whatever the chain's zone is
MOST_RECORDS = 10_000  # of one slice, so that a slice fits in memory
DEFAULT_CALLS_PER_MINUTE = "60"

_CODE = re.compile(r"[\w.:-]{1,40}")
_PHONE_LIKE = re.compile(r"\d{11,}")
_THROTTLED = re.compile(
    r"频繁|频率|限流|(次数|额度|配额).{0,12}(上限|超|用完|不足)|too many|too frequent|rate.?limit|throttl|quota",
    re.IGNORECASE,
)
_MISCONFIGURED = re.compile(
    r"签名|密钥|授权|鉴权|权限|白名单|时间戳|sign|app.?id|app.?key|secret|permission|unauthori[sz]ed|white.?list|timestamp",
    re.IGNORECASE,
)


class PosApiClient:
    """Settings, HTTP core and notes of one connection; the vendor's own calls are in the subclasses.

    Args:
        settings: the connection's keys of chain.yml, all text.
        connection: its name, for messages.
        zone: the chain's time zone, in which nights are calendar days.
        now: epoch seconds; used for the timestamps of signatures only.

    Raises: ValueError: base_url or calls_per_minute cannot be used.
    """

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
        self.notes: list[str] = []
        self._settings, self._zone, self._clock, self._now = settings, zone, clock, now
        self._throttle_codes = frozenset(re.split(r"[,，\s]+", settings.get("throttle_codes", "")) or ()) - {
            ""
        }
        limit = calls_per_minute(settings, connection)
        self._http = HttpCore(
            settings["base_url"],
            transport=transport,
            limiter=SlidingWindow([(limit, 60.0)], clock=clock, sleep=sleep),
            sleep=sleep,
            clock=clock,
        )

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def calls_per_minute(settings: Mapping[str, str], connection: str) -> int:
    """The limit a connection asks for. Raises: ValueError: not a whole number above 0."""
    text = settings.get("calls_per_minute") or DEFAULT_CALLS_PER_MINUTE
    if not (text.isascii() and text.isdigit() and len(text) < 7 and int(text) > 0):
        raise ValueError(
            tr(
                f"连接 {connection} 的 calls_per_minute 应为正整数",
                f"calls_per_minute of {connection} must be a whole number above 0",
            )
        )
    return int(text)


def choice(settings: Mapping[str, str], key: str, choices: tuple[str, ...]) -> str:
    """One of `choices`, the first when the setting is empty. Raises: ValueError."""
    value = settings.get(key) or choices[0]
    if value not in choices:
        listed = " | ".join(choices)
        raise ValueError(
            tr(f"{key} 应为 {listed}，请改 chain.yml", f"{key} must be {listed}; mend chain.yml")
        )
    return value


def refusal(api: str, code: Any, text: Any, throttle_codes: frozenset[str] = frozenset()) -> VendorError:
    """The error of a refused call.

    Args:
        code: the vendor's code; shown only when it looks like one.
        text: the vendor's words (text or a list of texts); decide the kind of error, are never shown.
        throttle_codes: codes that this account gets for too many calls.
    """
    shown = str(code) if isinstance(code, str | int) and not isinstance(code, bool) else "?"
    if not _CODE.fullmatch(shown) or _PHONE_LIKE.search(shown):
        shown = "?"
    words = " ".join(filter(lambda part: isinstance(part, str), text if isinstance(text, list) else [text]))
    if shown in throttle_codes or _THROTTLED.search(words):
        return RateLimited(api, shown, tr("：调用太频繁", ": too many calls"))
    if _MISCONFIGURED.search(words):
        return VendorConfigError(
            api,
            shown,
            tr(
                "：像是密钥、账号或权限的问题，请核对 chain.yml 与环境变量，以及本机时钟",
                ": looks like a matter of key, account or permission; check chain.yml, the environment and the clock",
            ),
        )
    return VendorError(api, shown)


def wall_time(moment: datetime) -> str:
    """`yyyy-MM-dd HH:mm:ss` of an aware moment on the vendor's clock."""
    return f"{moment.astimezone(VENDOR_ZONE):%Y-%m-%d %H:%M:%S}"
